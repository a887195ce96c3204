"""The tiny ImageBind: one space for pictures, clips, sounds and captions of the microworld."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import torch

from anyany.evaluation.retrieval import candidates, right_first
from anyany.figures import Figure
from anyany.microworld.captions import caption
from anyany.microworld.levels import LEVELS, all_things
from anyany.microworld.scenes import SCENES
from anyany.models.encoders.imagebind import ImageBind
from anyany.seeds import rng_of
from data_prep.parts.job import Job
from data_prep.parts.joint import JointRecipe
from data_prep.parts.measures import NUMBER, records, shown, told
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.tokenizers import clip_tokenizer
from data_prep.parts.words import captions

NAME = "imagebind"
RECORDS = {"image": 40_000, "video": 20_000, "audio": 12_000}
MAX_TOKENS, VOCABULARY = 24, 800  # the longest caption has 23
STEPS = {"model": 5000, "hearing": 1500, "reading": 1500, "watching": 1500}
RECIPE = {
    "model": "pictures, clips and sounds (half of the sounds a little faster) against captions, against "
    "captions that leave attributes unsaid, and against its own caption with one attribute changed",
    "hearing": "the ear alone, against captions as they now stand: sounds as before, sounds of any pitch, told without "
    "it, and sounds of any timbre, told without it, so that novel pairs are heard but never named",
    "reading": "all as before, and each attribute is to be read by a linear layer from media and captions alike, so "
    "that embeddings are sums over attributes, of novel pairs too",
    "watching": "all as before, and pictures and clips whose colors are turned by any angle, half of the clips "
    "backwards, of which attributes are read but for color and motion, so that novel pairs are seen but never named",
}


def train(job: Job) -> float:
    """Trains what is not trained yet, and writes the encoder. Returns the seconds of training."""
    start = job.start(NAME, make)
    model = ImageBind.from_pretrained(start)
    pools = {modality: job.pool(modality, number) for modality, number in RECORDS.items()}
    seconds = sum(job.run(JointRecipe(model, pools, name, steps)) for name, steps in STEPS.items())
    model.cpu().save_pretrained(job.out / NAME, torch.float16)
    return seconds


def make(folder: Path) -> None:
    """Writes the untrained encoder: the one place of its numbers."""
    torch.manual_seed(0)
    trunk = {"width": 128, "depth": 4, "heads": 4}
    tokenizer = clip_tokenizer(captions(list(SCENES), 20_000), VOCABULARY, MAX_TOKENS)
    model = ImageBind(
        joint_dim=128,
        vision=trunk | {"image_px": 32, "frames": 2, "kernel": (2, 4, 4)},
        audio=trunk | {"num_mels": 64, "num_frames": 204, "kernel": 16, "stride": 10},
        text=trunk | {"depth": 3, "vocab_size": len(tokenizer), "num_positions": MAX_TOKENS},
    )
    model.tokenizer_json = tokenizer.backend_tokenizer.to_str()
    model.save_pretrained(folder)


@torch.no_grad()
def measure(folder: Path, levels: Sequence[str] = TRAINED_ON, number: int = NUMBER) -> dict[str, Figure]:
    """How often the own caption is the nearest of 100, or of as many as the level has scenes.

    The others describe other scenes of the level, novel ones as far as there are.
    """
    model = ImageBind.from_pretrained(folder)
    figures = {}
    for level, modality in product(levels, SCENES):
        pairs, preprocess = records(modality, level, number), model.preprocess(modality)
        media = shown(pairs, modality, level, preprocess.spec.num_frames)
        joint = model.embed(torch.stack([preprocess(item) for item in media]), modality, scaled=False)
        texts, scenes = told(pairs)
        rng = rng_of("parts", NAME, "measure", level, modality)
        others = list(dict.fromkeys(SCENES[modality]((thing,)) for thing in all_things(modality, LEVELS[level])))
        own, rest = (
            model.embed(model.caption_ids(captions), "text", scaled=False)
            for captions in (texts, [caption(scene, rng) for scene in others])
        )
        chosen = [candidates(scene, others, rng) for scene in scenes]
        figures[f"{level}.{modality}"] = right_first(joint, own, rest, chosen)
    return figures
