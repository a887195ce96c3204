import subprocess
import sys
from pathlib import Path

import pytest

from anyany.faults import UserError
from anyany.runs import CHECKPOINTS, checkpoint_name, checkpoint_step, claimed, latest_checkpoint

ROOT = Path(__file__).parents[1]


def test_the_latest_checkpoint_is_that_of_the_highest_step(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    (tmp_path / CHECKPOINTS).mkdir()
    for name in ("step=9.ckpt", "step=10.ckpt", "step=11.ckpt.123.tmp", "other.ckpt"):
        (tmp_path / CHECKPOINTS / name).touch()
    found = latest_checkpoint(tmp_path)
    assert found == tmp_path / CHECKPOINTS / checkpoint_name(10)
    assert checkpoint_step(found) == 10
    with pytest.raises(ValueError, match="not named like a checkpoint"):
        checkpoint_step(tmp_path / "other.ckpt")


def test_a_run_belongs_to_one_process_until_it_ends(tmp_path):
    script = (
        "import sys; from pathlib import Path; from anyany.runs import claimed\nwith claimed(Path(sys.argv[1])): pass"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    with claimed(tmp_path / "run"):
        refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "another process is training in" in refused.stderr
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_the_refusal_is_a_users(tmp_path):
    with (
        claimed(tmp_path),
        pytest.raises(UserError, match="wait for it, or give another run=<name>"),
        claimed(tmp_path),
    ):
        pass
