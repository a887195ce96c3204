"""The text connection: the LLM writes a caption between two markers, and the decoder's own text encoder reads it."""

from anyany.messages.vocabulary import TokenLayout
from anyany.models.contracts import Connection


class TextConnection(Connection):
    """It has no signal tokens: ``num_signal_tokens`` of the row does not apply."""

    def layout(self, modality: str, num_signal_tokens: int) -> TokenLayout:
        return TokenLayout(begin=(f"<|{modality}_begin|>",), with_caption=True, end=(f"<|{modality}_end|>",))
