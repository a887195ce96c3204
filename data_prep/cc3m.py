"""CC3M's pictures with their captions -> shards of pairs.

    python -m data_prep.cc3m --downloaded cc3m                              (the output folder of img2dataset)
    python -m data_prep.cc3m --list Train_GCC-training.tsv --media training (the published list, a folder of downloads)

A download may be called by the CRC-32 of its address or by the number of its row, counted from 0.
"""

import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_prep.preparation.downloaded import parser_of_pairs, prepare_pairs
from data_prep.preparation.drafts import Draft, LeftOut, text_of
from data_prep.preparation.lists import read_tsv
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.pairs import pair
from data_prep.preparation.rows import Preparation

COLUMNS = ("caption", "url")


def entries(path: Path) -> Iterator[dict[str, Any] | LeftOut]:
    """The rows with their numbers; many copies of the list have a header, which is none of them."""
    rows = (row for row in read_tsv(path, COLUMNS) if row != dict(zip(COLUMNS, COLUMNS, strict=True)))
    for number, row in enumerate(rows):
        yield row if isinstance(row, LeftOut) else {**row, "row": number}


def names(entry: dict[str, Any]) -> tuple[str | None, str | None]:
    return None, entry["url"]


def record(entry: dict[str, Any], media: MediaFolders, keep_text: bool) -> Draft:
    number, check = entry["row"], zlib.crc32(entry["url"].encode())
    # What holds the address's check sum cannot be another row's picture, so it comes before plain numbers.
    files = (str(check), f"{number}_{check}", f"{number:09d}", str(number), f"GCC_train_{number:09d}")
    return pair(text_of(entry, "caption"), "image", files, media, keep_text, {"url": entry["url"]})


CC3M = Preparation("cc3m", entries, names, record)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of_pairs("cc3m", __doc__ or "", "the published tsv: caption and address")
    return prepare_pairs(CC3M, "image", parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
