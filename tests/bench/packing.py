"""What packing saves: tokens that are padding, and steps of an epoch."""

from collections.abc import Iterator
from pathlib import Path

from anyany.data.packing import pack
from anyany.messages.render import measure
from anyany.messages.vocabulary import RowTokens, TokenLayout, Vocabulary
from anyany.microworld.dialogues import sample_dialogue
from anyany.microworld.levels import LEVELS
from anyany.microworld.texts import kinds_of
from anyany.models.llms.tokenizers import byte_level
from anyany.seeds import rng_of
from tests.bench.report import Figure

BUDGET, ROWS, NUM = 512, 16, 3000


def filling(folder: Path) -> Iterator[Figure]:
    """Over texts and dialogues as ``instruct`` sees them, in rows of 512 tokens."""
    layout = {m: TokenLayout(signals=tuple(f"<|{m}{i}|>" for i in range(4))) for m in ("image", "video", "audio")}
    vocabulary = Vocabulary(byte_level(), "tiny", {m: RowTokens(f"<|{m}|>", ROWS, layout[m]) for m in layout})
    kinds = kinds_of(novel=False)
    lengths = []
    for number in range(NUM):
        rng = rng_of("bench", number)
        if number % 2:
            messages = kinds[number % len(kinds)].draw(LEVELS["easy"], rng, False).messages
        else:
            messages = sample_dialogue(LEVELS["easy"], rng).messages
        num_tokens, num_media = measure(messages, vocabulary)
        lengths.append(num_tokens + ROWS * sum(num_media.values()))
    rows = pack(lengths, BUDGET)
    yield Figure("tokens of packed rows that are samples", sum(lengths) / (len(rows) * BUDGET), at_least=0.95)
    padded = [max(lengths[i : i + 16]) for i in range(0, NUM, 16)]
    in_padded = sum(lengths) / sum(16 * width for width in padded)
    yield Figure("tokens of padded batches that are samples", in_padded)
