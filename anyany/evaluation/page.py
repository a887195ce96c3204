"""Media and verdicts as parts of a page: one file with everything inside, for light and dark."""

import base64
import html
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from anyany.media.pictures import encode_png
from anyany.media.sounds import encode_wav
from anyany.microworld.oracles.sounds import RATE_HZ, band_power
from anyany.microworld.scenes import Scene, Unreadable, attributes, compare

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
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: .7rem; overflow-wrap: anywhere; }
img { width: 100%; image-rendering: pixelated; border-radius: 4px; display: block; }
audio { width: 100%; margin-top: .4rem; }
figcaption b { display: block; color: light-dark(#1c2024, #e6e8eb); font-weight: 500; margin: .5rem 0 .2rem; }
nav { color: var(--dim); } nav a { color: inherit; white-space: nowrap; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; font-weight: 400;
  border-bottom: 1px solid var(--line); vertical-align: top; } small { color: var(--dim); }
.user, .assistant { border-radius: 8px; padding: .1rem .6rem .4rem; margin-bottom: .5rem; }
.user { background: light-dark(#eef1f5, #22262c); } .user p, .assistant p { color: inherit; margin: .3rem 0; }
.reply { border-left: 3px solid var(--line); border-radius: 0; }
.right { color: var(--right); } .wrong { color: var(--wrong); }
"""


def page(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style>\n<h1>{html.escape(title)}</h1>\n{body}\n</html>\n"
    )


def shown(modality: str, item: Tensor) -> str:
    """A medium as the browser shows it."""
    return SHOWN[modality](item)


def verdict(scene: Scene, read: Scene | Unreadable) -> str:
    """What an oracle reads, and whether it is what was asked for."""
    hits = compare(scene, read)
    if isinstance(read, Unreadable):
        return f"<span class='wrong'>unreadable: {html.escape(read.reason)}</span>"
    if all(hits.values()):
        return "<span class='right'>right</span>"
    missed = ", ".join(name for name, hit in hits.items() if not hit)
    seen = ", ".join(f"{key} {value}" for key, value in attributes(read).items() if key in hits or len(read.things) > 1)
    return f"<span class='wrong'>wrong {missed}; read: {html.escape(seen)}</span>"


def show_picture(pixels_3HW: Tensor) -> str:
    return picture(encode_png(pixels_3HW), "png")


def show_clip(frames_F3HW: Tensor) -> str:
    """A moving picture that every browser plays by itself, without loss."""
    first, *others = (Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in frames_F3HW)
    file = io.BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=others, duration=FRAME_MS, loop=0, lossless=True)
    return picture(file.getvalue(), "webp")


def show_sound(samples_S: Tensor) -> str:
    """Its spectrogram, and a player."""
    decibel_KT = 10 * np.log10(band_power(samples_S.numpy()).T[::-1] + 1e-6)
    grey_KT = np.clip((decibel_KT - decibel_KT.max()) / RANGE_DB + 1, 0, 1) * 255
    shown = picture(encode_png(torch.from_numpy(grey_KT.astype(np.uint8)).expand(3, -1, -1)), "png")
    return f"{shown}<audio controls src='{data_uri('audio/wav', encode_wav(samples_S, RATE_HZ))}'></audio>"


def picture(data: bytes, kind: str) -> str:
    return f"<img alt='' src='{data_uri(f'image/{kind}', data)}'>"


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


SHOWN: dict[str, Callable[[Any], str]] = {"image": show_picture, "video": show_clip, "audio": show_sound}
