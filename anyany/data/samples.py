"""From a reference to a sample: read the record, make messages, render them, decode the media that they name.

What is wrong with a record is told apart from what is wrong with the run: the first gives a ``Hole``, the second an
error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from anyany.data.feature_cache import FeatureCache
from anyany.data.order import Ref
from anyany.data.recipes import TEXT_EXTENSIONS
from anyany.data.records import Record, RecordFault, RecordReader
from anyany.data.sources import Source
from anyany.faults import Fault
from anyany.media.table import MEDIA, Preprocess
from anyany.messages.collate import Hole, Sample
from anyany.messages.render import Rendered, render
from anyany.messages.types import Conversation, Media, MessageError
from anyany.messages.vocabulary import Vocabulary


@dataclass(frozen=True)
class SampleReader:
    """Reads samples of several sources. Picklable: data workers each have one.

    Args:
        preprocess: by modality, for the media that the LLM reads.
        target_preprocess: by modality, for the targets whose media are wanted; of others the caption is enough.
        features: by modality, of media that the LLM reads: these are then not decoded.
        conditioning: by modality, of targets.
    """

    sources: Sequence[Source]
    reader: RecordReader
    vocabulary: Vocabulary
    preprocess: Mapping[str, Preprocess]
    max_tokens: int
    target_preprocess: Mapping[str, Preprocess] | None = None
    features: Mapping[str, FeatureCache] = field(default_factory=dict)
    conditioning: Mapping[str, FeatureCache] = field(default_factory=dict)

    def messages(self, ref: Ref) -> tuple[Record, Conversation]:
        """The record with its text members, and what its source's recipe makes of it."""
        source = self.sources[ref.source]
        record = self.reader.read(source.name, source.urls[ref.shard], ref.record, only=TEXT_EXTENSIONS)
        return record, source.recipe(record)

    def read(self, ref: Ref) -> Sample | Hole:
        """The sample, or the hole it leaves.

        Raises:
            FileNotFoundError: a shard is missing: that is no fault of a record.
        """
        source = self.sources[ref.source]
        key = self.reader.key(source.urls[ref.shard], ref.record)
        try:
            _, messages = self.messages(ref)
            rendered = render(messages, self.vocabulary)
            if len(rendered) > self.max_tokens:
                raise RecordFault("too_long", f"{key}: {len(rendered)} tokens, more than max_tokens={self.max_tokens}")
            values, target_values = self._media(source, ref, rendered)
            conditioning = _kept(self.conditioning, rendered.targets, source, ref)
        except Fault as fault:
            return Hole(source.name, key, fault.kind, str(fault))
        except MessageError as error:
            return Hole(source.name, key, "bad_messages", f"{key}: {error}")
        return Sample(source.name, key, rendered, values, target_values, conditioning)

    def _media(self, source: Source, ref: Ref, rendered: Rendered) -> tuple[list[Tensor], list[Tensor | None]]:
        wanted = self.target_preprocess or {}
        targets = [part for part in rendered.targets if part.modality in wanted]
        known = _kept(self.features, rendered.media, source, ref)
        unknown = [part for part, value in zip(rendered.media, known, strict=True) if value is None]
        names = {part.member for part in (*unknown, *targets) if part.member}
        members = self.reader.read(source.name, source.urls[ref.shard], ref.record, only=names).members if names else {}
        values = [
            _decode(part, members, self.preprocess[part.modality]) if value is None else value
            for part, value in zip(rendered.media, known, strict=True)
        ]
        made = [
            _decode(part, members, wanted[part.modality]) if part.modality in wanted else None
            for part in rendered.targets
        ]
        return values, made


def _kept(caches: Mapping[str, FeatureCache], parts: Sequence[Media], source: Source, ref: Ref) -> list[Tensor | None]:
    """What the caches hold of a record's parts; None for a modality that has none."""
    names = {part.modality for part in parts} & caches.keys()
    items = {name: caches[name].read(source.name, source.headers[ref.shard], ref.record) for name in names}
    for name, found in items.items():
        number = sum(part.modality == name for part in parts)
        if found is None:
            raise RecordFault("unreadable", f"its {name} could not be read when features were computed")
        assert len(found) == number, f"{len(found)} cached {name} items for {number} parts"
    nexts = {name: iter(found) for name, found in items.items() if found is not None}
    return [next(nexts[part.modality]) if part.modality in nexts else None for part in parts]


def _decode(part: Media, members: Mapping[str, bytes], preprocess: Preprocess) -> Tensor:
    if part.member is None or part.member not in members:
        raise RecordFault("missing_member", f"{part.modality} {part.member!r} is not in the record")
    data = members[part.member]
    value = preprocess(MEDIA[part.modality].decode(data, preprocess.spec))
    assert tuple(value.shape) == tuple(preprocess.output_shape), (value.shape, preprocess.output_shape)
    return value
