"""Messages to tokens. Training and generation both come through here, so they cannot drift apart.

Shape letters: T tokens of one sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anyany.messages.types import Conversation, Media, Message, MessageError, Text, system
from anyany.messages.vocabulary import Vocabulary
from anyany.ops.losses import IGNORE_INDEX

NO_SLOT = -1
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """A run of tokens with one fate: labelled or not, plain or of a medium (read: no ids yet, written: its signals)."""

    ids: list[int]
    labelled: bool = False
    read: Media | None = None
    written: Media | None = None


@dataclass(frozen=True)
class Rendered:
    """One sample as tokens. Slots count within it: row r of the n-th item of a modality is ``n * num_rows + r``."""

    input_ids_T: Ints
    labels_T: Ints
    slots: dict[str, Ints] = field(default_factory=dict)  # modality -> [T] index of a media row, or NO_SLOT
    signal_slots: dict[str, Ints] = field(default_factory=dict)  # modality -> [T] index of a signal state, or NO_SLOT
    media: tuple[Media, ...] = ()  # what is read, in order of appearance
    targets: tuple[Media, ...] = ()  # what is asked for, in order of appearance

    def __len__(self) -> int:
        return len(self.input_ids_T)


def pieces(messages: Conversation, vocabulary: Vocabulary, reply: bool = False) -> Iterator[Piece]:
    """The conversation as pieces; with ``reply`` the opening of an assistant's turn follows, for generation to go on.

    Raises:
        MessageError: for a medium that no row of the table can read, or can make.
    """
    template = vocabulary.template
    if messages[0].role != "system" and template.default_system:
        messages = [system(template.default_system), *messages]
    yield Piece(vocabulary.control_ids(template.start))
    for index, message in enumerate(messages):
        labelled = message.role == "assistant"
        yield Piece(vocabulary.control_ids(template.before[message.role]))
        yield from _content(message, index, vocabulary, labelled)
        yield Piece(vocabulary.control_ids(template.after[message.role]), labelled)
    if reply:
        yield Piece(vocabulary.control_ids(template.before["assistant"]))


def render(messages: Conversation, vocabulary: Vocabulary, reply: bool = False) -> Rendered:
    """Tokens, labels and slots of a conversation. The labels of a sample's first token are always ignored."""
    ids: list[int] = []
    labels: list[int] = []
    spans: list[tuple[bool, str, int, int]] = []  # is it read, modality, first token, number of tokens
    media, targets = [], []
    for piece in pieces(messages, vocabulary, reply):
        run = piece.ids
        if piece.read:
            row = vocabulary.rows[piece.read.modality]
            run = [vocabulary.token_id(row.placeholder or "")] * row.num_rows
            media.append(piece.read)
            spans.append((True, piece.read.modality, len(ids), len(run)))
        if piece.written:
            targets.append(piece.written)
            spans.append((False, piece.written.modality, len(ids), len(run)))
        labels += run if piece.labelled else [IGNORE_INDEX] * len(run)
        ids += run
    if labels:
        labels[0] = IGNORE_INDEX  # nothing of this sample predicts it
    slots, signal_slots = _slots(spans, len(ids))
    return Rendered(np.array(ids, int), np.array(labels, int), slots, signal_slots, tuple(media), tuple(targets))


def measure(messages: Conversation, vocabulary: Vocabulary) -> tuple[int, dict[str, int]]:
    """Number of tokens apart from media rows, and the number of media that are read, by modality."""
    num_tokens, num_media = 0, dict.fromkeys(vocabulary.rows, 0)
    for piece in pieces(messages, vocabulary):
        num_tokens += len(piece.ids)
        if piece.read:
            num_media[piece.read.modality] += 1
    return num_tokens, num_media


def _content(message: Message, index: int, vocabulary: Vocabulary, labelled: bool) -> Iterator[Piece]:
    for number, part in enumerate(message.content):
        where = f"message {index} ({message.role}), part {number}"
        if isinstance(part, Text):
            yield Piece(vocabulary.text_ids(part.text), labelled)
        elif labelled:
            yield from _request(part, where, vocabulary)
        else:
            row = vocabulary.rows.get(part.modality)
            if row is None or row.placeholder is None:
                raise MessageError(f"{where}: {part.modality} to read, but its row has no encoder; add one")
            yield Piece([], read=part)


def _request(part: Media, where: str, vocabulary: Vocabulary) -> Iterator[Piece]:
    """What the LLM emits to ask for a target, all of it labelled."""
    row = vocabulary.rows.get(part.modality)
    if row is None or row.layout is None:
        raise MessageError(f"{where}: {part.modality} to make, but its row has no connection; add one")
    layout = row.layout
    yield Piece(vocabulary.control_ids("".join(layout.begin)), True)
    if layout.with_caption:
        if not part.caption:
            raise MessageError(f"{where}: {part.modality} asked for in text has no caption; give one")
        yield Piece(vocabulary.text_ids(part.caption), True)
    yield Piece([vocabulary.token_id(token) for token in layout.signals], True, written=part)
    yield Piece(vocabulary.control_ids("".join(layout.end)), True)


def _slots(spans: list[tuple[bool, str, int, int]], length: int) -> tuple[dict[str, Ints], dict[str, Ints]]:
    read: dict[str, Ints] = {}
    written: dict[str, Ints] = {}
    for is_read, modality, first, number in spans:
        slots_T = (read if is_read else written).setdefault(modality, np.full(length, NO_SLOT))
        slots_T[first : first + number] = np.arange(number) + slots_T.max(initial=NO_SLOT) + 1
    return read, written
