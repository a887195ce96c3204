"""Writes a page of what each shipped decoder makes of captions, with the oracle's verdict under each.

python -m data_prep.gallery
"""

import argparse
import base64
import html
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyany.files import write_whole
from data_prep.parts import PARTS

if TYPE_CHECKING:
    from torch import Tensor

    from anyany.microworld.scenes import Scene

DECODERS = {
    "stable_diffusion": "anyany.models.decoders.stable_diffusion.StableDiffusion",
    "zeroscope": "anyany.models.decoders.zeroscope.ZeroScope",
    "audioldm": "anyany.models.decoders.audioldm.AudioLDM",
}
FRAME_MS = 250  # the microworld's clips have 4 frames a second
RANGE_DB = 50  # of spectrograms, from the loudest down to black
STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d5d8dd, #3a3f47); --dim: light-dark(#5a6270, #9aa3b0);
  --right: light-dark(#1a7f37, #57c26f); --wrong: light-dark(#b42318, #ff8a7a); }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  background: light-dark(#ffffff, #16181c); color: light-dark(#1c2024, #e6e8eb); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p, figcaption { color: var(--dim); }
.made { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: .7rem; }
img { width: 100%; image-rendering: pixelated; border-radius: 4px; display: block; }
audio { width: 100%; margin-top: .4rem; }
figcaption b { display: block; color: light-dark(#1c2024, #e6e8eb); font-weight: 500; margin: .5rem 0 .2rem; }
.right { color: var(--right); } .wrong { color: var(--wrong); }
"""


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    names = [name for name in DECODERS if (args.parts / name).is_dir()]
    if not names:
        sys.exit(f"no decoder under {args.parts}; `make parts` trains them")
    body = "\n".join(part for name in names for part in section(name, args))
    title = "What the tiny decoders draw"
    text = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>\n'
        f"<h1>{title}</h1>\n<p>Captions of {args.split}, level {args.level}, seed {args.seed}; each decoder is asked "
        "through its own text encoder. Under each caption stands what the oracle reads in what was made.</p>\n"
        f"{body}\n</html>\n"
    )
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
    from importlib import import_module

    from anyany.evaluation.decoders import draw
    from anyany.evaluation.oracles import ALL_RIGHT, read_back, shares
    from data_prep.parts.measures import records, told

    module, _, kind = DECODERS[name].rpartition(".")
    decoder = getattr(import_module(module), kind)(args.parts / name)
    decoder.load()
    captions, scenes = told(records(decoder.modality, args.level, args.number, args.split))
    media = draw(decoder, captions, args.seed)
    figure = shares(read_back(scenes, media))[ALL_RIGHT]
    yield f"<h2>{decoder.modality}: {name}</h2>\n<p>All attributes right: {figure}</p>\n<div class='made'>"
    for caption, scene, item in zip(captions, scenes, media, strict=True):
        words = f"<b>{html.escape(caption)}</b>{verdict(scene, item)}"
        yield f"<figure>{SHOWN[decoder.modality](item)}<figcaption>{words}</figcaption></figure>"
    yield "</div>"


def verdict(scene: "Scene", item: "Tensor") -> str:
    """What the oracle reads, and whether it is what was asked for."""
    from anyany.microworld.oracles import ORACLES
    from anyany.microworld.scenes import Unreadable, attributes, compare

    read = ORACLES[scene.modality](item)
    hits = compare(scene, read)
    if isinstance(read, Unreadable):
        return f"<span class='wrong'>unreadable: {html.escape(read.reason)}</span>"
    if all(hits.values()):
        return "<span class='right'>right</span>"
    missed = ", ".join(name for name, hit in hits.items() if not hit)
    seen = ", ".join(f"{key} {value}" for key, value in attributes(read).items() if key in hits or len(read.things) > 1)
    return f"<span class='wrong'>wrong {missed}; read: {html.escape(seen)}</span>"


def show_picture(pixels_3HW: "Tensor") -> str:
    from anyany.media.pictures import encode_png

    return picture(encode_png(pixels_3HW), "png")


def show_clip(frames_F3HW: "Tensor") -> str:
    """A moving picture that every browser plays by itself, without loss."""
    from PIL import Image

    first, *others = (Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in frames_F3HW)
    file = io.BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=others, duration=FRAME_MS, loop=0, lossless=True)
    return picture(file.getvalue(), "webp")


def show_sound(samples_S: "Tensor") -> str:
    """Its spectrogram, and a player."""
    import numpy as np
    import torch

    from anyany.media.pictures import encode_png
    from anyany.media.sounds import encode_wav
    from anyany.microworld.oracles.sounds import RATE_HZ, band_power

    decibel_KT = 10 * np.log10(band_power(samples_S.numpy()).T[::-1] + 1e-6)
    grey_KT = np.clip((decibel_KT - decibel_KT.max()) / RANGE_DB + 1, 0, 1) * 255
    shown = picture(encode_png(torch.from_numpy(grey_KT.astype(np.uint8)).expand(3, -1, -1)), "png")
    return f"{shown}<audio controls src='{data_uri('audio/wav', encode_wav(samples_S, RATE_HZ))}'></audio>"


def picture(data: bytes, kind: str) -> str:
    return f"<img alt='' src='{data_uri(f'image/{kind}', data)}'>"


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


SHOWN: dict[str, Callable[[Any], str]] = {"image": show_picture, "video": show_clip, "audio": show_sound}

if __name__ == "__main__":
    sys.exit(main())
