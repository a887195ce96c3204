import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from anyany.messages.render import IGNORE_INDEX, render
from anyany.messages.types import assistant, user
from anyany.messages.vocabulary import Vocabulary
from anyany.models.llms.tokenizers import byte_level
from anyany.seeds import rng_of
from data_prep.parts import conversations, llama
from data_prep.parts.conversations import PROMPT_WEIGHT, ROW_TOKENS, SHOWN_ROWS, TEMPLATE, ConversationRecipe
from data_prep.parts.llama import END, recipe, replies
from data_prep.parts.tokenizers import llm_tokenizer
from data_prep.parts.training import Training, draw_of
from data_prep.parts.words import captions, text_sample

CPU = torch.device("cpu")
ROWS = 3


@pytest.fixture(scope="module")
def tokenizer_json() -> str:
    tokenizer = llm_tokenizer(captions(["image", "video", "audio"], 2_000), 400, TEMPLATE, ROW_TOKENS)
    return tokenizer.backend_tokenizer.to_str()


@pytest.fixture
def model(tokenizer_json) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(Vocabulary(tokenizer_json, TEMPLATE, {})),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=ROW_TOKENS,
        initializer_range=0.3,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


@pytest.fixture
def texts(model, tokenizer_json) -> ConversationRecipe:
    return recipe(model, tokenizer_json, "model", 5, rows=ROWS)


@pytest.fixture
def seeing(model, tokenizer_json) -> ConversationRecipe:
    return recipe(model, tokenizer_json, "seeing", 5, rows=ROWS)


def rows_of(recipe, number):
    """Rows of ids, labels, positions and segments, and the samples that were drawn for each, the last one too many."""
    rows, drawn = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            conversations, "text_sample", lambda *given: drawn[-1].append(text_sample(*given)) or drawn[-1][-1]
        )
        for index in range(number):
            drawn.append([])
            row, shown = recipe._row(rng_of("rows", index))
            assert shown == [], "nothing is shown in texts"
            rows.append(row)
    return list(zip(rows, drawn, strict=True))


def test_rows_hold_whole_samples_one_after_the_other(texts, record_property):
    vocabulary, packed = texts.vocabulary, 0
    for (ids_T, labels_T, positions_T, segments_T), drawn in rows_of(texts, 30):
        rendered = [render(sample, vocabulary) for sample in drawn]
        assert {len(array) for array in (ids_T, labels_T, positions_T, segments_T)} == {ROW_TOKENS}
        used = sum(map(len, rendered[:-1]))
        assert used <= ROW_TOKENS < used + len(rendered[-1])  # no room is left for the next
        assert ids_T[:used].tolist() == [i for one in rendered[:-1] for i in one.input_ids_T]
        assert labels_T[:used].tolist() == [i for one in rendered[:-1] for i in one.labels_T]
        assert positions_T[:used].tolist() == [i for one in rendered[:-1] for i in range(len(one))]
        assert segments_T[:used].tolist() == [n for n, one in enumerate(rendered[:-1]) for _ in range(len(one))]
        assert set(ids_T[used:].tolist()) <= {vocabulary.pad_id}
        assert set(labels_T[used:].tolist()) <= {IGNORE_INDEX}
        assert set(segments_T[used:].tolist()) <= {-1}
        packed += len(drawn) - 1
    record_property("found", f"{packed} texts in 30 rows of a language model's training")
    assert packed > 30


def test_replies_are_labelled_and_requests_are_not(texts):
    for (ids_T, labels_T, _, segments_T), drawn in rows_of(texts, 5):
        for index, sample in enumerate(drawn[:-1]):
            ids, labels = ids_T[segments_T == index], labels_T[segments_T == index]
            said = texts.vocabulary.decode(labels[labels != IGNORE_INDEX])
            assert said == "".join(part.text + END for reply in sample[1::2] for part in reply.content)
            assert (ids == labels)[labels != IGNORE_INDEX].all()
            assert ids[-1] == labels[-1]


def loss_by_loop(model, recipe, draw):
    """Sample by sample, token by token: the means over tokens of replies and of requests."""
    reply, request = [], []
    for _ in range(recipe.rows):
        length = 0
        while True:
            sample = render(text_sample(draw.rng), recipe.vocabulary)
            length += len(sample)
            if length > ROW_TOKENS:
                break
            ids_T = torch.from_numpy(sample.input_ids_T)
            logits_TV = model(input_ids=ids_T[None]).logits[0]
            for t in range(1, len(sample)):
                missed = -F.log_softmax(logits_TV[t - 1], dim=-1)[ids_T[t]].item()
                (request if sample.labels_T[t] == IGNORE_INDEX else reply).append(missed)
    return np.mean(reply), np.mean(request)


@torch.no_grad()
@pytest.mark.parametrize("step", [0, 1])
def test_the_loss_equals_a_plain_loop(model, texts, step):
    terms = texts.loss(draw_of("toy", step, CPU))
    reply, request = loss_by_loop(model, texts, draw_of("toy", step, CPU))
    assert list(terms) == ["reply", "request"]
    assert terms["reply"].item() == pytest.approx(reply, abs=1e-5)
    assert terms["request"].item() == pytest.approx(PROMPT_WEIGHT * request, abs=1e-5)


def test_samples_of_a_row_do_not_meet(model, texts):
    (ids_T, labels_T, positions_T, segments_T), _ = rows_of(texts, 1)[0]
    other_T = ids_T.copy()
    other_T[segments_T == 0] = np.roll(other_T[segments_T == 0], 1)
    for changed in (ids_T, other_T):
        texts._row = lambda rng, changed=changed: ((changed, labels_T, positions_T, segments_T), [])
        model.zero_grad()
        texts.rows = 1
        hidden = []
        handle = model.model.register_forward_hook(lambda m, g, out, h=hidden: h.append(out.last_hidden_state))
        texts.loss(draw_of("toy", 0, CPU))
        handle.remove()
        if changed is ids_T:
            before_TD = hidden[0][0]
    same_T = torch.from_numpy(segments_T > 0)
    torch.testing.assert_close(hidden[0][0][same_T], before_TD[same_T])
    assert (hidden[0][0][~same_T][:5] - before_TD[~same_T][:5]).abs().max() > 1e-3


def test_what_is_shown_stands_as_a_blur_of_its_own_description(seeing, model, monkeypatch, record_property):
    """The mean of a text in place of its blur: at the slots of each medium that of its description, elsewhere words."""

    def means(embeddings_NLD, lengths_N, uniform_NKL, *others):
        texts = zip(embeddings_NLD, lengths_N.tolist(), strict=True)
        return torch.stack([one[:length].mean(0).expand(uniform_NKL.shape[1], -1) for one, length in texts])

    monkeypatch.setattr(conversations, "blurred", means)
    embed, vocabulary, number = model.get_input_embeddings(), seeing.vocabulary, 0
    placeholders = [vocabulary.token_id(row.placeholder) for row in vocabulary.rows.values()]
    for index in range(8):
        rows = [seeing._row(rng_of("seen", index, row)) for row in range(ROWS)]
        input_ids_BT = torch.from_numpy(np.stack([ids_T for (ids_T, *_), _ in rows]))
        embedded_BTD = seeing._embedded(input_ids_BT, [shown for _, shown in rows], draw_of("toy", 0, CPU))
        for ids_T, embedded_TD, (_, shown) in zip(input_ids_BT, embedded_BTD, rows, strict=True):
            is_shown_T = torch.isin(ids_T, torch.tensor(placeholders))
            assert is_shown_T.sum() == SHOWN_ROWS * len(shown)
            assert torch.equal(embedded_TD[~is_shown_T], embed(ids_T[~is_shown_T]))
            seen_NKD = embedded_TD[is_shown_T].reshape(len(shown), SHOWN_ROWS, model.config.hidden_size)
            for rows_KD, ids in zip(seen_NKD, shown, strict=True):
                torch.testing.assert_close(rows_KD, embed(torch.tensor(ids)).mean(0).expand(SHOWN_ROWS, -1))
                number += 1
    record_property("found", f"{number} descriptions shown to a language model")
    assert number > 10


def test_what_is_shown_is_not_foretold(seeing, monkeypatch):
    """As many tokens are predicted as there are words behind a sample's first token."""
    predicted = []
    keep = F.cross_entropy
    monkeypatch.setattr(
        F, "cross_entropy", lambda logits, ids, **more: predicted.append(ids) or keep(logits, ids, **more)
    )
    terms = seeing.loss(draw_of("toy", 0, CPU))
    assert all(torch.isfinite(term) for term in terms.values())
    rng, words = draw_of("toy", 0, CPU).rng, 0
    for _ in range(ROWS):
        (ids_T, _, positions_T, segments_T), _ = seeing._row(rng)
        words += int(((ids_T < seeing.module.config.vocab_size) & (positions_T > 0) & (segments_T >= 0)).sum())
    (ids_P,) = predicted
    assert len(ids_P) == words
    assert int(ids_P.max()) < seeing.module.config.vocab_size


def test_a_few_steps_bring_the_loss_down(texts, tmp_path):
    run = Training(texts, tmp_path, CPU)
    losses = [run.one_step()["reply"] for _ in range(5)]
    assert losses[-1] < losses[0]


def test_replies_are_those_of_a_plain_loop(model):
    vocabulary = Vocabulary(byte_level(), TEMPLATE, {})
    model.resize_token_embeddings(len(vocabulary))
    model.eval()
    model.generation_config.pad_token_id = vocabulary.pad_id
    end = vocabulary.token_id(END)
    model.generation_config.eos_token_id = end
    with torch.no_grad():  # some end early, and none writes other control tokens
        model.lm_head.weight[256:end] = 0
        model.lm_head.weight[end] *= 3
    asked = [[user(text)] for text in ("hi", "what is this?", "a longer request than the others, by far", "x")]
    wanted = []
    for messages in asked:
        ids = render(messages, vocabulary, reply=True).input_ids_T.tolist()
        first = len(ids)
        while len(ids) - first < llama.MAX_REPLY and ids[-1] != end:
            with torch.no_grad():
                ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        wanted.append(vocabulary.decode([i for i in ids[first:] if i not in (end, vocabulary.pad_id)]))
    assert replies(model, vocabulary, asked) == wanted
    assert len({len(reply) for reply in wanted}) > 2


def test_a_reply_is_asked_for_as_it_was_trained(tokenizer_json):
    vocabulary = Vocabulary(tokenizer_json, TEMPLATE, {})
    whole = render([user("What is 1 + 1?"), assistant("It is 2.")], vocabulary)
    asked = render([user("What is 1 + 1?")], vocabulary, reply=True).input_ids_T.tolist()
    reply = [i for i in whole.labels_T.tolist() if i != IGNORE_INDEX]
    assert whole.input_ids_T.tolist() == asked + reply
