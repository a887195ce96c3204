import pickle
from dataclasses import replace

import pytest

from anyany.messages.templates import TEMPLATES
from anyany.messages.vocabulary import RowTokens, TokenLayout, Vocabulary
from anyany.models.llms.tokenizers import byte_level

TEXTS = ["plain", "", "  two  spaces\n\n", "日本語 é 🎈", "<|end|>", "a<|image|>b", "x" * 1000, "\x00\x7f"]


@pytest.mark.parametrize("text", TEXTS)
def test_text_comes_back_and_is_never_a_control_token(vocabulary, text):
    ids = vocabulary.text_ids(text)
    assert vocabulary.decode(ids) == text
    assert len(ids) == len(text.encode())  # one token a byte
    assert all(index < 256 for index in ids)


@pytest.mark.parametrize("text", TEXTS)
def test_a_pickled_copy_encodes_alike(vocabulary, text):
    copy = pickle.loads(pickle.dumps(vocabulary))
    assert copy.text_ids(text) == vocabulary.text_ids(text)
    assert (copy.digest, len(copy)) == (vocabulary.digest, len(vocabulary))


def test_added_tokens_have_ids_of_their_own(vocabulary):
    ids = [vocabulary.token_id(token) for token in vocabulary.added_tokens]
    assert ids == list(range(256, len(vocabulary)))
    # pad, four turn tokens, image placeholder and 2 signals, video placeholder, 1 audio signal
    assert len(ids) == 1 + 4 + 3 + 1 + 1
    assert vocabulary.control_ids("a<|end|>") == [*vocabulary.text_ids("a"), vocabulary.token_id("<|end|>")]


def test_the_digest_follows_what_decides_ids():
    def digest(template="tiny", **row):
        return Vocabulary(byte_level(), template, {"image": RowTokens(**({"placeholder": "<|i|>"} | row))}).digest

    base = digest(num_rows=3)
    assert digest(num_rows=5) == base  # rows are added when planning
    others = [digest(placeholder="<|j|>"), digest(layout=TokenLayout(signals=("<|s|>",))), digest("chatml")]
    assert len({base, *others}) == 4


def test_a_token_used_twice_is_refused():
    rows = {"image": RowTokens("<|x|>", 1), "video": RowTokens("<|x|>", 1)}
    with pytest.raises(ValueError, match=r"<\|x\|>.* used twice"):
        Vocabulary(byte_level(), "tiny", rows).text_ids("a")


def test_an_unknown_template_is_refused():
    with pytest.raises(ValueError, match="'vicuna' is unknown; use one of tiny"):
        Vocabulary(byte_level(), "vicuna", {})


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_ends_an_assistants_turn(name):
    assert TEMPLATES[name].after["assistant"]
    with pytest.raises(AssertionError, match="never learns to stop"):
        replace(TEMPLATES[name], after={"user": "", "system": "", "assistant": ""})
