"""Records of the microworld: what stands in its shards. A pure function of (seed, level, split, set, number).

Beside what a model reads (media, caption or messages) each record holds ``scene.json``, from which a reading of it is
scored: the scene of a pair, the scenes and answers of a dialogue.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from anyany.media.clips import encode_mp4
from anyany.media.pictures import encode_jpeg
from anyany.media.sounds import encode_flac
from anyany.messages.types import to_json as messages_to_json
from anyany.microworld.captions import caption
from anyany.microworld.clips import render_clip
from anyany.microworld.dialogues import sample_dialogue
from anyany.microworld.levels import LEVELS, Level, sample_scene
from anyany.microworld.pictures import render_picture
from anyany.microworld.scenes import SCENES, Clip, Picture, Scene, Sound, to_json
from anyany.microworld.sounds import render_sound
from anyany.microworld.texts import kinds_of
from anyany.microworld.turns import EXTENSIONS
from anyany.microworld.words import pick
from anyany.seeds import rng_of

Members = dict[str, bytes]  # extension -> bytes


def make_record(seed: int, level: str, split: str, set_name: str, number: int) -> Members:
    """The members of one record of a set (a name in ``SETS``)."""
    rng = rng_of("microworld", seed, level, split, set_name, number)
    return SETS[set_name](LEVELS[level], rng, split == "test_novel")


def render(scene: Scene, level: Level, rng: np.random.Generator) -> bytes:
    """The scene as a file: JPEG, MP4 or FLAC."""
    match scene:
        case Picture():
            return encode_jpeg(render_picture(scene, level, rng))
        case Clip():
            return encode_mp4(render_clip(scene, level, rng), level.frame_rate_hz)
        case Sound():
            return encode_flac(render_sound(scene, level, rng), level.sample_rate_hz)


def _pair(modality: str) -> Callable[[Level, np.random.Generator, bool], Members]:
    def make(level: Level, rng: np.random.Generator, novel: bool) -> Members:
        scene = sample_scene(modality, level, rng, novel)
        text = caption(scene, rng)
        media = render(scene, level, rng)
        return {EXTENSIONS[modality]: media, "txt": text.encode(), "scene.json": _bytes(to_json(scene))}

    return make


def _text(held_out: bool) -> Callable[[Level, np.random.Generator, bool], Members]:
    def make(level: Level, rng: np.random.Generator, novel: bool) -> Members:
        sample = pick(rng, kinds_of(novel, held_out)).draw(level, rng, novel)
        told = {"kind": sample.kind, "answers": {"1": sample.answer}}
        return {"json": _bytes({"messages": messages_to_json(sample.messages)}), "scene.json": _bytes(told)}

    return make


def _dialogue(level: Level, rng: np.random.Generator, novel: bool) -> Members:
    dialogue = sample_dialogue(level, rng, novel)
    media = {member: render(scene, level, rng) for member, scene in dialogue.scenes.items()}
    scenes = {member: to_json(scene) for member, scene in dialogue.scenes.items()}
    told = {"case": dialogue.case, "scenes": scenes, "answers": dialogue.answers}
    return {"json": _bytes({"messages": messages_to_json(dialogue.messages)}), **media, "scene.json": _bytes(told)}


def _bytes(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()


SETS: dict[str, Callable[[Level, np.random.Generator, bool], Members]] = {
    **{modality: _pair(modality) for modality in SCENES},
    "text": _text(held_out=False),
    "text_held_out": _text(held_out=True),
    "dialogue": _dialogue,
}
