"""The stream as Lightning wants it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from lightning import LightningDataModule

from anyany.data.feature_cache import FeatureCache
from anyany.data.lengths import LengthTables
from anyany.data.loader import FaultGuard, MicroBatches, StepLoader, check_split
from anyany.data.plan import Plan
from anyany.data.records import RecordReader
from anyany.data.samples import SampleReader
from anyany.data.sources import Source
from anyany.media.table import Preprocess
from anyany.messages.vocabulary import Vocabulary


class StreamDataModule(LightningDataModule):
    """Steps of a mixture of sources.

    Args:
        sources: what is trained on; with weights on all of them, or on none (every record once an epoch).
        val_sources: what is validated on, every record once and in order.
        preprocess: by modality, from the rows' encoders.
        features, conditioning: by modality, what was computed ahead of media that are read, and of targets.
        max_tokens: longest row; a longer sample is left out as a hole.
        global_batch: rows of a step over all ranks and micro-batches.
        num_micro: micro-batches of a step on each rank.
        packed: several samples share a row.
        max_steps, max_epochs: how long training goes on; exactly one is given.
        draws_per_epoch: records that an epoch draws, where sources have weights; by default as many as there are.
        num_workers: decoding processes a rank.
        max_fault_rate: share of unreadable records above which the run stops.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        val_sources: Sequence[Source],
        vocabulary: Vocabulary,
        preprocess: Mapping[str, Preprocess],
        reader: RecordReader,
        cache_dir: Path,
        max_tokens: int = 512,
        global_batch: int = 16,
        num_micro: int = 1,
        packed: bool = False,
        max_steps: int | None = None,
        max_epochs: int | None = None,
        draws_per_epoch: int | None = None,
        seed: int = 0,
        block_samples: int = 4096,
        window_shards: int = 8,
        num_workers: int = 2,
        max_fault_rate: float = 0.05,
        features: Mapping[str, FeatureCache] | None = None,
        conditioning: Mapping[str, FeatureCache] | None = None,
    ):
        super().__init__()
        if (max_steps is None) == (max_epochs is None):
            raise ValueError(
                f"max_steps={max_steps} and max_epochs={max_epochs}; give exactly one of them, null for the other"
            )
        self.sources, self.val_sources = list(sources), list(val_sources)
        self.vocabulary, self.preprocess, self.reader = vocabulary, dict(preprocess), reader
        self.cache_dir = cache_dir
        self.max_tokens, self.packed = max_tokens, packed
        self.global_batch, self.num_micro = global_batch, num_micro
        self.max_steps, self.max_epochs, self.draws_per_epoch = max_steps, max_epochs, draws_per_epoch
        self.seed, self.block_samples, self.window_shards = seed, block_samples, window_shards
        self.num_workers, self.max_fault_rate = num_workers, max_fault_rate
        self.features, self.conditioning = dict(features or {}), dict(conditioning or {})

    @cached_property
    def plan(self) -> Plan:
        """What training will see, in which order. The same on every rank."""
        weights = [source.weight for source in self.sources]
        given = [weight for weight in weights if weight is not None]
        if given and len(given) < len(weights):
            without = ", ".join(s.name for s in self.sources if s.weight is None)
            raise ValueError(f"sources without a weight beside sources with one: {without}; give all of them one")
        orders = [source.order(self.seed, self.window_shards) for source in self.sources]
        return Plan(
            orders,
            self.global_batch,
            self.seed,
            given or None,
            self.draws_per_epoch,
            self.block_samples,
            **self._packing(self.sources),
        )

    def _packing(self, sources: Sequence[Source]) -> dict[str, Any]:
        """What a plan is told of rows that hold several samples."""
        if not self.packed:
            return {}
        lengths = LengthTables(sources, self.reader, self.vocabulary, self.cache_dir)
        return {"lengths": lengths, "max_tokens": self.max_tokens}

    @cached_property
    def num_steps(self) -> int:
        """Of the whole run. Epochs of packed rows are counted by planning them all."""
        if self.max_steps is not None:
            return self.max_steps
        assert self.max_epochs is not None
        return self.plan.num_steps(self.max_epochs)

    def check_split(self, num_ranks: int) -> None:
        """
        Raises:
            UserError: where a step cannot be shared out among so many ranks.
        """
        check_split(num_ranks, self.num_micro, self.global_batch)

    def planned_shards(self) -> set[tuple[int, int]]:
        """Source and shard, by number, of every record that the run's steps train on."""
        steps = islice(self.plan.steps(), self.num_steps)
        return {(ref.source, ref.shard) for step in steps for row in step.rows for ref in row}

    def train_dataloader(self) -> StepLoader:
        return self._loader(self.plan, self.sources, self.num_steps)

    def val_dataloader(self) -> StepLoader | list:
        if not self.val_sources:
            return []
        orders = [source.order(self.seed, shuffle=False) for source in self.val_sources]
        plan = Plan(orders, self.global_batch, shuffle=False, **self._packing(self.val_sources))
        return self._loader(plan, self.val_sources, plan.num_steps(1))

    def micro_batches(self, sources: Sequence[Source], width: int | None = None) -> MicroBatches:
        """Rows of references to batches, for one rank's workers; ``width`` pads every row to so many tokens."""
        return MicroBatches(self.samples(sources), width)

    def samples(self, sources: Sequence[Source]) -> SampleReader:
        return SampleReader(
            sources,
            self.reader,
            self.vocabulary,
            self.preprocess,
            self.max_tokens,
            features=self.features,
            conditioning=self.conditioning,
        )

    def _loader(self, plan: Plan, sources: Sequence[Source], num_steps: int) -> StepLoader:
        return StepLoader(
            plan,
            self.micro_batches(sources, plan.max_tokens),
            num_steps,
            rank=self.trainer.global_rank if self.trainer else 0,
            num_ranks=self.trainer.world_size if self.trainer else 1,
            num_micro=self.num_micro,
            num_workers=self.num_workers,
            guard=FaultGuard(self.max_fault_rate),
        )
