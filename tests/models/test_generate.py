from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from anyany.messages.collate import Sample, collate
from anyany.messages.render import render
from anyany.messages.types import Media, Text, assistant, user
from anyany.models.anyany import AnyToAny
from anyany.models.emit import Grammar, Sampling, drawn, emit
from anyany.models.generate import Generator, Wish, read
from anyany.models.llms.pretrained import PretrainedLLM
from tests.models.test_anyany import SIGNALS, SPECS, media
from tests.models.test_assemble import WRITES, assembled, dummies, item, row

ASKED = [
    (user("draw"),),
    (user(media("image"), "what is it?"),),
    (user(media("audio"), media("video"), "go on"), assistant("yes"), user("and?")),
]


LLAMA = Path(__file__).parents[2] / "anyany" / "parts" / "llama"
LLMS = {"from scratch": None, "pretrained, with low-rank changes": lambda: PretrainedLLM(LLAMA, "tiny", lora_rank=4)}


@pytest.fixture(scope="module")
def parts():
    return assembled(WRITES)


@pytest.fixture(scope="module", params=LLMS)
def either(request):
    """Parts with an LLM of each kind."""
    return assembled(WRITES, llm=LLMS[request.param])


def shown(parts, messages):
    rendered = render(messages, parts.vocabulary, reply=True)
    torch.manual_seed(len(rendered))
    return [item(parts.preprocess[m.modality]) for m in rendered.media]


def batch_of(parts, asked):
    rows = [[Sample("s", "k", render(m, parts.vocabulary, reply=True), shown(parts, m))] for m in asked]
    return collate(rows, parts.vocabulary, dummies(parts))


def by_plain_loop(model, parts, messages, num):
    """Each token by the whole row anew; ids and the state at each."""
    batch, grammar, ids = batch_of(parts, [messages]), Grammar(parts.vocabulary), []
    embeddings_1TD = model.fused(model.llm.embed(batch.input_ids_BT), batch)
    for _ in range(num):
        length = embeddings_1TD.shape[1]
        hidden_1TD = model.llm(embeddings_1TD, torch.arange(length)[None], torch.zeros(1, length, dtype=torch.int64))
        logits_V = model.llm.head(hidden_1TD[0, -1:])[0]
        logits_V[grammar.barred(ids)] = -torch.inf
        forced = grammar.forced(ids)
        ids.append(int(logits_V.argmax()) if forced is None else forced)
        embeddings_1TD = torch.cat([embeddings_1TD, model.llm.embed(torch.tensor([ids[-1:]]))], 1)
    length = embeddings_1TD.shape[1]
    hidden_1TD = model.llm(embeddings_1TD, torch.arange(length)[None], torch.zeros(1, length, dtype=torch.int64))
    return ids, hidden_1TD[0, -num:]


@torch.no_grad()
def test_a_batch_with_a_cache_equals_rows_alone_without(either):
    parts, model, num = either, either.model().eval(), 12
    for seed in range(3):
        torch.manual_seed(seed)
        for parameter in model.llm.parameters():
            nn.init.normal_(parameter, std=0.3)  # so that rows say different things
        together = emit(model, parts.vocabulary, batch_of(parts, ASKED), [0] * len(ASKED), Sampling(max_tokens=num))
        for messages, one in zip(ASKED, together, strict=True):
            ids, states_SD = by_plain_loop(model, parts, messages, num)
            assert one.ids == ids[: len(one.ids)]
            torch.testing.assert_close(one.states_SD, states_SD[: len(one.ids)], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(one.embeddings_SD, model.llm.embed(torch.tensor(one.ids)))


def test_what_is_drawn_depends_on_the_rows_own_seed(parts):
    model = parts.model().eval()
    sampling = Sampling(max_tokens=8, temperature=1.0)

    def ids(asked, seeds):
        return [one.ids for one in emit(model, parts.vocabulary, batch_of(parts, asked), seeds, sampling)]

    first = ids(ASKED, [1, 2, 3])
    assert first == ids(ASKED, [1, 2, 3]) == ids(ASKED[::-1], [3, 2, 1])[::-1]
    assert ids(ASKED[1:2], [2]) == first[1:2]
    assert ids(ASKED, [4, 5, 6]) != first


def test_the_share_of_the_likeliest_is_cut():
    logits_V = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()
    for top_p, allowed in ((0.4, {1}), (0.5, {1}), (0.6, {1, 3}), (0.8, {1, 3, 2}), (1.0, {0, 1, 2, 3})):
        generator = torch.Generator().manual_seed(0)
        assert {drawn(logits_V, top_p, generator) for _ in range(200)} == allowed


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_sampling_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="give max_tokens >= 1, temperature >= 0 and top_p above 0"):
        Sampling(**wrong)


class Scripted(nn.Module):
    """An LLM that says what stands in its script, a line for each row, whatever it is asked."""

    dim = 3

    def __init__(self, scripts, lengths, num_tokens):
        super().__init__()
        self.scripts, self.lengths, self.num_tokens = scripts, lengths, num_tokens
        self.weight = nn.Parameter(torch.zeros(1))

    def embed(self, ids_BT):
        return torch.stack([torch.full_like(ids_BT, 7), ids_BT, ids_BT], -1).float()

    def extend(self, embeddings_BTD, position_ids_BT, visible_BS, cache=None):
        rows = torch.arange(len(embeddings_BTD))[:, None].expand_as(position_ids_BT)
        return torch.stack([rows, position_ids_BT, embeddings_BTD[..., 1]], -1).float(), None

    def head(self, hidden_PD):
        logits_PV = torch.zeros(len(hidden_PD), self.num_tokens)
        for line, (index, position, _) in zip(logits_PV, hidden_PD.long().tolist(), strict=True):
            script = self.scripts[index]
            line[script[min(position - self.lengths[index] + 1, len(script) - 1)]] = 1.0
        return logits_PV


class Echo(nn.Module):
    def forward(self, states_NSD, embeddings_NSD):
        return torch.cat([states_NSD, embeddings_NSD], -1)


class Recording:
    """A decoder that draws what it was given."""

    def __init__(self):
        self.calls = []

    def condition(self, captions):
        self.calls.append(list(captions))
        return torch.tensor([[[float(len(c))]] for c in captions])

    def generate(self, conditioning_NLD, seeds):
        self.calls.append((conditioning_NLD, list(seeds)))
        return conditioning_NLD


def scripted(parts, asked, texts, decoders=None, outputs=SIGNALS):
    """A generator whose replies are the texts, with control tokens spelt out."""
    vocabulary = parts.vocabulary
    scripts = [vocabulary.control_ids(text) for text in texts]
    lengths = [len(render(messages, vocabulary, reply=True)) for messages in asked]
    llm = Scripted(scripts, lengths, len(vocabulary))
    model = AnyToAny({}, outputs, {}, {}, llm, {name: Echo() for name in outputs})
    return Generator(model, vocabulary, {}, decoders or {})


def run(name):
    return "".join(f"<|{name}_signal_{i}|>" for i in range(SIGNALS[name]))


def test_media_come_where_the_reply_names_them(parts):
    asked = [(user("a"),), (user("bcd"),), (user("e"),)]
    texts = [
        f"one {run('image')}two{run('audio')}{run('image')}<|end|>",
        "no media<|end|>and nothing after the end",
        f"{run('video')}<|end|>",
    ]
    decoders = {name: Recording() for name in ("image", "audio")}
    replies = scripted(parts, asked, texts, decoders)(asked, [[], [], []], [10, 11, 12])
    kinds = [[type(p).__name__ if not isinstance(p, Text) else p.text for p in reply.parts] for reply in replies]
    assert kinds == [["one ", "Media", "two", "Media", "Media"], ["no media"], ["Wish"]]
    assert [reply.modalities for reply in replies] == [("image", "audio", "image"), (), ("video",)]
    assert all(reply.is_complete for reply in replies)
    ((conditioning_NLD, seeds),) = decoders["image"].calls  # both pictures at once
    tokens = [parts.vocabulary.token_id(t) for t in parts.vocabulary.rows["image"].layout.signals]
    prompt = len(render(asked[0], parts.vocabulary, reply=True))
    firsts = [prompt + 4, prompt + 4 + 2 + 3 + 1]  # bytes are tokens: "one ", a run, "two", a run of one
    assert conditioning_NLD.tolist() == [[[0, f + s, t, 7, t, t] for s, t in enumerate(tokens)] for f in firsts]
    assert len(set(seeds)) == 2
    assert torch.equal(replies[0].parts[1].tensor, conditioning_NLD[0])
    assert torch.equal(replies[0].parts[4].tensor, conditioning_NLD[1])
    again = scripted(parts, asked, texts, decoders)(asked[:1], [[]], [10])
    assert torch.equal(again[0].parts[1].tensor, replies[0].parts[1].tensor)
    assert decoders["image"].calls[1][1] == seeds  # a reply's seeds do not depend on the rows beside it


def test_what_is_not_wanted_stays_a_wish(parts):
    asked, decoders = [(user("a"),), (user("b"),)], {"image": Recording()}
    generator = scripted(parts, asked, [f"{run('image')}<|end|>"] * 2, decoders)
    said = generator.said(asked, [[], []], [10, 11])
    some, both = (generator.drawn(said, [10, 11], wanted) for wanted in (lambda i, reply: i == 1, None))
    assert [type(reply.parts[0]) for reply in some] == [Wish, Media]
    assert torch.equal(some[1].parts[0].tensor, both[1].parts[0].tensor)
    assert len(decoders["image"].calls[0][0]) == 1


def test_a_reply_holds_none_of_its_batch(parts):
    asked = [(user("a"),)] * 5
    text = f"{run('image')}{run('video')}<|end|>"
    for reply in scripted(parts, asked, [text] * 5, {"image": Recording()})(asked, [[]] * 5, range(5)):
        picture, wish = reply.parts
        held = [picture.tensor, wish.states_SD, wish.embeddings_SD]
        assert [t.untyped_storage().nbytes() for t in held] == [t.nbytes for t in held]


@pytest.mark.parametrize("bf16", [False, True])
def test_decoders_alone_round_their_products(parts, bf16):
    """1 + 2**-9 has more digits than bfloat16."""

    class Multiplying(Recording):
        def generate(self, conditioning_NLD, seeds):
            self.product = torch.full((1, 1), 1 + 2**-9) @ torch.ones(1, 1)
            return super().generate(conditioning_NLD, seeds)

    decoder = Multiplying()
    generator = replace(scripted(parts, [(user("a"),)], [f"{run('image')}<|end|>"], {"image": decoder}), bf16=bf16)
    assert generator([(user("a"),)], [[]], [10])[0].modalities == ("image",)
    assert decoder.product.dtype == (torch.bfloat16 if bf16 else torch.float32)
    assert decoder.product.item() == (1 if bf16 else 1 + 2**-9)
    assert decoder.calls[0][0].dtype == torch.float32


def test_what_is_drawn_may_spare_the_rest(parts):
    """Each is asked before a modality is drawn, with what is there by then: the sound is left where a picture is."""
    asked, decoders = [(user("a"),), (user("b"),)], {"image": Recording(), "audio": Recording()}
    texts = [f"{run('image')}{run('audio')}<|end|>", f"{run('audio')}<|end|>"]
    generator = scripted(parts, asked, texts, decoders)
    said = generator.said(asked, [[], []], [10, 11])
    replies = generator.drawn(said, [10, 11], lambda i, reply: not any(isinstance(m, Media) for m in reply.media))
    assert [[type(part) for part in reply.parts] for reply in replies] == [[Media, Wish], [Media]]
    assert replies[0].parts[1] is said[0].parts[1]
    assert [len(decoder.calls[0][1]) for decoder in decoders.values()] == [1, 1]


def test_a_run_is_finished_once_begun(parts):
    asked = [(user("a"),)]
    first = parts.vocabulary.rows["video"].layout.signals[0]
    (reply,) = scripted(parts, asked, [f"x{first}" + "y" * 4 + "z<|end|>"])(asked, [[]], [0])
    assert [type(p) for p in reply.parts] == [Text, Wish, Text]
    assert reply.text == "xz"  # what the LLM would have said within the run was not asked


def test_what_belongs_within_a_run_is_said_nowhere_else(parts):
    grammar = Grammar(parts.vocabulary)
    token = parts.vocabulary.token_id
    barred = set(grammar.barred([]))
    assert {token(f"<|video_signal_{i}|>") for i in range(1, 5)} <= barred
    assert {token(t) for t in ("<|pad|>", "<|image|>", "<|user|>", "<|assistant|>")} <= barred
    assert not {token("<|video_signal_0|>"), token("<|audio_signal_0|>"), token("<|end|>"), 5} & barred


def test_a_reply_that_is_cut_off_says_so(parts):
    asked = [(user("a"),)]
    generator = scripted(parts, asked, [f"abc{run('video')}def<|end|>"])
    for num, (kinds, text) in {2: ([Text], "ab"), 6: ([Text], "abc"), 8: ([Text, Wish], "abc")}.items():
        (reply,) = generator(asked, [[]], [0], Sampling(max_tokens=num))
        assert ([type(p) for p in reply.parts], reply.text, reply.is_complete) == (kinds, text, False)
    assert generator(asked, [[]], [0], Sampling(max_tokens=12))[0].is_complete


def test_a_wish_in_words_goes_through_the_decoders_own_text_encoder():
    parts = assembled({n: row(n, connection="text") for n in SPECS})
    asked = [(user("a"),), (user("b"),)]
    texts = [
        "here: <|image_begin|>a red ring<|image_end|> ok<|end|>",
        "<|image_begin|>two<|image_end|><|image_begin|>never closed<|end|>",
    ]
    decoder = Recording()
    replies = scripted(parts, asked, texts, {"image": decoder}, outputs={})(asked, [[], []], [0, 1])
    assert decoder.calls[0] == ["a red ring", "two"]
    assert [p.caption if isinstance(p, Media) else p.text for r in replies for p in r.parts] == [
        "here: ", "a red ring", " ok", "two",
    ]  # fmt: skip
    grammar, token = Grammar(parts.vocabulary), parts.vocabulary.token_id
    assert token("<|image_end|>") in grammar.barred([])
    assert token("<|image_end|>") not in grammar.barred([token("<|image_begin|>"), 5])
    assert token("<|video_end|>") in grammar.barred([token("<|image_begin|>"), 5])
    assert token("<|image_end|>") in grammar.barred([token("<|image_begin|>"), token("<|image_end|>")])


def test_states_of_cached_generation_equal_those_of_training(either):
    """The conditioning of a reply, once as it was said and once as a sample that is trained on."""
    parts, model = either, either.model().eval()
    changes = [parameter for name, parameter in model.llm.named_parameters() if "lora" in name]
    assert bool(changes) == isinstance(model.llm, PretrainedLLM)
    for parameter in changes:  # one of each pair is nothing yet
        nn.init.normal_(parameter, std=0.1)
    asked = (user(media("image"), "x"),)
    values = shown(parts, asked)
    texts = [f"ab{run('image')}c{run('audio')}<|end|>"]
    ids = parts.vocabulary.control_ids(texts[0])

    class Led(nn.Module):
        """The model's own LLM, made to say the script."""

        def __init__(self, llm):
            super().__init__()
            self.llm, self.said = llm, 0

        def embed(self, ids_BT):
            return self.llm.embed(ids_BT)

        def extend(self, *given):
            return self.llm.extend(*given)

        def head(self, hidden_PD):
            logits_PV = torch.zeros(len(hidden_PD), len(parts.vocabulary))
            logits_PV[:, ids[self.said]] = 1.0
            self.said += 1
            return logits_PV

    sides = (model.inputs, model.outputs, model.encoders, model.input_projectors)
    led = AnyToAny(*sides, Led(model.llm), model.output_projectors)
    batch = batch_of(parts, [asked])
    (emitted,) = emit(led, parts.vocabulary, batch, [0])
    wishes = [p for p in read(emitted, parts.vocabulary).parts if isinstance(p, Wish)]
    generator = Generator(led, parts.vocabulary, parts.preprocess)
    said = (*asked, assistant("ab", media("image", "q"), "c", media("audio", "r")))
    trained = collate([[Sample("s", "k", render(said, parts.vocabulary), values)]], parts.vocabulary, dummies(parts))
    text_BTD = model.llm.embed(trained.input_ids_BT)
    hidden_BTD = model.llm(model.fused(text_BTD, trained), trained.position_ids_BT, trained.segment_ids_BT)
    assert [wish.modality for wish in wishes] == ["image", "audio"]
    for wish in wishes:
        slots_BT = trained.targets[wish.modality].signal_slots_BT
        expected = model.conditioning(wish.modality, hidden_BTD, text_BTD, slots_BT)
        torch.testing.assert_close(generator.conditioning(wish.modality, [wish]), expected, atol=1e-5, rtol=1e-5)
