"""Training AudioLDM's text encoder before the denoiser, as CLAP is trained before it.

A denoiser that gets one normalised embedding for a caption tells its encoder little: trained together with it, the two
learned number and timbre in part and pitches not at all.
"""

from torch import Tensor, nn

from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.words import pick
from anyany.models.decoders.audioldm import AudioLDM
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.readers import Readers, Sums
from data_prep.parts.training import Draw
from data_prep.parts.variants import SAID, vague
from data_prep.parts.words import say

WHOLE = 1 / 4  # of the captions; the others leave attributes unsaid
SUM_WEIGHT = 10.0


class TextRecipe:
    """What a caption says and what it leaves unsaid is to be read from its embedding, a sum over attributes.

    No sound is heard. A denoiser that is to compose what it never heard named together needs embeddings that do.
    """

    learning_rate = 1e-3

    def __init__(self, name: str, decoder: AudioLDM, steps: int = 1500, batch: int = 96):
        self.name, self.identity = name, f"{steps} steps of {batch}, attributes read linearly, as sums"
        self.steps, self.batch, self.decoder = steps, batch, decoder
        names, width = ("number", *SAID[decoder.modality]), decoder.text_encoder.config.projection_dim
        self.readers = Readers(width, names, also_unsaid=True)
        self.sums = Sums(width, names)
        self.module = nn.ModuleList([decoder.text_encoder, self.readers, self.sums]).requires_grad_(True)

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        modality = self.decoder.modality
        scenes = [sample_scene(modality, LEVELS[pick(draw.rng, TRAINED_ON)], draw.rng) for _ in range(self.batch)]
        scenes = [scene if draw.rng.random() < WHOLE else vague(scene, draw.rng) for scene in scenes]
        captions_ND = self.decoder.condition([say(scene, draw.rng) for scene in scenes]).squeeze(1)
        return {"reading": self.readers(captions_ND, scenes), "sum": SUM_WEIGHT * self.sums(captions_ND, scenes)}
