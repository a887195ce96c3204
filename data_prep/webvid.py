"""WebVid's clips with their captions -> shards of pairs.

    python -m data_prep.webvid --downloaded webvid                               (the output folder of video2dataset)
    python -m data_prep.webvid --list results_2M_train.csv --media webvid/videos (the published list, a folder of clips)

A clip is called ``<page_dir>/<videoid>.mp4`` or ``<videoid>.mp4``.
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
    return read_csv(path, ("videoid", "name"))


def names(entry: dict[str, str]) -> tuple[str | None, str | None]:
    return entry["videoid"], entry["videoid"]


def record(entry: dict[str, Any], media: MediaFolders, keep_text: bool) -> Draft:
    name = f"{entry['videoid']}.mp4"
    folder = entry.get("page_dir")  # some rows have none
    files = ([f"{folder}/{name}"] if folder else []) + [name]
    published = {key: value for key, value in entry.items() if key != "name"}
    return pair(text_of(entry, "name"), "video", files, media, keep_text, published)


WEBVID = Preparation("webvid", entries, names, record)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of_pairs("webvid", __doc__ or "", "the published csv, with columns videoid and name")
    return prepare_pairs(WEBVID, "video", parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
