import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from anyany.data.ledger import entries
from anyany.deltas import read_delta
from anyany.faults import UserError
from anyany.launch import pipeline
from anyany.launch.jobs import RUN_NAME
from anyany.launch.pipeline import is_asked_for, run_all, run_folder
from anyany.runs import CONFIG, LEDGER, STAGES, latest_checkpoint
from tests.launch.test_experiment import world  # noqa: F401

ROOT = Path(__file__).parents[2]


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Commands instead of processes; ``codes`` is what they end with."""
    made, codes = [], {}

    def run(command, environment):
        made.append((Path(command[0]).name, command[1:], environment))
        return codes.get(next((c for c in command if c.startswith("stage=")), "eval"), 0)

    monkeypatch.setattr(pipeline, "_run", run)
    monkeypatch.setenv("ANYANY_OUTPUTS", str(tmp_path))
    monkeypatch.delenv(RUN_NAME, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "8")
    return made, codes


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["stage=all"], True),
        (["seed=1", "stage=all", "run=a"], True),
        ([], False),
        (["stage=instruct"], False),
        (["stage=all", "-m", "seed=0,1"], False),
        (["stage=all", "--cfg=job"], False),
        (["stage=all", "--help"], False),
    ],
)
def test_one_word_asks_for_it(arguments, asked):
    assert is_asked_for(arguments) is asked


def test_stages_run_in_order_into_one_run_and_are_evaluated(calls, tmp_path):
    made, _ = calls
    assert run_all(ROOT, ["seed=3", "stage=all", "experiment_name=first"]) == 0
    names = {environment[RUN_NAME] for _, _, environment in made}
    assert len(names) == 1
    (name,) = names
    assert [(script, arguments) for script, arguments, _ in made] == [
        *(("train.py", ["seed=3", "experiment_name=first", f"stage={stage}"]) for stage in STAGES),
        ("eval.py", [f"run={tmp_path}/first/{name}"]),
    ]
    assert not any("WORLD_SIZE" in environment for _, _, environment in made)
    assert RUN_NAME not in os.environ


@pytest.mark.parametrize("begun", [True, False])
def test_what_fails_ends_it_and_tells_how_to_go_on(calls, capsys, tmp_path, begun):
    """The words that it tells go on: what was begun is resumed, what was not is begun."""
    made, codes = calls
    codes["stage=dec_align"] = 3
    if begun:
        (tmp_path / "default" / "one" / "enc_align").mkdir(parents=True)
        (tmp_path / "default" / "one" / "enc_align" / CONFIG).touch()
    assert run_all(ROOT, ["stage=all", "seed=3", "run=one"]) == 3
    assert len(made) == 2
    told, words = capsys.readouterr().err, f"seed=3 run=one stage=all{' resume=true' if begun else ''}"
    assert told == f"dec_align did not end; go on with: python train.py {words}\n"
    codes.clear()
    made.clear()
    assert run_all(ROOT, words.split()) == 0
    assert len(made) == 4
    assert ("resume=true" in made[0][1]) is begun


def test_the_name_that_a_run_was_given_is_told(calls, capsys):
    made, codes = calls
    codes["stage=enc_align"] = 3
    run_all(ROOT, ["stage=all"])
    assert f"python train.py run={made[0][2][RUN_NAME]} stage=all\n" in capsys.readouterr().err


def test_an_evaluation_that_fails_is_begun_anew(calls, capsys, tmp_path):
    _, codes = calls
    codes["eval"] = 1
    assert run_all(ROOT, ["stage=all", "run=one"]) == 1
    assert f"python eval.py run={tmp_path}/default/one\n" in capsys.readouterr().err


def test_going_on_resumes_what_was_begun_and_begins_the_rest(calls, tmp_path):
    made, _ = calls
    begun = tmp_path / "default" / "a" / "enc_align"
    begun.mkdir(parents=True)
    (begun / CONFIG).touch()
    assert run_all(ROOT, ["run=a", "stage=all", "resume=true"]) == 0
    assert [arguments for _, arguments, _ in made] == [
        ["run=a", "stage=enc_align", "resume=true"],
        ["run=a", "stage=dec_align"],
        ["run=a", "stage=instruct"],
        [f"run={tmp_path}/default/a"],
    ]


@pytest.mark.parametrize("word", ["resume=true", "resume=True"])
def test_what_was_never_begun_is_not_gone_on_with(calls, tmp_path, word):
    made, _ = calls
    for name in ("a", "b"):
        (tmp_path / "default" / name / "enc_align").mkdir(parents=True)
        (tmp_path / "default" / name / "enc_align" / CONFIG).touch()
    for words in ([], ["run=c"]):
        with pytest.raises(UserError, match=r"holds no run to go on with; give run=<name>: a, b$"):
            run_all(ROOT, [*words, "stage=all", word])
    assert made == []
    assert run_all(ROOT, ["run=a", "stage=all", word]) == 0
    assert made[0][1] == ["run=a", "stage=enc_align", "resume=true"]


def test_one_of_many_processes_does_not_start_more(calls, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with pytest.raises(UserError, match="leave torchrun out"):
        run_all(ROOT, ["stage=all"])
    assert calls[0] == []


def test_one_stage_alone_starts_from_another_run(calls):
    with pytest.raises(UserError, match=r"give stage\.starts_from with one stage"):
        run_all(ROOT, ["stage=all", "stage.starts_from=outputs/default/a/deltas/enc_align"])
    assert calls[0] == []


def test_the_folder_is_the_one_that_a_sweep_gives():
    assert run_folder(["hydra.run.dir=/tmp/s/0", "run=s/0", "--config-name=train"], "x") == Path("/tmp/s/0")


def test_processes_are_real_and_their_codes_come_back():
    assert pipeline._run(["-c", "raise SystemExit(7)"], dict(os.environ)) == 7
    assert pipeline._run(["-c", ""], dict(os.environ)) == 0


def test_a_signal_to_stop_is_handed_on_and_waited_for():
    saves = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(5)); print(flush=True); time.sleep(30)"
    before = signal.getsignal(signal.SIGTERM)
    timer = threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    assert pipeline._run(["-c", saves], dict(os.environ)) == 5
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_ends_well_behind_a_signal_is_the_last(number):
    ends_well = "import signal, time; [signal.signal(n, lambda *_: None) for n in (2, 15)]; time.sleep(3)"
    timer = threading.Timer(1.5, os.kill, (os.getpid(), number))
    timer.start()
    assert pipeline._run(["-c", ends_well], dict(os.environ)) == 128 + number


STEPS = 40
SMALL = [
    "experiment=from_scratch", "llm.hidden_size=32", "data.num_workers=0", "source=[microworld_image]",
    "+trainer.enable_progress_bar=false", f"stage.max_steps={STEPS}", "stage.save_every=5", "stage.val_every=null",
]  # fmt: skip


class Started:
    """``train.py`` as a user starts it, until something is there and a signal comes."""

    def __init__(self, *words):
        self.process = subprocess.Popen([sys.executable, ROOT / "train.py", *words], stderr=subprocess.PIPE, text=True)

    def stopped(self, is_there):
        until = time.monotonic() + 180
        while not is_there() and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        self.process.send_signal(signal.SIGTERM)
        told = self.process.communicate(timeout=180)[1]
        assert self.process.returncode not in (0, None), told
        return told


@pytest.mark.slow
def test_all_stages_are_stopped_gone_on_with_and_lose_nothing(world, tmp_path):  # noqa: F811
    paths = [f"paths.data={world}", f"paths.outputs={tmp_path}", f"paths.cache={tmp_path}/cache", "run=one"]
    run, words = tmp_path / "default" / "one", [*SMALL, *paths]
    told = Started(*words, "stage=all").stopped(lambda: latest_checkpoint(run / "dec_align"))
    assert "stopped by SIGTERM behind step" in told
    command = f"dec_align did not end; go on with: python train.py {shlex.join(words)} stage=all resume=true\n"
    assert told.endswith(command)
    assert sorted(path.name for path in (run / "deltas").iterdir()) == ["enc_align"]
    told = Started(*words, "stage=all", "resume=true").stopped((run / "deltas" / "instruct").is_dir)
    behind = f"stopped behind instruct; go on with: python train.py {shlex.join(words)} stage=all resume=true\n"
    assert told.endswith((behind, f"the evaluation did not end; begin it anew with: python eval.py run={run}\n"))
    assert not (run / "scoreboard.json").exists()
    for stage in STAGES:
        assert sorted(entry.step for entry in entries(run / stage / LEDGER)) == list(range(STEPS)), stage
    manifests = {stage: read_delta(run / "deltas" / stage).manifest for stage in STAGES}
    assert [(one.after, one.step) for one in manifests.values()] == [
        (None, STEPS), ("enc_align", STEPS), ("dec_align", STEPS)
    ]  # fmt: skip
