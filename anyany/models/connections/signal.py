"""The signal connection: the LLM emits signal tokens, whose states go through the output projector."""

from anyany.messages.vocabulary import TokenLayout
from anyany.models.contracts import Connection


class SignalConnection(Connection):
    """NExT-GPT's connection (arXiv 2309.05519, section 3): a run of tokens of the modality's own."""

    def layout(self, modality: str, num_signal_tokens: int) -> TokenLayout:
        if num_signal_tokens < 1:
            raise ValueError(f"rows.{modality}.num_signal_tokens is {num_signal_tokens}; a signal needs at least 1")
        return TokenLayout(signals=tuple(f"<|{modality}_signal_{index}|>" for index in range(num_signal_tokens)))
