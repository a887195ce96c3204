from collections import Counter

import torch

from anyany.data.ledger import Ledger, cut, entries, prove
from anyany.messages.collate import Batch, Hole

NOTHING = torch.zeros(0)


def batch(samples, holes=()):
    return Batch(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, samples=samples, holes=list(holes))


def write(folder, num_steps, rank=0):
    ledger = Ledger(folder, rank)
    for step in range(num_steps):
        hole = [Hole("s", f"h{step}", "broken_image")] if step % 2 else []
        ledger.write(step, [batch([("s", f"{rank}-{step}-ä")]), batch([], hole)])
    ledger.close()


def planned(num_steps, ranks=1):
    return [
        [("s", f"{rank}-{step}-ä") for rank in range(ranks)] + ([("s", f"h{step}")] * ranks if step % 2 else [])
        for step in range(num_steps)
    ]


def test_what_is_written_is_read(tmp_path):
    write(tmp_path, 2)
    first, second = entries(tmp_path)
    assert (first.step, first.samples, first.holes) == (0, [("s", "0-0-ä")], [])
    assert second.holes == [("s", "h1", "broken_image")]


def test_a_whole_run_is_proved(tmp_path):
    for rank in (0, 1):
        write(tmp_path, 6, rank)
    proof = prove(tmp_path, planned(6, ranks=2))
    assert proof.holds
    assert (proof.num_planned, proof.num_counted, proof.num_holes) == (18, 12, 6)


def test_cutting_back_drops_later_steps_and_torn_lines_of_every_rank(tmp_path):
    for rank in (0, 1):
        write(tmp_path, 6, rank)
    with open(tmp_path / "rank-00001.jsonl", "a") as file:
        file.write('{"step": 6, "sam')
    before = sum(path.stat().st_size for path in tmp_path.iterdir())
    dropped = cut(tmp_path, 4)
    assert dropped == before - sum(path.stat().st_size for path in tmp_path.iterdir()) > 0
    assert prove(tmp_path, planned(4, ranks=2)).holds
    assert cut(tmp_path, 4) == 0
    assert cut(tmp_path, 0) > 0
    assert list(entries(tmp_path)) == []


def test_losing_and_repeating_are_found(tmp_path):
    write(tmp_path, 4)
    write(tmp_path, 1)  # the first step again
    proof = prove(tmp_path, [*planned(4), [("s", "lost")]])
    assert not proof.holds
    assert proof.surplus == Counter({("s", "0-0-ä"): 1})
    assert proof.missing == Counter({("s", "lost"): 1})


def test_a_sample_in_the_wrong_step_is_found(tmp_path):
    write(tmp_path, 2)
    assert not prove(tmp_path, planned(2)[::-1]).holds


def test_keys_of_any_kind_come_back(tmp_path):
    keys = ["caf\udce9", "a\u2028b", "c\x85d", "\n", '"', "猫/ä.b"]
    ledger = Ledger(tmp_path, 0)
    for step, key in enumerate(keys):
        ledger.write(step, [batch([("s", key)])])
    ledger.close()
    assert [entry.samples for entry in entries(tmp_path)] == [[("s", key)] for key in keys]
    cut(tmp_path, 4)
    assert [entry.step for entry in entries(tmp_path)] == [0, 1, 2, 3]


def test_cutting_reads_back_as_far_as_it_must(tmp_path):
    ledger = Ledger(tmp_path, 0)
    for step in range(300):
        ledger.write(step, [batch([("s", "x" * 2000)])])  # 600 kB: many times what is read at once
    ledger.close()
    for keep in (299, 150, 1, 0):
        cut(tmp_path, keep)
        assert [entry.step for entry in entries(tmp_path)] == list(range(keep))


def test_a_torn_line_is_no_entry(tmp_path):
    write(tmp_path, 2)
    with open(tmp_path / "rank-00000.jsonl", "a") as file:
        file.write('{"step": 2, "sam')
    assert [entry.step for entry in entries(tmp_path)] == [0, 1]
