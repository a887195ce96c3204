import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from anyany.data.index import read_header
from anyany.microworld import levels
from anyany.microworld.records import SETS, make_record
from data_prep import microworld

ROOT = Path(__file__).parents[2]
SMALL = ["--train", "12", "--val", "4", "--test", "2", "--test-novel", "2", "--shard", "5", "--workers", "1"]


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.tar*"))}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    assert microworld.main(["--out", str(folder), *SMALL]) == 0
    return folder


def test_the_names_told_without_the_world_are_the_worlds():
    assert tuple(levels.LEVELS) == microworld.LEVELS
    assert microworld.SPLITS == levels.SPLITS == tuple(microworld.SIZES)
    assert set(microworld.SHARES) == set(SETS)


def test_every_set_of_every_split_is_there_with_its_index(world):
    counts = {}
    for path in world.rglob("*.tar"):
        name = (path.parent.name, path.name.rpartition("-")[0])
        counts[name] = counts.get(name, 0) + read_header(str(path)).num_records
    sizes = {"train": 12, "val": 4, "test": 2, "test_novel": 2}
    wanted = {(s, n): round(size * share) for s, size in sizes.items() for n, share in microworld.SHARES.items()}
    del wanted["train", "text_held_out"]
    assert counts == wanted


def test_records_are_those_of_their_names(world):
    with tarfile.open(world / "easy" / "train" / "dialogue-00001.tar") as tar:
        held = {member.name: tar.extractfile(member).read() for member in tar}
    wanted = {
        f"train-dialogue-{n:06d}.{extension}": data
        for n in range(5, 10)
        for extension, data in make_record(0, "easy", "train", "dialogue", n).items()
    }
    assert held == wanted


def test_again_it_writes_nothing_and_after_a_stop_what_is_missing(world, capsys):
    before = written(world)
    shard = world / "easy" / "train" / "image-00001.tar"
    (shard.parent / f"{shard.name}.index.jsonl").unlink()
    assert microworld.main(["--out", str(world), *SMALL]) == 0
    told = capsys.readouterr().out
    assert " 5 written now" in told
    assert told.endswith("next: python train.py level=easy\n")
    assert written(world) == before
    assert microworld.main(["--out", str(world), *SMALL]) == 0
    assert " 0 written now" in capsys.readouterr().out
    assert not list(world.rglob("*.tmp"))


def test_processes_write_the_same_bytes(world, tmp_path):
    command = [sys.executable, "-m", "data_prep.microworld", "--out", str(tmp_path), *SMALL[:-1], "2"]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    assert written(tmp_path) == written(world)


def test_another_world_is_not_mixed_in(world):
    with pytest.raises(
        SystemExit, match=r"was written by seed 0, now 1: `python -m data_prep.microworld .* --force` writes it anew"
    ):
        microworld.main(["--out", str(world), *SMALL, "--seed", "1"])


MADE_BY = (
    "anyany/microworld/oracles/captions.py",
    "anyany/media/clips.py",
    "anyany/messages/types.py",
    "data_prep/microworld.py",
)


def test_all_code_that_makes_bytes_is_told(record_property):
    """Of this project's own modules the renderers know none that the digest leaves out, but for names of errors."""
    files = [file for folder in ("microworld", "media") for file in (ROOT / "anyany" / folder).rglob("*.py")]
    known = {name for file in files for name in re.findall(r"from (anyany\.\S+) import", file.read_text())}
    record_property("found", f"{len(known)} modules that the microworld's bytes come from")
    others = {name for name in known if not name.startswith(("anyany.microworld", "anyany.media"))}
    assert others == {"anyany.messages.types", "anyany.seeds", "anyany.faults", "anyany.files"}


@pytest.mark.parametrize("file", MADE_BY)
def test_other_code_is_another_world(file, monkeypatch):
    before, read = microworld.code_digest(), Path.read_text
    assert (ROOT / file).exists()
    edited = lambda path, *args: read(path, *args) + ("#" if path == ROOT / file else "")  # noqa: E731
    monkeypatch.setattr(Path, "read_text", edited)
    assert microworld.code_digest() != before


def test_force_writes_anew(tmp_path):
    tiny = ["--train", "1", "--val", "0", "--test", "0", "--test-novel", "0", "--workers", "1", "--out", str(tmp_path)]
    microworld.main(tiny)
    before = written(tmp_path)
    microworld.main([*tiny, "--seed", "1", "--force"])
    assert before.keys() == written(tmp_path).keys()
    assert before != written(tmp_path)


def test_misspelt_options_are_refused():
    with pytest.raises(SystemExit):
        microworld.main(["--levl", "easy"])
