import math

import pytest
import torch
from diffusers import DDPMScheduler

from anyany.ops.noise import add_noise, denoising_target

KINDS = ("epsilon", "sample", "v_prediction")
ALPHAS_K = torch.tensor([0.96, 0.64, 0.36])  # of the last: signal 0.6, spread 0.8
SHAPES = [(4, 6), (4, 2, 3, 3), (4, 2, 3, 3, 3)]


def test_two_items_at_two_times_by_hand():
    clean, noise = torch.tensor([[1.0, -2.0], [10.0, 0.0]]), torch.tensor([[3.0, 1.0], [5.0, -10.0]])
    times_N = torch.tensor([2, 1])
    noisy = add_noise(clean, noise, ALPHAS_K, times_N)
    torch.testing.assert_close(noisy, torch.tensor([[0.6 + 2.4, -1.2 + 0.8], [8.0 + 3.0, -6.0]]))
    velocity = denoising_target("v_prediction", clean, noise, ALPHAS_K, times_N)
    torch.testing.assert_close(velocity, torch.tensor([[1.8 - 0.8, 0.6 + 1.6], [4.0 - 6.0, -8.0]]))
    assert denoising_target("epsilon", clean, noise, ALPHAS_K, times_N) is noise
    assert denoising_target("sample", clean, noise, ALPHAS_K, times_N) is clean


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_diffusers(shape):
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(shape, generator=generator) for _ in range(2))
    times_N = torch.tensor([0, 999, 400, 17])
    noisy = add_noise(clean, noise, scheduler.alphas_cumprod, times_N)
    torch.testing.assert_close(noisy, scheduler.add_noise(clean, noise, times_N))
    velocity = denoising_target("v_prediction", clean, noise, scheduler.alphas_cumprod, times_N)
    torch.testing.assert_close(velocity, scheduler.get_velocity(clean, noise, times_N))


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_prediction_leads_back_to_the_clean_latents(kind):
    clean, noise, times_N = torch.randn(3, 4), torch.randn(3, 4), torch.tensor([0, 1, 2])
    noisy = add_noise(clean, noise, ALPHAS_K, times_N)
    predicted = denoising_target(kind, clean, noise, ALPHAS_K, times_N)
    for n, alpha in enumerate(ALPHAS_K.tolist()):
        signal, spread = math.sqrt(alpha), math.sqrt(1 - alpha)
        found = {
            "epsilon": (noisy[n] - spread * predicted[n]) / signal,
            "sample": predicted[n],
            "v_prediction": signal * noisy[n] - spread * predicted[n],
        }[kind]
        torch.testing.assert_close(found, clean[n], atol=1e-5, rtol=1e-5)


def test_the_latents_type_decides():
    clean = torch.randn(2, 3, dtype=torch.float64)
    assert add_noise(clean, clean, ALPHAS_K, torch.tensor([0, 2])).dtype == torch.float64
    assert denoising_target("v_prediction", clean, clean, ALPHAS_K, torch.tensor([0, 2])).dtype == torch.float64


def test_an_unknown_parameterisation_is_refused():
    with pytest.raises(ValueError, match="'flow' is unknown; expected epsilon, sample or v_prediction"):
        denoising_target("flow", torch.zeros(1), torch.zeros(1), ALPHAS_K, torch.tensor([0]))
