"""Messages in, messages out.

Shape letters: N items, L positions and D width of a conditioning, S tokens of a reply or signals of a run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from anyany.faults import UserError
from anyany.media.table import MEDIA, MediaFault, Preprocess
from anyany.messages.collate import Sample, collate
from anyany.messages.render import render
from anyany.messages.types import Conversation, Media, Text
from anyany.messages.vocabulary import TokenLayout, Vocabulary
from anyany.models.anyany import AnyToAny
from anyany.models.contracts import Decoder
from anyany.models.emit import LIKELIEST, Emitted, Sampling, emit
from anyany.seeds import seed_of


@dataclass(frozen=True)
class Wish:
    """A medium that a reply asks for: in words, or by states at its signal tokens. Both are [S, D]."""

    modality: str
    caption: str | None = None
    states_SD: Tensor | None = None
    embeddings_SD: Tensor | None = None


@dataclass(frozen=True)
class Reply:
    """Text and wishes in the order in which they were said; with decoders, media in the place of wishes.

    Its tensors are its own: a view would keep, and send from process to process, all that its batch holds.
    """

    parts: tuple[Text | Wish | Media, ...]
    is_complete: bool = True

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(part.modality for part in self.media)

    @property
    def media(self) -> tuple[Wish | Media, ...]:
        """What was asked for, made or not."""
        return tuple(part for part in self.parts if not isinstance(part, Text))

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))


Wanted = Callable[[int, Reply], bool]


@dataclass(frozen=True)
class Generator:
    """What answers: a model, the vocabulary that it is fed with, what is done to media before it, its decoders.

    A modality without a decoder is left a wish.

    Args:
        bf16: whether decoders round their matrix products to bfloat16.
    """

    model: AnyToAny
    vocabulary: Vocabulary
    preprocess: Mapping[str, Preprocess]
    decoders: Mapping[str, Decoder] = field(default_factory=dict)
    bf16: bool = False

    def __call__(
        self, conversations: Sequence[Conversation], values: Sequence[Sequence[Tensor]], seeds: Sequence[int],
        sampling: Sampling = LIKELIEST,
    ) -> list[Reply]:  # fmt: skip
        """A reply to each conversation, with all that it asks for; see ``said``."""
        replies = self.said(conversations, values, seeds, sampling)
        return self.drawn(replies, seeds)

    @torch.no_grad()
    def said(
        self, conversations: Sequence[Conversation], values: Sequence[Sequence[Tensor]], seeds: Sequence[int],
        sampling: Sampling = LIKELIEST,
    ) -> list[Reply]:  # fmt: skip
        """A reply to each conversation, with wishes for media.

        Args:
            values: the preprocessed media that each conversation's user shows, in order.
            seeds: one for each conversation, for the LLM and for the decoders; a reply depends on its own alone.
        """
        rows = [
            [Sample("generate", str(index), render(messages, self.vocabulary, reply=True), shown)]
            for index, (messages, shown) in enumerate(zip(conversations, values, strict=True))
        ]
        dummies = {n: torch.zeros(p.output_shape, dtype=p.output_dtype) for n, p in self.preprocess.items()}
        batch = collate(rows, self.vocabulary, dummies).to(next(self.model.parameters()).device)
        return [read(one, self.vocabulary) for one in emit(self.model, self.vocabulary, batch, seeds, sampling)]

    def conditioning(self, modality: str, wishes: Sequence[Wish]) -> Tensor:
        """``[N, L, D]``: what the decoder consumes for wishes of one modality."""
        spoken = [wish.caption for wish in wishes if wish.caption is not None]
        if spoken:
            return self.decoders[modality].condition(spoken)
        states, embeddings = (
            torch.stack([getattr(wish, name) for wish in wishes]) for name in ("states_SD", "embeddings_SD")
        )
        made_NLD: Tensor = self.model.output_projectors[modality](states, embeddings)
        return made_NLD

    @torch.no_grad()
    def drawn(self, replies: Sequence[Reply], seeds: Sequence[int], is_wanted: Wanted | None = None) -> list[Reply]:
        """The replies with media in place of wishes, all of a modality drawn together.

        Args:
            is_wanted: whether a reply, by its number and with what is drawn of it so far, is to be drawn further.
        """
        replies = list(replies)
        for modality, decoder in self.decoders.items():
            wishes = {
                (r, p): part for r, reply in enumerate(replies) for p, part in enumerate(reply.parts)
                if isinstance(part, Wish) and part.modality == modality and (is_wanted is None or is_wanted(r, reply))
            }  # fmt: skip
            if not wishes:
                continue
            conditioning_NLD = self.conditioning(modality, list(wishes.values()))
            with torch.autocast(conditioning_NLD.device.type, torch.bfloat16, enabled=self.bf16):
                made = decoder.generate(conditioning_NLD, [seed_of("reply", seeds[r], p) for r, p in wishes])
            for ((r, p), wish), medium in zip(wishes.items(), made, strict=True):
                parts = list(replies[r].parts)
                parts[p] = Media(modality, tensor=medium.cpu().clone(), caption=wish.caption)
                replies[r] = replace(replies[r], parts=tuple(parts))
        return replies


def opened(medium: Media, preprocess: Mapping[str, Preprocess]) -> Tensor:
    """What the model is given of a medium that a user shows: decoded and preprocessed.

    Raises:
        UserError: for a modality that the model does not read, or a file that is not there.
        MediaFault: for one that cannot be decoded, with its path.
    """
    if medium.modality not in preprocess:
        able = ", ".join(preprocess) or "text alone"
        raise UserError(f"the model does not read {medium.modality}; it reads {able}")
    prepare = preprocess[medium.modality]
    if medium.tensor is not None:
        return prepare(medium.tensor)
    data = medium.data
    if medium.path is not None:
        try:
            data = Path(medium.path).read_bytes()
        except OSError as error:
            raise UserError(f"{medium.modality} {medium.path}: {error.strerror}; give a file that is there") from error
    assert data is not None, "a medium that is shown is held as a tensor, bytes or a path"
    try:
        return prepare(MEDIA[medium.modality].decode(data, prepare.spec))
    except MediaFault as fault:
        raise MediaFault(fault.kind, f"{medium.path}: {fault}" if medium.path else str(fault)) from fault


def read(emitted: Emitted, vocabulary: Vocabulary) -> Reply:
    """A reply's ids as text and wishes. A run that was cut off at the reply's end is no wish."""
    layouts = {name: row.layout for name, row in vocabulary.rows.items() if row.layout is not None}
    firsts = {vocabulary.token_id(layout.tokens[0]): name for name, layout in layouts.items()}
    parts: list[Text | Wish | Media] = []
    begun = at = 0  # of the text that is being read; of what is being looked at
    while at < len(emitted.ids):
        name = firsts.get(emitted.ids[at])
        if name is None:
            at += 1
            continue
        parts += _text(emitted.ids[begun:at], vocabulary)
        at, wish = _wish(name, layouts[name], emitted, at, vocabulary)
        parts += [wish] if wish else []
        begun = at
    return Reply((*parts, *_text(emitted.ids[begun:], vocabulary)), emitted.is_complete)


def _text(ids: Sequence[int], vocabulary: Vocabulary) -> list[Text]:
    text = vocabulary.decode(ids)
    return [Text(text)] if text else []


def _wish(name: str, layout: TokenLayout, emitted: Emitted, at: int, vocabulary: Vocabulary) -> tuple[int, Wish | None]:
    """(the place behind the run that begins at ``at``, its wish if it is whole)."""
    ids, first = emitted.ids, at + len(layout.begin)
    last = first  # of the caption, which may be none
    if layout.with_caption:
        closing = vocabulary.token_id((layout.signals + layout.end)[0])
        last = ids.index(closing, first) if closing in ids[first:] else len(ids)
    behind = last + len(layout.signals) + len(layout.end)
    if behind > len(ids):
        return len(ids), None
    if layout.with_caption:
        return behind, Wish(name, caption=vocabulary.decode(ids[first:last]))
    run = slice(last, last + len(layout.signals))
    states_SD, embeddings_SD = emitted.states_SD[run].clone(), emitted.embeddings_SD[run].clone()
    return behind, Wish(name, states_SD=states_SD, embeddings_SD=embeddings_SD)
