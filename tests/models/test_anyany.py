"""What the model reads out of the LLM's states. The LLM here is a plain one, whose states tell their own position."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from anyany.messages.collate import Sample, collate
from anyany.messages.render import render
from anyany.messages.types import Media, assistant, user
from anyany.models.anyany import AnyToAny
from anyany.models.contracts import ConditioningSpec
from tests.models.test_assemble import WRITES, assembled, dummies, item

SPECS = {"image": ConditioningSpec(5, 8), "video": ConditioningSpec(3, 4), "audio": ConditioningSpec(1, 6, True)}
SIGNALS = {"image": 2, "video": 5, "audio": 1}


def media(name, caption=None):
    return Media(name, member="x", caption=caption)


CONVERSATIONS = {
    "before": (user(media("image"), "like this"), assistant("sure", media("image", "a"))),
    "in the middle": (user("x"), assistant("here", media("video", "b"), "and", user("y").content[0])),
    "at the very end": (user(media("audio"), media("video"), "go on"), assistant(media("audio", "c"))),
    "several": (user("x"), assistant(media("image", "d"), media("audio", "e"), "then", media("image", "f"))),
    "in turns": (user("x"), assistant(media("image", "g")), user(media("image")), assistant(media("image", "h"))),
    "none": (user(media("image")), assistant("a ring")),
}


@pytest.fixture(scope="module")
def parts():
    return assembled(WRITES)


@pytest.fixture(scope="module")
def samples(parts):
    torch.manual_seed(1)
    rendered = {name: render(messages, parts.vocabulary) for name, messages in CONVERSATIONS.items()}
    return {n: Sample("s", n, r, [item(parts.preprocess[m.modality]) for m in r.media]) for n, r in rendered.items()}


def batch_of(parts, rows):
    """Rows of samples, with a conditioning for each caption."""
    batch = collate(rows, parts.vocabulary, dummies(parts))
    for name, target in batch.targets.items():
        given = (
            torch.stack([wanted(name, c) for c in target.captions]) if target.captions else wanted(name, "")[None][:0]
        )
        object.__setattr__(target, "conditioning_NLD", given)
    return batch


def wanted(name, caption):
    drawn = torch.randn(SPECS[name].length, SPECS[name].dim, generator=torch.Generator().manual_seed(len(caption) + 7))
    return nn.functional.normalize(drawn, dim=-1) if SPECS[name].normalised else drawn


class Positions(nn.Module):
    """Gives back the states that it is fed: the sum over signals of state and embedding, told apart by their parts."""

    def forward(self, states_NSD, embeddings_NSD):
        return torch.cat([states_NSD, embeddings_NSD], dim=-1)


class Counting(nn.Module):
    """An LLM whose state at position t holds t and the id there."""

    num_known = 0

    def embed(self, ids_BT):
        return ids_BT[..., None].float().repeat(1, 1, 2)

    def forward(self, embeddings_BTD, position_ids_BT, segment_ids_BT, is_learned_BT=None):
        self.is_learned_BT = is_learned_BT
        return torch.stack([torch.arange(embeddings_BTD.shape[1]).expand(embeddings_BTD.shape[:2]), segment_ids_BT], -1)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_states_are_read_at_the_signal_tokens(parts, samples, name):
    sample = samples[name]
    model = AnyToAny({}, SIGNALS, {}, {}, Counting(), {modality: Positions() for modality in SIGNALS})
    batch = collate([[samples["none"], sample]], parts.vocabulary, dummies(parts))
    text_BTD = model.llm.embed(batch.input_ids_BT)
    hidden_BTD = model.llm(text_BTD, batch.position_ids_BT, batch.segment_ids_BT).float()
    ids, before = sample.rendered.input_ids_T.tolist(), len(samples["none"].rendered)
    for modality, num_signals in SIGNALS.items():
        tokens = [parts.vocabulary.token_id(t) for t in parts.vocabulary.rows[modality].layout.signals]
        firsts = [t for t in range(len(ids)) if ids[t : t + num_signals] == tokens]
        expected = [
            [[before + t + s, 1, tokens[s], tokens[s]] for s in range(num_signals)] for t in firsts
        ]  # position, segment, and the token's own embedding
        slots_BT = batch.targets[modality].signal_slots_BT
        made = model.conditioning(modality, hidden_BTD, text_BTD, slots_BT)
        assert len(firsts) == sum(p.modality == modality for p in sample.rendered.targets)
        assert made.tolist() == expected


def test_what_is_learned_of_the_input_is_the_rows_of_new_tokens_unless_media_are_read(parts, samples):
    llm = Counting()
    llm.num_known = parts.llm.num_known
    batch = collate([[samples["none"], samples["several"]]], parts.vocabulary, dummies(parts))
    AnyToAny({}, {}, {}, {}, llm, {}).states(batch)
    assert torch.equal(llm.is_learned_BT, batch.input_ids_BT >= llm.num_known)
    assert 0 < llm.is_learned_BT.sum() < llm.is_learned_BT.numel()
    AnyToAny({"image": ("x", "x")}, {}, {}, {"x": Rows()}, llm, {}).states(batch)
    assert llm.is_learned_BT is None


class Rows(nn.Module):
    """Three rows of zeros an item, as the pictures have slots."""

    def forward(self, values):
        return values.new_zeros(len(values), 3, 2)


def terms_by_loop(model, parts, samples):
    """Each sample alone; each run of signals by its own positions."""
    sums, counts = {f"{name}/align": 0.0 for name in SIGNALS}, dict.fromkeys((f"{name}/align" for name in SIGNALS), 0)
    for sample in samples:
        batch = batch_of(parts, [[sample]])
        text_BTD = model.llm.embed(batch.input_ids_BT)
        hidden_BTD = model.llm(model.fused(text_BTD, batch), batch.position_ids_BT, batch.segment_ids_BT)
        ids = sample.rendered.input_ids_T.tolist()
        for part in sample.rendered.targets:
            name, tokens = part.modality, parts.vocabulary.rows[part.modality].layout.signals
            first = ids.index(parts.vocabulary.token_id(tokens[0]))
            run = slice(first, first + len(tokens))
            ids[first] = -1  # the next run of this modality is a later one
            made_LD = model.output_projectors[name](hidden_BTD[:, run], text_BTD[:, run])[0]
            pairs = zip(made_LD, wanted(name, part.caption), strict=True)
            distances = [((made - want) ** 2).sum().sqrt() for made, want in pairs]
            sums[f"{name}/align"] += sum(distances) / len(distances)
            counts[f"{name}/align"] += 1
    return sums, counts


def test_terms_equal_a_plain_loop_however_samples_are_laid_out(parts, samples):
    model, one = parts.model().eval(), list(samples.values())
    sums, counts = terms_by_loop(model, parts, one)
    assert counts == {"image/align": 5, "video/align": 1, "audio/align": 2}
    for rows in ([one], [[sample] for sample in one], [one[:3], one[3:]], [one[::-1], []]):
        terms = model(batch_of(parts, rows))
        assert {name: count for name, (_, count) in terms.items() if name != "text"} == counts
        for name, expected in sums.items():
            torch.testing.assert_close(terms[name][0], expected, rtol=1e-5, atol=1e-4)


def gradients(model, batches):
    model.zero_grad()
    counts = {}
    for batch in batches:
        for name, (total, count) in model(batch).items():
            total.backward(retain_graph=True)
            counts[name] = counts.get(name, 0) + count
    return counts, {name: p.grad.clone() for name, p in model.named_parameters()}


def test_one_row_gives_the_gradients_of_its_halves_and_of_padded_rows(parts, samples):
    model, one = parts.model(), list(samples.values())
    counts, whole = gradients(model, [batch_of(parts, [one])])
    padded = [[[sample] for sample in one]]
    halves = [[[some] for some in cut] for cut in ([one[:2], one[2:]], [one[:5], one[5:]], [one[:-1], [one[-1]], []])]
    for batches in (padded, *halves):
        same, parted = gradients(model, [batch_of(parts, rows) for rows in batches])
        assert same == counts
        for name, gradient in whole.items():
            torch.testing.assert_close(parted[name], gradient, rtol=1e-4, atol=1e-4, msg=name)


def test_every_parameter_has_a_gradient_where_nothing_is_asked_for(parts, samples):
    model = parts.model()
    model.zero_grad()
    terms = model(batch_of(parts, [[samples["none"]]]))
    assert {name: (t.item(), n) for name, (t, n) in terms.items() if n == 0} == {
        f"{name}/align": (0.0, 0) for name in SIGNALS
    }
    sum(total for total, _ in terms.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(p.grad.abs().sum() == 0 for p in model.output_projectors.parameters())


def test_the_conditioning_is_normalised_where_the_decoders_is(parts, samples):
    model = parts.model()
    batch = batch_of(parts, [list(samples.values())])
    text_BTD = model.llm.embed(batch.input_ids_BT)
    hidden_BTD = model.llm(model.fused(text_BTD, batch), batch.position_ids_BT, batch.segment_ids_BT)
    made = {n: model.conditioning(n, hidden_BTD, text_BTD, batch.targets[n].signal_slots_BT) for n in SIGNALS}
    torch.testing.assert_close(made["audio"].norm(dim=-1), torch.ones(2, 1))
    assert (made["image"].norm(dim=-1) - 1).abs().max() > 1e-3


def test_a_medium_that_is_read_changes_what_is_asked_for_after_it(parts, samples):
    from dataclasses import replace

    model, one = parts.model().eval(), samples["before"]
    other = replace(one, values=[item(parts.preprocess["image"])])
    with torch.no_grad():
        (first, _), (second, _) = (model(batch_of(parts, [[s]]))["image/align"] for s in (one, other))
    assert abs(first - second) > 1e-6


def test_features_in_place_of_media_give_the_same_terms(parts, samples):
    from dataclasses import replace

    with_media, one = parts.model().eval(), list(samples.values())
    batch = batch_of(parts, [one])
    with torch.no_grad():
        features = {
            name: replace(media, values=with_media.encoders[parts.inputs[name][0]](media.values, name))
            for name, media in batch.media.items()
        }
        expected = with_media(batch)
        without = parts.model(encoded=True).eval()
        found = without(replace(batch, media=features))
    assert len(without.encoders) == 0
    for name, (total, count) in expected.items():
        torch.testing.assert_close(found[name][0], total)
        assert found[name][1] == count


def test_temperature_is_of_training_alone(parts, samples):
    plain, warm = parts.model(), parts.model(temperature=2.0)
    batch = batch_of(parts, [[samples["none"]]])
    with torch.no_grad():
        at_1, at_2 = (float(model.train()(batch)["text"][0]) for model in (plain, warm))
        assert at_1 != pytest.approx(at_2, rel=1e-3)
        assert float(warm.eval()(batch)["text"][0]) == pytest.approx(at_1)


class Fed(nn.Module):
    """An input projector that keeps what it is fed."""

    def forward(self, features_NLD):
        self.seen_NLD = features_NLD
        return features_NLD


def test_noise_is_of_training_alone_and_an_item_has_its_own_at_each_step(parts, samples):
    batch = collate([[samples["none"], samples["in turns"]], [samples["before"]]], parts.vocabulary, dummies(parts))
    row, num_items = parts.vocabulary.rows["image"], len(batch.media["image"].names)
    assert batch.media["image"].names == ["s/none/0", "s/in turns/0", "s/before/0"]
    given_NLD = torch.randn(num_items, row.num_rows, parts.llm.dim, generator=torch.Generator().manual_seed(0))

    def seen(media, seed=3, training=True):
        model = AnyToAny({"image": ("none", "fed")}, {}, {}, {"fed": (fed := Fed())}, parts.llm, {}, noise=0.5)
        one = replace(batch, seed=seed, media={"image": media})
        model.train(training).fused(parts.llm.embed(batch.input_ids_BT), one)
        return fed.seen_NLD

    media = replace(batch.media["image"], values=given_NLD)
    noised_NLD = seen(media)
    assert torch.equal(seen(media, training=False), given_NLD)
    assert 0.3 < (noised_NLD - given_NLD).std() < 0.7
    assert not torch.equal(seen(media, seed=4), noised_NLD)
    turned = replace(media, values=given_NLD.flip(0), names=media.names[::-1])
    assert torch.equal(seen(turned), noised_NLD.flip(0))
