import pytest
import torch
from diffusers import AutoencoderKL
from torch.distributions import Normal, kl_divergence

from data_prep.parts import stable_diffusion
from data_prep.parts.autoencoders import AutoencoderRecipe, set_scaling
from data_prep.parts.training import Training, draw_of

CPU = torch.device("cpu")


@pytest.fixture
def autoencoder() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(4, 8),
        latent_channels=2,
        norm_num_groups=2,
    )


def recipe_of(autoencoder, values, steps=3):
    return AutoencoderRecipe("toy/vae", autoencoder, lambda draw: values, "toy", steps)


def test_the_loss_by_hand(autoencoder):
    values = torch.rand(3, 3, 8, 8) * 2 - 1
    recipe = recipe_of(autoencoder, values)
    terms = recipe.loss(draw_of("toy", 4, CPU))
    moments = autoencoder.quant_conv(autoencoder.encoder(values))
    mean, log_variance = moments.chunk(2, dim=1)
    std = torch.exp(log_variance / 2)
    latents = mean + std * draw_of("toy", 4, CPU).normal(*mean.shape)
    made = autoencoder.decoder(autoencoder.post_quant_conv(latents))
    assert terms.keys() == {"square", "kl"}
    torch.testing.assert_close(terms["square"], 10 * ((made - values) ** 2).sum() / values.numel())
    divergence = kl_divergence(Normal(mean, std), Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(terms["kl"] / recipe.kl_weight, divergence)


def test_the_noise_is_the_draws_own(autoencoder):
    recipe = recipe_of(autoencoder, torch.rand(1, 3, 8, 8))
    first, again, other = (recipe.loss(draw_of("toy", step, CPU))["square"].item() for step in (1, 1, 2))
    assert first == again != other


def test_both_terms_reach_encoder_and_decoder(autoencoder):
    terms = recipe_of(autoencoder, torch.rand(2, 3, 8, 8)).loss(draw_of("toy", 0, CPU))
    terms["kl"].backward(retain_graph=True)
    assert autoencoder.encoder.conv_in.weight.grad.abs().sum() > 0
    assert autoencoder.decoder.conv_out.weight.grad is None
    terms["square"].backward()
    assert autoencoder.decoder.conv_out.weight.grad.abs().sum() > 0


def test_a_few_steps_bring_it_down(autoencoder, tmp_path):
    values = torch.rand(1, 3, 1, 1).expand(4, 3, 8, 8) * 2 - 1
    recipe = recipe_of(autoencoder, values, steps=25)
    run = Training(recipe, tmp_path, CPU)
    losses = [run.one_step()["square"] for _ in range(25)]
    assert losses[-1] < losses[0] / 3


def test_scaling_gives_latents_unit_spread(autoencoder):
    values = torch.rand(16, 3, 8, 8) * 2 - 1
    assert autoencoder.config.scaling_factor == 0.18215
    set_scaling(autoencoder, values)
    latents = autoencoder.encode(values).latent_dist.mean * autoencoder.config.scaling_factor
    assert latents.std().item() == pytest.approx(1.0, rel=1e-3)


def test_scaling_is_kept_in_the_folder(autoencoder, tmp_path):
    set_scaling(autoencoder, torch.rand(4, 3, 8, 8))
    autoencoder.save_pretrained(tmp_path)
    assert AutoencoderKL.from_pretrained(tmp_path).config.scaling_factor == autoencoder.config.scaling_factor != 0.18215


def test_tints_change_each_channel_by_one_factor():
    pixels_N3HW = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8)
    tinted_N3HW = stable_diffusion.tinted(pixels_N3HW, draw_of("toy", 0, CPU))
    assert 0 <= tinted_N3HW.min() <= tinted_N3HW.max() <= 255
    low, high = 1 - stable_diffusion.TINT, 1 + stable_diffusion.TINT
    factors = set()
    for before, after in zip(pixels_N3HW.flatten(0, 1).float(), tinted_N3HW.flatten(0, 1), strict=True):
        inner = (before > 0) & (after < 255)
        ratios = after[inner] / before[inner]
        assert torch.allclose(ratios, ratios[:1].expand_as(ratios), rtol=1e-5)
        assert low - 1e-6 <= ratios[0] <= high + 1e-6
        factors.add(round(float(ratios[0]), 5))
    assert len(factors) == 15
