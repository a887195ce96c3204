"""Alpaca's instructions -> conversations in text: ``python -m data_prep.alpaca --list alpaca_data.json``.

An entry is ``{"instruction": ..., "input": ..., "output": ...}``; an input follows its instruction after a blank line.
"""

import sys
from collections.abc import Sequence
from typing import Any

from data_prep.preparation.command import parser_of, prepare
from data_prep.preparation.conversations import Dialogue, mapping_of
from data_prep.preparation.drafts import Draft, text_of
from data_prep.preparation.lists import read_json
from data_prep.preparation.media_folder import MediaFolders
from data_prep.preparation.rows import Preparation


def names(entry: Any) -> tuple[str | None, str | None]:
    return None, None


def record(entry: Any, media: MediaFolders, keep_text: bool) -> Draft:
    entry, dialogue = mapping_of(entry), Dialogue(media, keep_text)
    instruction, given = text_of(entry, "instruction"), text_of(entry, "input") if "input" in entry else ""
    dialogue.turn("user", [f"{instruction}\n\n{given}" if given.strip() else instruction])
    dialogue.turn("assistant", [text_of(entry, "output")])
    return dialogue.draft()


ALPACA = Preparation("alpaca", read_json, names, record)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("alpaca", __doc__ or "", "alpaca_data.json or a cleaned version", media=False, val=0.01)
    return prepare(ALPACA, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
