import logging
from collections import Counter

import pytest
import torch

from anyany.data.lengths import LengthTables
from anyany.data.loader import FaultGuard, MicroBatches, StepLoader, share_of
from anyany.data.order import Ref, SourceOrder
from anyany.data.plan import Cursor, Plan, Step
from anyany.faults import UserError
from anyany.messages.collate import Batch, Hole, map_tensors


def loader(samples, packed=False, cache=None, num_epochs=1, global_batch=8, width=None, seed=0, **options):
    orders = [SourceOrder(s.name, s.shard_sizes, 0, 2) for s in samples.sources]
    packing = {}
    if packed:
        tables = LengthTables(samples.sources, samples.reader, samples.vocabulary, cache)
        packing = {"lengths": tables, "max_tokens": samples.max_tokens}
    plan = Plan(orders, global_batch, seed, block_samples=40, **packing)
    return StepLoader(plan, MicroBatches(samples, width), plan.num_steps(num_epochs), **options)


def taken(steps):
    return [key for step in steps for batch in step.micro_batches for key in _keys(batch)]


def _keys(batch):
    return batch.samples + [(hole.source, hole.key) for hole in batch.holes]


def same(one: Batch, other: Batch) -> bool:
    left, right = [], []
    map_tensors(one, lambda tensor: left.append(tensor) or tensor)
    map_tensors(other, lambda tensor: right.append(tensor) or tensor)
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("num_ranks", "num_micro", "num_workers"), [(1, 1, 0), (1, 4, 2), (2, 2, 0), (4, 1, 1), (8, 1, 0)]
)
def test_an_epoch_gives_each_sample_once_over_all_ranks(samples, tmp_path, packed, num_ranks, num_micro, num_workers):
    options = {"num_ranks": num_ranks, "num_micro": num_micro, "num_workers": num_workers}
    ranks = [list(loader(samples, packed, tmp_path, rank=rank, **options)) for rank in range(num_ranks)]
    everything = Counter(key for steps in ranks for key in taken(steps))
    assert len(everything) == 90
    assert set(everything.values()) == {1}
    assert len({len(steps) for steps in ranks}) == 1
    assert all(len(step.micro_batches) == num_micro for steps in ranks for step in steps)
    shapes = {batch.input_ids_BT.shape[0] for steps in ranks for step in steps for batch in step.micro_batches}
    assert shapes == {8 // (num_ranks * num_micro)}  # the short step too


def test_workers_change_nothing(samples):
    plain, parallel = (list(loader(samples, num_micro=2, num_workers=n)) for n in (0, 2))
    assert len(plain) == len(parallel) == 12
    for one, other in zip(plain, parallel, strict=True):
        assert (one.index, one.after, one.counts) == (other.index, other.after, other.counts)
        assert len({batch.seed for batch in one.micro_batches + other.micro_batches}) == 1
        assert all(same(a, b) for a, b in zip(one.micro_batches, other.micro_batches, strict=True))


def test_each_step_of_each_seed_has_a_seed_of_its_own_on_every_rank(samples):
    ranks = [
        [*loader(samples, num_ranks=2, rank=rank), *loader(samples, num_ranks=2, rank=rank, seed=1)] for rank in (0, 1)
    ]
    seeds = [[batch.seed for step in steps for batch in step.micro_batches] for steps in ranks]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == len(seeds[0]) == 24


def test_going_on_from_a_state_gives_what_would_have_come(samples, tmp_path):
    whole = list(loader(samples, True, tmp_path, num_epochs=2, width=200))
    for stop in (0, 1, 5, len(whole) - 1):
        first = loader(samples, True, tmp_path, num_epochs=2, width=200, num_workers=1)
        for step, _ in zip(first, range(stop), strict=False):
            first.counted(step)
        second = loader(samples, True, tmp_path, num_epochs=2, width=200)
        second.load_state_dict(first.state_dict())
        rest = list(second)
        assert len(second) == len(whole)
        assert [s.index for s in rest] == [s.index for s in whole[stop:]]
        pairs = zip(rest, whole[stop:], strict=True)
        assert all(
            same(a, b) for one, other in pairs for a, b in zip(one.micro_batches, other.micro_batches, strict=True)
        )


def test_handing_over_is_not_counting(samples):
    one = loader(samples)
    next(iter(one))
    assert one.cursor == Cursor()


def test_counts_of_a_step_are_those_of_its_labels(samples):
    for step in loader(samples, num_micro=2):
        assert step.counts["text"] == sum(int((b.labels_BT != -100).sum()) for b in step.micro_batches)


def test_a_state_of_another_stream_is_refused(samples):
    state = loader(samples, global_batch=4).state_dict()
    with pytest.raises(ValueError, match=r"another stream .global_batch was 4, is 8"):
        loader(samples).load_state_dict(state)


def test_what_does_not_divide_is_refused_before_anything_is_read(samples):
    with pytest.raises(
        ValueError, match=r"global_batch=8 does not divide into 3 ranks x 2 micro-batches; .* multiple of 6"
    ):
        loader(samples, num_ranks=3, num_micro=2)


def test_shares_of_a_step():
    rows = [[Ref(0, 0, n)] for n in range(6)]
    step = Step(rows, Cursor())
    shares = [share_of(step, rank, 2, 2, 8) for rank in (0, 1)]
    assert [[len(row) for row in micro] for share in shares for micro in share] == [[1, 1], [1, 0], [1, 1], [1, 0]]
    assert sorted(ref.record for share in shares for micro in share for row in micro for ref in row) == list(range(6))


def hole_batch(samples, holes):
    nothing = torch.zeros(0)
    keys, holes = [("s", "k")] * samples, [Hole("s", "k", "bad")] * holes
    return Batch(nothing, nothing, nothing, nothing, nothing, samples=keys, holes=holes)


def guard_that_saw(*batches, **options):
    guard = FaultGuard(**({"max_rate": 0.1, "min_records": 200, "window": 1000} | options))
    for samples, holes in batches:
        guard.see(hole_batch(samples, holes))
    return guard


def test_too_many_faults_stop_the_run_and_few_do_not(caplog):
    with caplog.at_level(logging.WARNING):
        guard = guard_that_saw((20, 20), *[(10, 0)] * 18)  # half of the first, but too few to judge
    assert len(caplog.records) == 1
    assert "source s, record k: bad" in caplog.text
    assert guard.holes["s", "bad"] == 20
    with pytest.raises(
        UserError, match=r"source s: 25 of the last 225 .* \(bad 25 in all\), more than max_fault_rate=0.1"
    ):
        guard.see(hole_batch(0, 5))


def stops_at(guard, batches):
    """The number of batches after which the guard stops the run."""
    for number, batch in enumerate(batches, 1):
        try:
            guard.see(batch)
        except UserError:
            return number
    return None


def test_a_source_that_breaks_down_late_is_noticed():
    late = guard_that_saw(*[(100, 0)] * 1000)
    # At most 1,000 of the 100,000 good ones are remembered, so some 110 bad ones are a tenth.
    assert stops_at(late, [hole_batch(0, 10)] * 20) <= 12


def test_a_small_source_does_not_hide_behind_a_large_one():
    nothing = torch.zeros(0)
    big = Batch(nothing, nothing, nothing, nothing, nothing, samples=[("big", str(n)) for n in range(1000)])
    assert stops_at(guard_that_saw(), [one for _ in range(300) for one in (big, hole_batch(0, 1))]) == 400


def test_the_log_names_so_many_records_and_no_more(caplog):
    guard = FaultGuard(1.0, max_logged=3)
    nothing = torch.zeros(0)
    with caplog.at_level(logging.WARNING):
        for n in range(10):
            guard.see(Batch(nothing, nothing, nothing, nothing, nothing, holes=[Hole("s", str(n), "bad")]))
    assert [record.message[:18] for record in caplog.records[:2]] == ["source s, record 0", "source s, record 1"]
    assert "further ones are only counted" in caplog.records[-1].message
    assert len(caplog.records) == 5
    assert guard.holes["s", "bad"] == 10
