"""AudioCaps' sounds with their captions -> shards of pairs.

    python -m data_prep.audiocaps --list train.csv --media audiocaps/train

Downloaders name a sound by its audiocap_id, or by its youtube_id alone, with a Y before it, or with the seconds or
milliseconds of its start (and end) behind it. In val and test five rows describe one sound.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_prep.preparation.downloaded import parser_of_pairs, prepare_pairs
from data_prep.preparation.drafts import Draft, LeftOut, text_of
from data_prep.preparation.lists import read_csv
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.pairs import pair
from data_prep.preparation.rows import Preparation


def entries(path: Path) -> Iterator[dict[str, str] | LeftOut]:
    return read_csv(path, ("audiocap_id", "youtube_id", "start_time", "caption"))


def names(entry: dict[str, str]) -> tuple[str | None, str | None]:
    return entry["audiocap_id"], entry["youtube_id"]


def record(entry: dict[str, Any], media: MediaFolders, keep_text: bool) -> Draft:
    published = {key: value for key, value in entry.items() if key != "caption"}
    return pair(text_of(entry, "caption"), "audio", _files(entry), media, keep_text, published)


def _files(entry: dict[str, str]) -> list[str]:
    video = entry["youtube_id"]
    try:
        start_s = int(float(entry["start_time"]))
    except ValueError as error:
        raise LeftOut("malformed", f"start_time is {entry['start_time']!r}, expected seconds") from error
    # The end is not told: a cut that reached the end of its video is shorter than ten seconds.
    starts = (f"{video}_{start_s * 1000}_*", f"{video}_{start_s}_*", f"{video}_{start_s}", f"{video}_{start_s:06d}")
    return [entry["audiocap_id"], *starts, f"{video}_{start_s}.0", video, f"Y{video}"]


AUDIOCAPS = Preparation("audiocaps", entries, names, record)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of_pairs("audiocaps", __doc__ or "", "train.csv, val.csv or test.csv as published")
    return prepare_pairs(AUDIOCAPS, "audio", parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
