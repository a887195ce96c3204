"""What a reply says it saw or heard before it grants a wish that depends on it: ``I see two red circles.``

Where one value decides, it says that too, and what follows from it: ``They are red: low.`` So what decides stands
before what it decides: an LLM reads it where it chooses, and a reader tells whether a wrong reply saw or chose wrong.
"""

import re

import numpy as np

from anyany.microworld.captions import noun
from anyany.microworld.scenes import Scene
from anyany.microworld.words import sentence

SENSES = {"image": "see", "video": "see", "audio": "hear"}
_OBSERVATION = re.compile(rf"\bI (?:{'|'.join(dict.fromkeys(SENSES.values()))}) [^.]*\.\s*(?:[A-Z][^.:]*: [^.]*\.\s*)*")


def observation(scene: Scene, rng: np.random.Generator, *decisions: str) -> str:
    """
    Args:
        decisions: what decides, and what follows: ``they are red: low``; empty ones are left out.
    """
    return " ".join([f"I {SENSES[scene.modality]} {noun(scene, rng)}.", *map(sentence, filter(None, decisions))])


def without_observations(text: str) -> str:
    """What else a reply says: that it names what it brings is judged by this alone."""
    return _OBSERVATION.sub("", text)
