"""Tokenizers of the tiny parts, learned from the microworld's words, of the kinds that the full parts come with.

All are byte-level, so that any text can be written, if in more tokens.
"""

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast, RobertaTokenizer

from anyany.messages.templates import TEMPLATES
from anyany.messages.vocabulary import PAD

_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_CLIP_START, _CLIP_END = "<|startoftext|>", "<|endoftext|>"
_ROBERTA = ("<s>", "<pad>", "</s>", "<unk>")  # with these ids, as published


def clip_tokenizer(texts: Iterable[str], vocab_size: int, max_length: int) -> CLIPTokenizer:
    """Lower case, words apart, the last piece of each marked; start and end have the two highest ids."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(alphabet) - 2,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces, merges = _pieces(tokenizer)
    # The trainer knows the last piece of a word only where it saw one: every byte may end a word.
    vocab = list(dict.fromkeys([*alphabet, *(f"{byte}</w>" for byte in alphabet), *pieces, _CLIP_START, _CLIP_END]))
    return CLIPTokenizer(
        vocab={piece: index for index, piece in enumerate(vocab)}, merges=merges, model_max_length=max_length
    )


def roberta_tokenizer(texts: Iterable[str], vocab_size: int, max_length: int) -> RobertaTokenizer:
    """A space belongs to the piece that follows it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(_ROBERTA) - 1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces, merges = _pieces(tokenizer)
    vocab = [*_ROBERTA, *pieces, "<mask>"]
    return RobertaTokenizer(
        vocab={piece: index for index, piece in enumerate(vocab)}, merges=merges, model_max_length=max_length
    )


def llm_tokenizer(texts: Iterable[str], vocab_size: int, template: str, max_length: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE in which every digit stands alone; the template's control tokens are part of the vocabulary."""
    control = [PAD, *TEMPLATES[template].tokens]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in control],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    end = TEMPLATES[template].after["assistant"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=end, model_max_length=max_length
    )


def _pieces(tokenizer: Tokenizer) -> tuple[list[str], list[tuple[str, str]]]:
    """Pieces in the order of their ids, and the merges that make them."""
    import json

    model = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return pieces, [tuple(merge) for merge in model["merges"]]
