import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from anyany.faults import UserError
from anyany.training import checkpoints
from anyany.training.checkpoints import AtomicCheckpointIO

ROOT = Path(__file__).parents[2]


def test_what_is_saved_is_loaded(tmp_path):
    AtomicCheckpointIO().save_checkpoint({"a": torch.arange(3)}, tmp_path / "new" / "step=1.ckpt")
    assert torch.load(tmp_path / "new" / "step=1.ckpt", weights_only=True)["a"].tolist() == [0, 1, 2]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["step=1.ckpt"]


def test_a_kill_while_saving_leaves_the_old_one_whole(tmp_path):
    script = """
        import os, sys, torch
        from pathlib import Path
        from anyany.training.checkpoints import AtomicCheckpointIO
        path = Path(sys.argv[1])
        AtomicCheckpointIO().save_checkpoint({"step": 1}, path)

        def half(checkpoint, file):
            file.write(b"PK half of it")
            file.flush()
            os.kill(os.getpid(), 9)

        torch.save = half
        AtomicCheckpointIO().save_checkpoint({"step": 2}, path)
    """
    path = tmp_path / "step=1.ckpt"
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(path)], cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert torch.load(path, weights_only=True) == {"step": 1}


def test_an_error_while_saving_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(torch, "save", full)
    folder = tmp_path / "run" / "checkpoints"
    with pytest.raises(UserError, match=r"No space left.*no checkpoint stands as before.*a new run=<name>"):
        AtomicCheckpointIO().save_checkpoint({}, folder / "step=1.ckpt")
    assert list(folder.iterdir()) == []
    (folder / "step=1.ckpt").write_bytes(b"whole")
    with pytest.raises(UserError, match=r"step=2.ckpt could not be saved.*step=1.ckpt stands.*resume=true"):
        AtomicCheckpointIO().save_checkpoint({}, folder / "step=2.ckpt")
    assert [path.read_bytes() for path in folder.iterdir()] == [b"whole"]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="a file without room is a thing of Linux")
def test_a_disk_without_room_is_told(tmp_path, monkeypatch):
    """As the system says it, through torch's own writer."""

    def full(path, mode):
        return Path("/dev/full").open(mode)

    monkeypatch.setattr(checkpoints, "open", full, raising=False)
    with pytest.raises(UserError, match="could not be saved"):
        AtomicCheckpointIO().save_checkpoint(
            {"a": torch.zeros(100_000)}, tmp_path / "run" / "checkpoints" / "step=1.ckpt"
        )


def test_remote_options_are_refused(tmp_path):
    with pytest.raises(TypeError, match="local folder"):
        AtomicCheckpointIO().save_checkpoint({}, tmp_path / "a.ckpt", storage_options={"a": 1})
