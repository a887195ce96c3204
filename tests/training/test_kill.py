"""A training process is killed and goes on: the same batches to the last bit, and every planned sample once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections import defaultdict
from pathlib import Path

import pytest
import torch

from anyany.data.ledger import Proof, prove
from anyany.data.plan import Step
from anyany.runs import LEDGER, latest_checkpoint
from tests.data.stream_shards import FAULTY, write_stream_shards
from tests.training.stream_run import data_module

ROOT = Path(__file__).parents[2]
STEPS = 32  # two epochs of 90 draws in steps of 8 rows, each ending with a short one, and a part of a third
LAST_KILL = STEPS - 8  # so that no run is at its end before the kill arrives
FULL_SPEED_S = 120  # a process that does not get this far in that time hangs


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    return write_stream_shards(tmp_path_factory.mktemp("shards"))


class Run:
    """A run's folder and the processes that train in it, one after the other."""

    def __init__(self, folder: Path, shards: Path, steps: int = STEPS):
        self.folder, self.shards, self.steps = folder, shards, steps

    def start(
        self, ranks: int, micro: int = 1, workers: int = 0, packed: bool = False, **more: float
    ) -> subprocess.Popen:
        command = [sys.executable, "-m", "tests.training.stream_run", "--shards", self.shards, "--run", self.folder]
        numbers = {"--steps": self.steps, "--ranks": ranks, "--micro": micro, "--workers": workers}
        numbers |= {f"--{name.replace('_', '-')}": value for name, value in more.items()}
        command += [word for pair in numbers.items() for word in pair] + (["--packed"] if packed else [])
        environment = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "WORLD_SIZE", "NODE_RANK")}
        environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        self.folder.mkdir(exist_ok=True)
        log = open(self.folder / "log.txt", "a")  # noqa: SIM115 - the process writes on
        return subprocess.Popen(
            [str(word) for word in command], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )

    def finish(self, **options) -> None:
        process = self.start(**options)
        assert process.wait(FULL_SPEED_S) == 0, (self.folder / "log.txt").read_text()[-4000:]

    def kill_at(self, step: int, rng: random.Random, **options) -> None:
        """Starts, waits until this process was given ``step`` or a later one, and kills all ranks a moment later."""
        before = {(line["process"], line["step"]) for line in self.lines()}
        process = self.start(**options)
        deadline = time.monotonic() + FULL_SPEED_S
        while not any(line["step"] >= step and (line["process"], line["step"]) not in before for line in self.lines()):
            assert process.poll() is None, (self.folder / "log.txt").read_text()[-4000:]
            assert time.monotonic() < deadline, f"step {step} was not reached in {FULL_SPEED_S} s"
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.03))  # in the middle of a step, of a checkpoint, of a line of the ledger
        assert process.poll() is None, "the run was at its end before the kill"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def lines(self) -> list[dict]:
        """What the ranks wrote; a last line may be torn by the kill."""
        files = sorted(self.folder.glob("batches-*.jsonl"))
        texts = [line for file in files for line in file.read_text().splitlines(keepends=True)]
        return [json.loads(line) for line in texts if line.endswith("\n")]

    def batches(self) -> dict[int, set]:
        """By step, the digests of all ranks' batches: one rank has one, whatever was trained twice."""
        found = defaultdict(set)
        for line in self.lines():
            found[line["step"]].add(line["digest"])
        return dict(found)

    def proof(self, **options) -> Proof:
        """The ledger against the plan, which is made anew here."""
        module = data_module(Namespace(**self._arguments(**options)))
        planned = [self._keys(module, step) for step, _ in zip(module.plan.steps(), range(self.steps), strict=False)]
        return prove(self.folder / LEDGER, planned)

    def final(self) -> dict[str, torch.Tensor]:
        return torch.load(self.folder / "final.pt", weights_only=True)

    def _arguments(self, packed: bool = False) -> dict:
        numbers = {"steps": self.steps, "micro": 1, "workers": 0, "global_batch": 8}
        return numbers | {"shards": self.shards, "run": self.folder, "packed": packed}

    @staticmethod
    def _keys(module, step: Step) -> list[tuple[str, str]]:
        refs = [ref for row in step.rows for ref in row]
        sources = module.sources
        return [(sources[r.source].name, module.reader.key(sources[r.source].urls[r.shard], r.record)) for r in refs]


def assert_equal_runs(run: Run, reference: Run) -> None:
    assert run.batches() == reference.batches()
    for name, tensor in reference.final().items():
        assert torch.equal(tensor, run.final()[name]), name


def assert_every_sample_once(run: Run, **options) -> None:
    proof = run.proof(**options)
    assert proof.holds, (proof.missing, proof.surplus)
    assert proof.num_holes > 0
    assert proof.num_counted + proof.num_holes == proof.num_planned


def test_two_ranks_killed_twice_go_on_exactly(tmp_path, shards):
    options = {"ranks": 2, "micro": 2, "workers": 1, "packed": True, "dropout": 0.1}
    reference, killed = Run(tmp_path / "reference", shards, 24), Run(tmp_path / "killed", shards, 24)
    reference.finish(**options)
    rng = random.Random(0)
    for step in (4, 9):
        killed.kill_at(step, rng, **options)
    killed.finish(**options)
    assert_equal_runs(killed, reference)
    assert_every_sample_once(killed, packed=True)


def test_on_another_number_of_ranks_every_sample_counts_once(tmp_path, shards):
    run = Run(tmp_path / "run", shards)
    rng = random.Random(1)
    run.kill_at(7, rng, ranks=2, workers=1)
    run.kill_at(15, rng, ranks=1, micro=2, workers=2)
    run.finish(ranks=1, micro=1, workers=0)
    assert_every_sample_once(run)
    faulty = {f"pair{n:04d}": kind for n, kind in FAULTY.items()}
    holes = [hole for line in (run.folder / LEDGER).glob("*") for hole in _holes(line)]
    assert {key: kind for _, key, kind in holes} == faulty


def _holes(path: Path) -> list[list[str]]:
    return [hole for line in path.read_text().splitlines() for hole in json.loads(line)["holes"]]


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_two_ranks_killed_at_twenty_points_go_on_exactly(tmp_path, shards, packed):
    """Ten seeded points for each way of making rows: twenty in all."""
    options = {"ranks": 2, "micro": 2, "workers": 1, "packed": packed, "dropout": 0.1}
    reference, killed = Run(tmp_path / "reference", shards), Run(tmp_path / "killed", shards)
    reference.finish(**options)
    rng = random.Random(2 + packed)
    points = sorted(rng.sample(range(LAST_KILL), 10))
    for step in points:
        killed.kill_at(step, rng, **options)
    killed.finish(**options)
    assert_equal_runs(killed, reference)
    assert_every_sample_once(killed, packed=packed)


@pytest.mark.slow
def test_a_checkpoint_waits_for_the_ledger_of_every_rank(tmp_path, shards):
    """One rank is held up before its line; all are killed as soon as the checkpoint stands."""
    run = Run(tmp_path / "run", shards, 6)
    process = run.start(ranks=2, late_rank=1)
    deadline = time.monotonic() + FULL_SPEED_S
    while latest_checkpoint(run.folder) is None:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    run.finish(ranks=2)
    assert_every_sample_once(run)


@pytest.mark.slow
def test_a_chain_of_topologies_counts_every_sample_once(tmp_path, shards):
    chain = [
        {"ranks": 1, "workers": 2, "micro": 4},
        {"ranks": 2, "workers": 0, "micro": 2},
        {"ranks": 4, "workers": 1},
        {"ranks": 1, "workers": 0, "micro": 8},
    ]
    run = Run(tmp_path / "run", shards)
    rng = random.Random(4)
    for step, options in zip((3, 8, 14, 20), chain, strict=True):
        run.kill_at(step, rng, **options, packed=True)
    run.finish(ranks=2, packed=True)
    assert_every_sample_once(run, packed=True)


@pytest.mark.slow
def test_two_ranks_end_where_one_does(tmp_path, shards):
    """Every step has the same gradients, however it is dealt out; twelve steps of AdamW amplify what is left."""
    one, two = Run(tmp_path / "one", shards, 12), Run(tmp_path / "two", shards, 12)
    one.finish(ranks=1, packed=True)
    two.finish(ranks=2, micro=2, packed=True)
    for name, tensor in one.final().items():
        torch.testing.assert_close(two.final()[name], tensor, rtol=1e-4, atol=1e-4, msg=name)
