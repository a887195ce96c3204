"""The term that holds an LLM to its frozen weights on text alone."""

import pytest
import torch
import torch.nn.functional as F

from anyany.messages.collate import Sample, collate
from anyany.messages.render import render
from anyany.messages.types import Media, assistant, user
from anyany.messages.vocabulary import RowTokens, TokenLayout, Vocabulary
from anyany.models.anyany import AnyToAny
from tests.models.llms.test_pretrained import NUM_BYTES, pretrained, save
from tests.models.test_assemble import ROWS, assembled

CONVERSATIONS = {
    "plain": (user("is it red?"), assistant("yes")),
    "reads": (user(Media("image", member="x"), "what is it?"), assistant("a ring")),
    "makes": (user("draw it"), assistant(Media("image", member="x", caption="a ring"))),
}


@pytest.fixture
def model(tmp_path):
    """Without media: their places in the text are tokens like any other."""
    save(tmp_path)
    llm = pretrained(tmp_path, lora_rank=2)
    with torch.no_grad():
        for name, parameter in llm.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    return AnyToAny({}, {}, {}, {}, llm, {}, temperature=2.0, keeps=True)


@pytest.fixture
def samples(model):
    layout = TokenLayout(("<s0>", "<s1>"))
    vocabulary = Vocabulary(model.llm.tokenizer_json, "tiny", {"image": RowTokens("<|image|>", 1, layout)})
    model.llm.add_tokens(len(vocabulary))
    torch.nn.init.normal_(model.llm.added_AD)
    rendered = {name: render(messages, vocabulary) for name, messages in CONVERSATIONS.items()}
    return vocabulary, {n: Sample("s", n, r, [torch.zeros(1)] * len(r.media)) for n, r in rendered.items()}


def batch_of(samples, *names, num_tokens=None):
    vocabulary, by_name = samples
    return collate([[by_name[name] for name in names]], vocabulary, {}, num_tokens)


def test_it_is_the_divergence_at_each_token_of_plain_text(model, samples):
    model.eval()
    batch, alone = batch_of(samples, "reads", "plain", "makes", num_tokens=200), batch_of(samples, "plain")
    assert batch.is_plain_BT.sum() == alone.input_ids_BT.shape[1] == batch.counts["keep"]
    found, count = model(batch)["keep"]
    wanted = 0.0
    with torch.no_grad():
        _, now_1TD = model.states(alone)
        with model.llm.unchanged():
            _, before_1TD = model.states(alone)
        for now_D, before_D in zip(now_1TD[0], before_1TD[0], strict=True):
            before = torch.softmax(model.llm.head(before_D[None])[0, :NUM_BYTES], 0)
            now = torch.softmax(model.llm.head(now_D[None])[0], 0)[:NUM_BYTES]
            wanted += float((before * (before / now).log()).sum())
    assert count == batch.counts["keep"]
    assert float(found) == pytest.approx(wanted, rel=1e-4)
    assert wanted > 1


def test_its_gradient_reaches_the_changes_and_brings_them_back(model, samples):
    batch = batch_of(samples, "plain", "reads")
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.02)
    moved = []
    for _ in range(30):
        total, count = model(batch)["keep"]
        moved.append(float(total) / count)
        (total / count).backward()
        assert all(p.grad is not None for p in trained)
        optimizer.step()
        optimizer.zero_grad()
    assert moved[-1] < moved[0] / 5


def test_temperature_leaves_plain_text_as_it_is(model, samples):
    losses = {}
    for name in CONVERSATIONS:
        batch = batch_of(samples, name)
        with torch.no_grad():
            warm, cold = (float(model.train(mode)(batch)["text"][0]) for mode in (True, False))
            _, hidden_BTD = model.states(batch)
        labels = batch.labels_BT[0, 1:]
        logits_PV = model.llm.head(hidden_BTD[0, :-1][labels != -100]) / (1.0 if name == "plain" else 2.0)
        losses[name] = warm == pytest.approx(cold, rel=1e-6)
        assert warm == pytest.approx(
            float(F.cross_entropy(logits_PV, labels[labels != -100], reduction="sum")), rel=1e-5
        )
    assert losses == {"plain": True, "reads": False, "makes": False}


def test_what_knows_nothing_has_nothing_to_keep():
    parts = assembled(ROWS)
    with pytest.raises(ValueError, match=r"nothing to keep; give stage\.loss_weights\.keep=0"):
        parts.model(keeps=True)
    with pytest.raises(ValueError, match="Llama does not say what it was before training"):
        parts.llm.unchanged()
