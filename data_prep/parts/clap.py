"""Training AudioLDM's text encoder before the denoiser, as CLAP is trained before it.

A denoiser that gets one normalised embedding for a caption tells its encoder little: trained together with it, the two
learned number and timbre in part and pitches not at all.

Shape letters: N captions, D width of an embedding.
"""

from torch import Tensor

from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.words import pick
from anyany.models.decoders.audioldm import AudioLDM
from data_prep.parts.codes import Code
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.training import Draw, Recipe
from data_prep.parts.variants import SAID, vague
from data_prep.parts.words import say

WHOLE = 1 / 4  # of the captions; the others leave attributes unsaid
NAMES = ("number", *SAID["audio"])


class TextRecipe(Recipe):
    """A caption's embedding is to be the code of what it says and leaves unsaid; no sound is heard."""

    learning_rate = 1e-3

    def __init__(self, name: str, decoder: AudioLDM, steps: int = 1500, batch: int = 96):
        self.name, self.identity = name, f"{steps} steps of {batch} towards a code of {', '.join(NAMES)}"
        self.steps, self.batch, self.decoder = steps, batch, decoder
        self.code = Code(NAMES, decoder.spec.dim)
        self.module = decoder.text_encoder.requires_grad_(True)

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        modality = self.decoder.modality
        scenes = [sample_scene(modality, LEVELS[pick(draw.rng, TRAINED_ON)], draw.rng) for _ in range(self.batch)]
        scenes = [scene if draw.rng.random() < WHOLE else vague(scene, draw.rng) for scene in scenes]
        captions_ND = self.decoder.condition([say(scene, draw.rng) for scene in scenes]).squeeze(1)
        return {"code": (captions_ND - self.code(scenes).to(draw.device)).square().sum(1).mean()}
