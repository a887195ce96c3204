import pytest
import torch

from anyany.microworld.levels import LEVELS, sample_scene
from anyany.models.decoders.stable_diffusion import StableDiffusion
from anyany.ops.noise import add_noise
from anyany.seeds import rng_of
from data_prep.parts import distillation
from data_prep.parts.diffusion import Latents
from data_prep.parts.distillation import GuidanceRecipe
from data_prep.parts.training import Training, draw_of
from tests.models.decoders.pipelines import stable_diffusion

CPU = torch.device("cpu")
CAPTION = "a red circle"


@pytest.fixture
def decoder(tmp_path) -> StableDiffusion:
    stable_diffusion(tmp_path / "pipeline")
    one = StableDiffusion(tmp_path / "pipeline", num_steps=3)
    one.load()
    return one


@pytest.fixture
def recipe(decoder, monkeypatch) -> GuidanceRecipe:
    monkeypatch.setattr(distillation, "say", lambda *_: CAPTION)
    scenes = [sample_scene("image", LEVELS["easy"], rng_of("distillation", index)) for index in range(4)]
    latents = Latents(torch.randn(4, *decoder.latent_shape()), torch.zeros(4, *decoder.latent_shape()), scenes)
    return GuidanceRecipe("toy/guided", decoder, latents, steps=60, guidance=4.0, batch=4)


def test_what_is_learned_is_the_guided_prediction(decoder, recipe):
    found = recipe.loss(draw_of("toy", 0, CPU))["guidance"]
    same = draw_of("toy", 0, CPU)
    latents, *_ = recipe.latents.draw(same, 4)
    times_N, noise = same.integers(1000, 4), same.normal(*latents.shape)
    noisy = add_noise(latents, noise, decoder.scheduler.alphas_cumprod, times_N)
    missed = []
    with torch.no_grad():
        full_1LD, empty_1LD = decoder.condition([CAPTION]), decoder.condition([""])
        for item, time in zip(noisy.split(1), times_N.split(1), strict=True):
            full, empty = (decoder.predict(item, time, told) for told in (full_1LD, empty_1LD))
            missed.append(((empty + 4.0 * (full - empty) - full) ** 2).mean())
    torch.testing.assert_close(found, sum(missed) / 4)
    assert found > 1e-6


def test_the_denoiser_alone_learns_and_then_draws_as_its_teacher_guided(decoder, recipe, tmp_path):
    before = {name: parameter.clone() for name, parameter in decoder.named_parameters()}
    conditioning_NLD, seeds = decoder.condition([CAPTION] * 8), range(8)
    decoder.guidance = 4.0
    guided = decoder.generate(conditioning_NLD, seeds).float()
    decoder.guidance = 1.0
    plain = decoder.generate(conditioning_NLD, seeds).float()
    recipe.learning_rate = 3e-3
    Training(recipe, tmp_path, CPU).train()
    after = dict(decoder.named_parameters())
    assert {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])} == {"unet"}
    assert all(torch.equal(p, before[name]) for name, p in recipe.teacher.named_parameters())
    made = decoder.generate(conditioning_NLD, seeds).float()
    assert (plain - guided).abs().mean() > 0.1
    assert (made - guided).abs().mean() < (plain - guided).abs().mean() / 2
