import pytest

from anyany.messages.vocabulary import RowTokens, TokenLayout, Vocabulary
from anyany.models.llms.tokenizers import byte_level


def signal_layout(modality: str, number: int) -> TokenLayout:
    return TokenLayout(signals=tuple(f"<|{modality}_signal_{index}|>" for index in range(number)))


@pytest.fixture
def vocabulary() -> Vocabulary:
    """Bytes; an image is 3 rows and 2 signals, a video 4 rows and no output side, audio 1 signal and no input side."""
    rows = {
        "image": RowTokens("<|image|>", 3, signal_layout("image", 2)),
        "video": RowTokens("<|video|>", 4, None),
        "audio": RowTokens(None, 0, signal_layout("audio", 1)),
    }
    return Vocabulary(byte_level(), "tiny", rows)
