import torch

from anyany.microworld.levels import LEVELS, sample_scene
from anyany.seeds import rng_of
from data_prep.parts.audioldm import HEARD, STEPS, heard
from data_prep.parts.diffusion import Latents


def of_kind(number, value):
    """Latents that tell where they come from: 100 * kind + index."""
    scenes = [sample_scene("audio", LEVELS["easy"], rng_of("kind", value, index)) for index in range(number)]
    means = 100 * value + torch.arange(number).float().view(-1, 1)
    return Latents(means, torch.zeros(number, 1), scenes, None if value < 2 else torch.ones(number, 1, 3))


def test_each_training_hears_the_first_of_each_kind():
    records, unpaired, beyond_names = kinds = [of_kind(8, 0), of_kind(6, 1), of_kind(8, 2)]
    assert HEARD.keys() == STEPS.keys() == {"unet", "grid"}
    first = heard(kinds, 8, "unet")
    assert first.mean.flatten().tolist() == [*range(8), *range(100, 104), *range(200, 204)]
    then = heard(kinds, 8, "grid")
    assert then.mean.flatten().tolist() == [*range(4), *range(100, 104), *range(200, 208)]
    assert then.scenes == [*records.scenes[:4], *unpaired.scenes[:4], *beyond_names.scenes]
    assert then.beside.flatten(1).sum(1).tolist() == [0.0] * 8 + [3.0] * 8
