"""Tokenizers that need no file."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers


def byte_level() -> str:
    """One token a byte, as a tokenizer's JSON: any text can be written, nothing has to be learned."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str()
