import random
import unicodedata

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer, CLIPTokenizer, RobertaTokenizer

from anyany.messages.templates import TEMPLATES
from anyany.messages.vocabulary import PAD, Vocabulary
from anyany.microworld.scenes import SCENES
from data_prep.parts.tokenizers import clip_tokenizer, llm_tokenizer, roberta_tokenizer
from data_prep.parts.words import captions

LENGTH = 24
ODD = ["Café ☃", "", "A  RED\n\tsquare 12", "it's   ok...?!", "猫🎈 \u0301x", "0", " ", "İß", "a\u00a0b\x00c"]


@pytest.fixture(scope="module")
def texts():
    return [*captions(list(SCENES), 2_000), *["2024 + 100 = 2124"] * 100]


@pytest.fixture(scope="module")
def clip(texts):
    return clip_tokenizer(texts, 660, LENGTH)


@pytest.fixture(scope="module")
def roberta(texts):
    return roberta_tokenizer(texts, 400, LENGTH)


@pytest.fixture(scope="module")
def llm(texts):
    return llm_tokenizer(texts, 400, "tiny", 512)


def odd_texts():
    """Of all planes but surrogates, beside the hand-picked ones."""
    drawn = random.Random(0)
    spans = [(0x20, 0x7F), (0xA0, 0x24F), (0x370, 0x1FFF), (0x2190, 0x2BFF), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF)]
    points = [drawn.randint(*drawn.choice(spans)) for _ in range(3_000)]
    return ODD + ["".join(map(chr, points[first : first + 20])) for first in range(0, 3_000, 20)]


def byte_of_symbol():
    """GPT-2's table: printable bytes stand for themselves, the others for code points from 256 on."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(256 + index): byte for index, byte in enumerate(others)}


def written(pieces):
    """The text that byte-level pieces spell."""
    table = byte_of_symbol()
    return bytes(table[symbol] for piece in pieces for symbol in piece.removesuffix("</w>")).decode()


def test_clip_starts_ends_and_pads_with_its_highest_ids(clip):
    size = len(clip)
    assert size <= 660
    assert (clip.bos_token_id, clip.eos_token_id, clip.pad_token_id) == (size - 2, size - 1, size - 1)
    ids = clip(["A red  Square", ""], padding="max_length", max_length=LENGTH, truncation=True).input_ids
    assert clip.model_max_length == LENGTH == len(ids[0]) == len(ids[1])
    assert ids[0][0] == ids[1][0] == size - 2
    assert ids[1][1:] == [size - 1] * (LENGTH - 1)
    assert ids[0][: ids[0].index(size - 1) + 1] == clip("a red square").input_ids
    assert clip.convert_ids_to_tokens(ids[0][1:5]) == ["a</w>", "red</w>", "square</w>", "<|endoftext|>"]
    assert clip("red " * 50, truncation=True).input_ids[-1] == size - 1


def test_clip_writes_any_text_in_lower_case(clip):
    for text in odd_texts():
        ids = clip(text).input_ids
        assert clip.unk_token_id not in ids[1:-1], text  # it is the end's
        wanted = unicodedata.normalize("NFC", text).lower()
        assert "".join(written(clip.convert_ids_to_tokens(ids[1:-1])).split()) == "".join(wanted.split()), text


def test_clip_learns_in_lower_case_too():
    tokenizer = clip_tokenizer(["A RED  SQUARE"] * 20, 560, 8)
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("a red square").input_ids[1:-1])
    assert pieces == ["a</w>", "red</w>", "square</w>"]


def test_roberta_has_the_published_control_ids(roberta):
    assert [roberta.convert_tokens_to_ids(token) for token in ("<s>", "<pad>", "</s>", "<unk>")] == [0, 1, 2, 3]
    assert roberta.mask_token_id == len(roberta) - 1 < 400
    batch = roberta(["two low tones", ""], padding="max_length", max_length=LENGTH, truncation=True)
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        used = ids.index(2) + 1
        assert ids[0] == 0
        assert ids[used:] == [1] * (LENGTH - used)
        assert mask == [1] * used + [0] * (LENGTH - used)
    assert batch["input_ids"][1][:2] == [0, 2]
    assert roberta("low " * 50, truncation=True).input_ids[-1] == 2
    assert len(roberta("low " * 50, truncation=True).input_ids) == LENGTH


def test_roberta_writes_any_text_as_it_stands(roberta):
    for text in odd_texts():
        ids = roberta(text).input_ids
        assert 3 not in ids, text
        assert written(roberta.convert_ids_to_tokens(ids[1:-1])) == text
        assert roberta.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize(("name", "kind"), [("clip", CLIPTokenizer), ("roberta", RobertaTokenizer)])
def test_a_saved_tokenizer_is_the_same(name, kind, texts, tmp_path, request):
    tokenizer = request.getfixturevalue(name)
    tokenizer.save_pretrained(tmp_path)
    for loaded in (kind.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)):
        assert (len(loaded), loaded.model_max_length) == (len(tokenizer), LENGTH)
        options = {"padding": "max_length", "max_length": LENGTH, "truncation": True}
        assert dict(loaded(texts[:300] + ODD, **options)) == dict(tokenizer(texts[:300] + ODD, **options))


def test_the_llm_writes_any_text_as_it_stands(llm, texts):
    for text in odd_texts() + texts[:100]:
        ids = llm(text).input_ids
        assert written(llm.convert_ids_to_tokens(ids)) == llm.decode(ids) == text


def test_every_digit_stands_alone(llm):
    assert llm.convert_ids_to_tokens(llm("12+345 = 357").input_ids) == [*"12+345", "Ġ", "=", "Ġ", *"357"]
    digits = [piece for piece in llm.get_vocab() if any(char.isdigit() and char.isascii() for char in piece)]
    assert sorted(digits) == list("0123456789")


def test_control_tokens_are_ids_of_their_own(llm):
    control = [PAD, *TEMPLATES["tiny"].tokens]
    assert len(llm) <= 400
    for token in control:
        before, after = llm("a").input_ids, llm("b").input_ids
        assert llm(f"a{token}b").input_ids == [*before, llm.convert_tokens_to_ids(token), *after]
    assert (llm.pad_token, llm.eos_token) == (PAD, "<|end|>")
    assert llm.decode(llm("<|user|>hi<|end|>").input_ids, skip_special_tokens=True) == "hi"
    vocabulary = Vocabulary(llm.backend_tokenizer.to_str(), "tiny", {})
    assert len(vocabulary) == len(llm)  # nothing is added
    assert vocabulary.pad_id == llm.pad_token_id
    assert not set(vocabulary.text_ids("<|user|>")) & {llm.convert_tokens_to_ids(token) for token in control}


def test_the_saved_llm_tokenizer_is_the_same(llm, texts, tmp_path):
    llm.save_pretrained(tmp_path)
    loaded, plain = AutoTokenizer.from_pretrained(tmp_path), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert (len(loaded), loaded.model_max_length, loaded.pad_token_id) == (len(llm), 512, llm.pad_token_id)
    assert loaded.eos_token_id == llm.eos_token_id
    for text in [*texts[:200], *ODD, "<|user|>hi<|end|>"]:
        assert loaded(text).input_ids == llm(text).input_ids == plain.encode(text).ids


def test_common_words_are_single_pieces(clip, roberta, llm):
    for word in ("red", "square", "three"):
        assert len(clip(word).input_ids) == len(roberta(f" {word}").input_ids) == 3
        assert len(llm(f" {word}").input_ids) == 1
