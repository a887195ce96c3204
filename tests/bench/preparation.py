"""Preparing, indexing and verifying shards in one process, against copying the same bytes into one file."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType

from anyany.data.index import read_header
from data_prep import alpaca, audiocaps, cc3m, index, llava, verify, webvid
from tests.bench.loader import media_of
from tests.bench.report import Figure

DISTINCT = 24  # files; making them is not what is measured
FILES = {"image": "{:09d}.jpg", "video": "{:09d}.mp4", "audio": "{:09d}.flac", "": "{:09d}.json"}


def _caption(number: int) -> str:
    return f"a caption of some words and the number {number}"


def _talk(number: int) -> dict:
    turns = [("human", f"<image>\nWhat is in picture {number}?"), ("gpt", _caption(number))]
    said = [{"from": speaker, "value": value} for speaker, value in turns]
    return {"id": number, "image": f"{number:09d}.jpg", "conversations": said}


# module, modality, number of entries, name of the list and what stands in it
Entries = Callable[[int], str]
CASES: dict[str, tuple[ModuleType, str, int, str, Entries]] = {
    "CC3M": (cc3m, "image", 3000, "l.tsv", lambda n: "\n".join(f"{_caption(i)}\thttp://h/{i}" for i in range(n))),
    "WebVid": (
        webvid,
        "video",
        200,
        "l.csv",
        lambda n: "\n".join(["videoid,name", *(f"{i:09d},{_caption(i)}" for i in range(n))]),
    ),
    "AudioCaps": (
        audiocaps,
        "audio",
        400,
        "l.csv",
        lambda n: "\n".join(
            ["audiocap_id,youtube_id,start_time,caption", *(f"{i:09d},abc{i},30,{_caption(i)}" for i in range(n))]
        ),
    ),
    "LLaVA": (llava, "image", 3000, "l.json", lambda n: json.dumps([_talk(i) for i in range(n)])),
    "Alpaca": (
        alpaca,
        "",
        10_000,
        "l.json",
        lambda n: json.dumps([{"instruction": f"Say {i}.", "input": "", "output": _caption(i)} for i in range(n)]),
    ),
}


def preparing(folder: Path) -> Iterator[Figure]:
    """Media of full size (256 pixels, clips of 6 s, sounds of 10 s), read from memory."""
    for name, (module, modality, num, list_name, entries) in CASES.items():
        place = folder / name
        downloads = place / "downloads"
        downloads.mkdir(parents=True)
        (place / list_name).write_text(entries(num))
        contents = [media_of(modality, "full", n) for n in range(DISTINCT)] if modality else [b"x" * 200]
        for number in range(num):
            (downloads / FILES[modality].format(number)).write_bytes(contents[number % len(contents)])
        copying_s = min(_timed(lambda: _copy(downloads, place / "copied")) for _ in range(2))  # noqa: B023
        arguments = ["--list", str(place / list_name), "--out", str(place / "out"), "--workers", "1", "--val", "0"]
        shards = [f"{place}/out/train/*.tar", "--workers", "1"]
        runs: dict[str, Callable[[], int]] = {
            "prepared": lambda: module.main([*arguments, *(["--media", str(downloads)] if modality else [])]),  # noqa: B023
            "indexed": lambda: index.main([*shards, "--force"]),  # noqa: B023
            "verified": lambda: verify.main(shards),  # noqa: B023
        }
        for done, run in runs.items():
            seconds = _timed(run)
            assert read_header(f"{place}/out/train/{module.__name__.rpartition('.')[2]}-00000.tar").num_records == min(
                num, 1000
            )
            detail = f"{num / seconds:.0f} records/s; copied at {num / copying_s:.0f}"
            yield Figure(f"{name} {done}, against copying its bytes", copying_s / seconds, detail=detail)


def _copy(source: Path, target: Path) -> None:
    with open(target, "wb") as out:
        for path in sorted(source.iterdir()):
            out.write(path.read_bytes())


def _timed(work: Callable[[], int | None]) -> float:
    start = time.perf_counter()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        assert work() in (0, None)
    return time.perf_counter() - start
