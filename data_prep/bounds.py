"""Measures each shipped decoder's ceiling and floor on what an evaluation asks for, and puts them into its folder.

An evaluation finds them there, and need not draw twice as much again as it asks of the model. For another decoder, or
one with other numbers, it measures them itself.

`make parts` does it behind a decoder's training.

python -m data_prep.bounds
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from anyany.surroundings import settle
from data_prep.parts import PARTS
from data_prep.shipped import NAMES, shipped


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    settle()
    names = [name for name in args.part or NAMES if (args.parts / name).is_dir()]
    if not names:
        sys.exit(f"no decoder under {args.parts}; `make parts` trains them")
    for name in names:
        measure(shipped(name, args.parts / name), args.level, args.number)
    return 0


def renew(name: str, parts: Path) -> None:
    """Measures a part that was trained anew; what was measured of the former one goes."""
    from anyany.evaluation.bounds import SHIPPED

    shutil.rmtree(parts / name / SHIPPED, ignore_errors=True)
    main(["--part", name, "--parts", str(parts)])


def parse(arguments: list[str] | None) -> argparse.Namespace:
    from anyany.evaluation.evaluator import Asked

    parser = argparse.ArgumentParser(prog="python -m data_prep.bounds", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--part", choices=NAMES, action="append", help="one decoder; may be given again (all)")
    parser.add_argument("--parts", type=Path, default=PARTS, help="folder of the decoders' folders")
    parser.add_argument("--level", choices=("easy", "standard"), default="easy")
    parser.add_argument("--number", type=int, default=Asked("easy").number, help="items for each figure")
    return parser.parse_args(arguments)


def measure(decoder: Any, level: str, number: int) -> None:
    from anyany.evaluation.bounds import SHIPPED, bounds
    from anyany.evaluation.items import SPLITS, captioned, requests
    from anyany.evaluation.oracles import ALL_RIGHT

    for split in SPLITS:
        captions, scenes = captioned(requests(decoder.modality, level, split, number))
        found = bounds(decoder, captions, scenes, decoder.folder / SHIPPED)
        told = "; ".join(f"{name} {by_attribute[ALL_RIGHT]}" for name, by_attribute in found.items())
        sys.stdout.write(f"{decoder.folder.name}, {level}, {split}: {told}\n")


if __name__ == "__main__":
    sys.exit(main())
