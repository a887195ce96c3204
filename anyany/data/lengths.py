"""How long each record's sample is, without decoding any media: what packing is planned from.

One table a shard, made when first asked for and kept under a digest of everything that decides the numbers: recipe,
tokenizer, template and token layouts. Tokens of media rows are not in it; they are added when planning, so a projector
with another number of rows uses the same table.
"""

import inspect
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyany.data.identity import identity
from anyany.data.order import Ref
from anyany.data.recipes import TEXT_EXTENSIONS, Recipe
from anyany.data.records import RecordFault, RecordReader
from anyany.data.sources import Source
from anyany.files import whole
from anyany.messages import render as render_module
from anyany.messages.render import measure
from anyany.messages.types import MessageError
from anyany.messages.vocabulary import Vocabulary
from anyany.seeds import digest_of

log = logging.getLogger(__name__)

Table = NDArray[np.int32]
UNREADABLE = -1  # in place of a number of tokens


class LengthTables:
    """Token counts of records, from tables on disk. Calling it with references gives their lengths.

    A record without a readable text has length 0: it keeps its place in the plan and becomes a hole when it is read.
    """

    def __init__(self, sources: Sequence[Source], reader: RecordReader, vocabulary: Vocabulary, cache_dir: Path):
        self.sources = sources
        self.reader = reader
        self.vocabulary = vocabulary
        self.modalities = sorted(vocabulary.rows)
        self.folders = [cache_dir / "lengths" / self._digest(source.recipe) for source in sources]
        num_rows = [vocabulary.rows[name].num_rows for name in self.modalities]
        self.digest = digest_of(self.modalities, num_rows, [folder.name for folder in self.folders]).hex()
        self._tables: dict[tuple[int, int], Table] = {}
        self._told: set[int] = set()

    def __call__(self, refs: Sequence[Ref]) -> list[int]:
        needed = {(ref.source, ref.shard) for ref in refs}
        # Only the tables of one block stay: memory must not grow with the number of shards.
        self._tables = {at: self._tables[at] if at in self._tables else self.table(*at) for at in needed}
        num_rows = np.array([self.vocabulary.rows[name].num_rows for name in self.modalities])
        lengths = {at: np.maximum(table[:, 0], 0) + table[:, 1:] @ num_rows for at, table in self._tables.items()}
        return [int(lengths[ref.source, ref.shard][ref.record]) for ref in refs]

    def table(self, source: int, shard: int) -> Table:
        """[records, 1 + modalities]: text tokens (or UNREADABLE), then the number of media read of each modality."""
        url = self.sources[source].urls[shard]
        header = self.sources[source].headers[shard]
        path = self.folders[source] / f"{digest_of(url, header.size_bytes, header.digest).hex()}.npy"
        if path.exists():
            return np.load(path)
        # Once a source: the first start of a large one takes a while, shard by shard.
        level = logging.DEBUG if source in self._told else logging.INFO
        self._told.add(source)
        log.log(level, "measuring the samples of source %s, shard by shard", self.sources[source].name)
        table = self._measure(self.sources[source], url, header.num_records)
        _write(path, table)
        return table

    def _measure(self, source: Source, url: str, num_records: int) -> Table:
        table = np.zeros((num_records, 1 + len(self.modalities)), np.int32)
        for index in range(num_records):
            try:
                record = self.reader.read(source.name, url, index, only=TEXT_EXTENSIONS)
                num_tokens, num_media = measure(source.recipe(record), self.vocabulary)
            except (RecordFault, MessageError):
                table[index, 0] = UNREADABLE  # counted and logged when its turn comes in the plan
            else:
                table[index] = [num_tokens, *(num_media[name] for name in self.modalities)]
        return table

    def _digest(self, recipe: Recipe) -> str:
        """The code that makes the numbers is part of it: an edited recipe must not meet an old table."""
        return digest_of(identity(recipe), self.vocabulary.digest, inspect.getsource(render_module)).hex()


def _write(path: Path, table: Table) -> None:
    """Under a temporary name, then renamed: several processes may make the same table at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, open(temporary, "wb") as file:
        np.save(file, table)
