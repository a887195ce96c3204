"""A conversation with a model: what was said stands, and each request is answered in its light."""

from collections.abc import Sequence

from anyany.messages.types import Media, Message, Text, assistant, media_of, user
from anyany.models.emit import LIKELIEST, Sampling
from anyany.models.generate import Generator, Reply, Wish, opened
from anyany.seeds import seed_of


class Chat:
    """
    Args:
        seed: of the conversation; each turn draws from one of its own.
    """

    def __init__(self, generator: Generator, sampling: Sampling = LIKELIEST, seed: int = 0):
        self.generator, self.sampling, self.seed = generator, sampling, seed
        self.messages: list[Message] = []

    def ask(self, text: str, media: Sequence[Media] = ()) -> Reply:
        """The reply to a text with what is shown beside it, media first.

        Raises:
            UserError: for a modality that the model does not read, or a file that is not there.
            MediaFault: for one that cannot be decoded. In both cases the request does not count as said.
        """
        messages = [*self.messages, user(*media, text)]
        values = [opened(medium, self.generator.preprocess) for medium in media_of(messages, "user")]
        seed = seed_of("chat", self.seed, len(self.messages) // 2)
        (reply,) = self.generator([messages], [values], [seed], self.sampling)
        self.messages = [*messages, assistant(*map(_said, reply.parts))]
        return reply


def _said(part: Text | Wish | Media) -> Text | Media:
    """What stands in the conversation: a wish that no decoder granted was asked for all the same."""
    return Media(part.modality, caption=part.caption) if isinstance(part, Wish) else part
