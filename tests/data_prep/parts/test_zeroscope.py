import pytest
import torch
from diffusers import UNet2DConditionModel, UNet3DConditionModel

from anyany.models.decoders.latent_diffusion import from_uint8
from anyany.models.decoders.zeroscope import ZeroScope
from data_prep.parts.training import draw_of
from data_prep.parts.zeroscope import autoencoder_recipe, encode_clips, inflated, tell_time
from tests.models.decoders.pipelines import NUM_FRAMES, zeroscope

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def painter() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=12,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        norm_num_groups=4,
    ).eval()


@pytest.fixture(scope="module")
def over_time(painter) -> UNet3DConditionModel:
    torch.manual_seed(1)
    return inflated(painter).eval()


def frame_by_frame(painter, clips, times_N, conditioning_NLD):
    return torch.stack([painter(clips[:, :, f], times_N, conditioning_NLD).sample for f in range(clips.shape[2])], 2)


@torch.no_grad()
def test_frames_are_treated_as_the_pictures_were(painter, over_time):
    clips, conditioning_NLD = torch.randn(3, 4, 5, 8, 8), torch.randn(3, 7, 12)
    times_N = torch.tensor([0, 500, 999])
    wanted = frame_by_frame(painter, clips, times_N, conditioning_NLD)
    assert wanted.std() > 0.1
    torch.testing.assert_close(over_time(clips, times_N, conditioning_NLD).sample, wanted, atol=1e-5, rtol=1e-5)


def test_every_weight_of_pictures_is_taken_over(painter, over_time, record_property):
    weights, old = over_time.state_dict(), painter.state_dict()
    record_property("found", f"{len(old)} of {len(weights)} weights of a denoiser of clips are those of pictures")
    assert [key for key in old if key not in weights or not torch.equal(weights[key], old[key])] == []
    for key, weight in weights.items():
        assert torch.isfinite(weight).all(), key


def test_layers_over_time_learn_to_mix_frames(painter):
    torch.manual_seed(1)
    learner = inflated(painter)
    optimizer = torch.optim.AdamW(learner.parameters(), 1e-2)
    clips, times_N, conditioning_NLD = torch.randn(2, 4, 3, 8, 8), torch.tensor([10, 20]), torch.randn(2, 7, 12)

    def influence():
        """Of the last frame on the first one's prediction."""
        changed = clips.clone()
        changed[:, :, -1] += 1
        with torch.no_grad():
            before, after = (learner(values, times_N, conditioning_NLD).sample[:, :, 0] for values in (clips, changed))
        return float((after - before).abs().max())

    assert influence() < 1e-5
    for _ in range(3):
        missed = learner(clips, times_N, conditioning_NLD).sample - clips.roll(1, dims=2)
        optimizer.zero_grad()
        missed.square().mean().backward()
        optimizer.step()
    assert influence() > 1e-3


def test_layers_over_time_tell_early_frames_from_late_ones(painter):
    torch.manual_seed(0)
    learner = inflated(painter).eval()
    still = torch.randn(2, 4, 1, 8, 8).expand(-1, -1, 8, -1, -1)
    times_N, conditioning_NLD = torch.tensor([500, 900]), torch.randn(2, 7, 12)

    def distances():
        """Of each frame's prediction from the first one's, where all frames are the same."""
        with torch.no_grad():
            made = learner(still, times_N, conditioning_NLD).sample
        return (made - made[:, :, :1]).square().mean((0, 1, 3, 4))

    assert distances().max() < 1e-9
    tell_time(learner)
    found = distances()
    assert found[7] > 1e-4
    assert found[1] < found[4] < found[7]


def test_a_denoiser_that_does_not_fit_is_refused():
    with_more = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        cross_attention_dim=12,
        attention_head_dim=(2, 4),
        norm_num_groups=4,
        class_embed_type="timestep",
    )
    with pytest.raises(AssertionError, match="layers that one of clips has not"):
        inflated(with_more)


class Clips:
    """Ten clips, each frame of a grey of its own."""

    scenes = ()

    def __len__(self):
        return 10

    def media(self, indices):
        greys = torch.tensor([[20 * index + frame for frame in range(NUM_FRAMES)] for index in indices])
        return greys.to(torch.uint8)[:, :, None, None, None].expand(-1, -1, 3, 8, 8)

    def draw(self, rng, number):
        return self.media(rng.integers(10, size=number)), []


@pytest.fixture
def decoder(tmp_path) -> ZeroScope:
    zeroscope(tmp_path)
    one = ZeroScope(tmp_path, num_frames=NUM_FRAMES)
    one.load()
    return one


@torch.no_grad()
def test_encoded_clips_are_the_decoders_latents(decoder):
    pool = Clips()
    mean, std = encode_clips(decoder, pool)
    wanted = decoder.encode(pool.media(range(10)))
    torch.testing.assert_close(mean, wanted, atol=1e-5, rtol=1e-4)
    assert std.shape == mean.shape == (10, *decoder.latent_shape())
    frame = decoder.vae.encode(from_uint8(pool.media([7])[:, 2])).latent_dist
    torch.testing.assert_close(std[7, :, 2], frame.std[0] * decoder.vae.config.scaling_factor, atol=1e-6, rtol=1e-4)


def test_the_autoencoder_learns_from_single_frames_of_clips(decoder):
    recipe, seen = autoencoder_recipe(decoder, Clips(), batch=64), set()
    for step in range(5):
        values = recipe.items(draw_of("toy", step, CPU))
        assert values.shape == (64, 3, 8, 8)
        assert (values.amax((1, 2, 3)) == values.amin((1, 2, 3))).all()
        seen |= {round(float(value) * 127.5 + 127.5) for value in values[:, 0, 0, 0]}
    assert seen == {20 * index + frame for index in range(10) for frame in range(NUM_FRAMES)}
    assert all(parameter.requires_grad for parameter in decoder.vae.parameters())
