from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from anyany.faults import UserError
from anyany.files import needing_room, whole, write_whole
from data_prep.parts.job import Job


def test_a_file_takes_the_place_of_another_whole(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, "one")
    with whole(path) as temporary:
        temporary.write_text("two")
        assert path.read_text() == "one"
        assert temporary.parent == tmp_path
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def write_half(path, inside):
    with whole(path) as temporary:
        half = temporary / "inside" if inside else temporary
        half.parent.mkdir(exist_ok=True)
        half.write_text("half")
        raise KeyboardInterrupt


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="a file without room is a thing of Linux")
@pytest.mark.parametrize("by", ["python", "safetensors", "torch"])
def test_a_full_disk_is_told_and_what_stood_there_stands(tmp_path, by):
    path = tmp_path / "a.txt"
    path.write_text("one")
    with pytest.raises(UserError, match=r"a\.txt could not be written .*No space left on device.*make room"):
        write_to_a_full_disk(path, by)
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def write_to_a_full_disk(path, by):
    with whole(path) as temporary:
        temporary.symlink_to("/dev/full")
        if by == "python":
            temporary.write_text("two" * 100_000)
        elif by == "torch":
            with open(temporary, "wb") as file:
                torch.save(torch.zeros(100_000), file)
        else:
            # its writer renames over a device, so this is how Rust words what the system says
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def test_what_was_told_of_a_full_disk_is_not_told_anew(tmp_path):
    with pytest.raises(UserError, match=r"^delta could not be written .*No space left"), needing_room(tmp_path):
        raise UserError("delta could not be written (No space left on device)")


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), whole(tmp_path / "none" / "a.txt") as temporary:
        temporary.write_text("two")


def test_two_that_write_at_once_do_not_write_to_one_file(tmp_path):
    """Also where they have the same number, as on two machines."""
    path = tmp_path / "a.txt"
    with whole(path) as one, whole(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("inside", [False, True])
def test_what_is_half_written_leaves_nothing(tmp_path, inside):
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "path", inside)
    assert list(tmp_path.iterdir()) == []


def test_an_untrained_part_is_made_once_and_never_half(tmp_path):
    job, made = Job(work=tmp_path), []

    def make(folder):
        made.append(folder)
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        if len(made) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.start("part", make)
    folder = job.start("part", make)
    assert folder == job.start("part", make)
    assert folder.parent == tmp_path / "part"
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert len(made) == 2


def test_an_untrained_part_is_made_anew_when_its_module_has_changed(tmp_path, monkeypatch):
    job, source = Job(work=tmp_path), ["WIDTH = 4"]
    monkeypatch.setattr("inspect.getsource", lambda module: source[0])
    first = job.start("part", Path.mkdir)
    source[0] = "WIDTH = 8"
    second = job.start("part", Path.mkdir)
    assert first != second
    assert {path.name for path in (tmp_path / "part").iterdir()} == {first.name, second.name}
