"""Writes a page of what each shipped decoder makes of captions, with the oracle's verdict under each.

python -m data_prep.gallery
"""

import argparse
import html
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from anyany.files import write_whole
from anyany.surroundings import settle
from data_prep.parts import PARTS
from data_prep.shipped import NAMES, shipped


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    settle()
    names = [name for name in NAMES if (args.parts / name).is_dir()]
    if not names:
        sys.exit(f"no decoder under {args.parts}; `make parts` trains them")
    from anyany.evaluation.page import page

    body = "\n".join(part for name in names for part in section(name, args))
    title = "What the tiny decoders draw"
    told = (
        f"<p>Captions of {args.split}, level {args.level}, seed {args.seed}; each decoder is asked through its own "
        "text encoder. Under each caption stands what the oracle reads in what was made.</p>"
    )
    text = page(title, f"{told}\n{body}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(args.out, text)
    sys.stdout.write(f"{args.out}: {', '.join(names)}; open it in a browser\n")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m data_prep.gallery", description=(__doc__ or "").split("\n\n")[0])
    outputs = Path(os.environ.get("ANYANY_OUTPUTS", "outputs"))
    parser.add_argument("--out", type=Path, default=outputs / "gallery.html")
    parser.add_argument("--parts", type=Path, default=PARTS, help="folder of the decoders' folders")
    parser.add_argument("--level", choices=("easy", "standard"), default="easy")
    parser.add_argument("--split", choices=("val", "test", "test_novel"), default="test_novel")
    parser.add_argument("--number", type=int, default=30, help="captions for each decoder (30)")
    parser.add_argument("--seed", type=int, default=0, help="of the decoders' noise")
    return parser.parse_args(arguments)


def section(name: str, args: argparse.Namespace) -> Iterator[str]:
    """The part of the page that shows one decoder."""
    from anyany.evaluation.decoders import draw
    from anyany.evaluation.oracles import ALL_RIGHT, read_back, shares
    from anyany.evaluation.page import shown, verdict
    from anyany.microworld.oracles import ORACLES
    from data_prep.parts.measures import records, told

    decoder = shipped(name, args.parts / name)
    captions, scenes = told(records(decoder.modality, args.level, args.number, args.split))
    media = draw(decoder, captions, args.seed)
    figure = shares(read_back(scenes, media))[ALL_RIGHT]
    yield f"<h2>{decoder.modality}: {name}</h2>\n<p>All attributes right: {figure}</p>\n<div class='made'>"
    for caption, scene, item in zip(captions, scenes, media, strict=True):
        words = f"<b>{html.escape(caption)}</b>{verdict(scene, ORACLES[scene.modality](item))}"
        yield f"<figure>{shown(decoder.modality, item)}<figcaption>{words}</figcaption></figure>"
    yield "</div>"


if __name__ == "__main__":
    sys.exit(main())
