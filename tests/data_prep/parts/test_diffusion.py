import pytest
import torch
from diffusers import AutoencoderKL

from anyany.microworld.levels import LEVELS, novel_pairs, sample_scene
from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.questions import VALUES
from anyany.models.decoders.stable_diffusion import StableDiffusion
from anyany.seeds import rng_of
from data_prep.parts import diffusion
from data_prep.parts.diffusion import DiffusionRecipe, Latents, encode_all, together
from data_prep.parts.readers import SCALE
from data_prep.parts.training import Training, draw_of
from tests.models.decoders.pipelines import stable_diffusion

CPU = torch.device("cpu")


def scenes(number):
    return [sample_scene("image", LEVELS["easy"], rng_of("diffusion", index)) for index in range(number)]


@pytest.fixture
def decoder(tmp_path) -> StableDiffusion:
    stable_diffusion(tmp_path / "pipeline")
    one = StableDiffusion(tmp_path / "pipeline")
    one.load()
    return one


@pytest.fixture
def latents(decoder) -> Latents:
    return Latents(torch.randn(6, *decoder.latent_shape()), torch.rand(6, *decoder.latent_shape()), scenes(6))


def test_latents_are_drawn_with_their_own_mean_and_spread():
    mean = torch.tensor([[[-3.0, 2.0]], [[10.0, 0.0]]])
    std = torch.tensor([[[0.5, 0.0]], [[2.0, 1.0]]])
    pool = Latents(mean, std, scenes(2))
    drawn, drawn_scenes, _ = pool.draw(draw_of("toy", 0, CPU), 20_000)
    assert drawn.shape == (20_000, 1, 2)
    for index, scene in enumerate(pool.scenes):
        mine = drawn[torch.tensor([one is scene for one in drawn_scenes])]
        assert 9_500 < len(mine) < 10_500
        torch.testing.assert_close(mine.mean(0), mean[index], atol=0.05, rtol=0)
        torch.testing.assert_close(mine.std(0), std[index], atol=0.05, rtol=0)


def test_what_is_drawn_follows_from_the_draw(latents):
    (first, seen, _), (again, same, _), (other, *_) = (latents.draw(draw_of("toy", step, CPU), 5) for step in (3, 3, 4))
    assert torch.equal(first, again)
    assert seen == same
    assert not torch.equal(first, other)


def test_encoding_all_equals_one_at_a_time():
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(2,), latent_channels=1, norm_num_groups=1, layers_per_block=1, scaling_factor=0.7
    )
    items = torch.rand(503, 3, 4, 4) * 2 - 1
    asked = []
    mean, std = encode_all(vae, lambda indices: asked.append(indices) or items[list(indices)], len(items))
    assert [index for indices in asked for index in indices] == list(range(503))
    assert len(asked) > 1
    with torch.no_grad():
        for index in (0, 249, 250, 251, 499, 500, 502):
            alone = vae.encode(items[index : index + 1]).latent_dist
            torch.testing.assert_close(mean[index], 0.7 * alone.mean[0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(std[index], 0.7 * torch.exp(0.5 * alone.logvar[0]), atol=1e-5, rtol=1e-4)
    assert not mean.requires_grad


def test_the_loss_is_the_decoders_own(decoder, latents, monkeypatch):
    asked = {}

    def denoising_loss(conditioning_NLD, values, noise, times_N):
        asked.update(conditioning=conditioning_NLD, values=values, noise=noise, times=times_N)
        return values.sum() * 0 + 12.0, 8

    monkeypatch.setattr(decoder, "denoising_loss", denoising_loss)
    terms = DiffusionRecipe("toy/unet", decoder, latents, "toy", 5, batch=8).loss(draw_of("toy", 0, CPU))
    assert {name: term.item() for name, term in terms.items()} == {"denoise": 1.5}
    wanted, *_ = latents.draw(draw_of("toy", 0, CPU), 8)
    assert torch.equal(asked["values"], wanted)
    assert asked["conditioning"].shape == (8, decoder.spec.length, decoder.spec.dim)
    assert asked["noise"].shape == wanted.shape
    assert abs(float(asked["noise"].std()) - 1) < 0.1
    assert not torch.equal(asked["noise"], wanted)
    assert asked["times"].shape == (8,)


@pytest.mark.parametrize("networks", [("unet",), ("unet", "text_encoder")])
def test_what_is_not_named_is_not_trained(decoder, latents, tmp_path, networks):
    decoder.requires_grad_(True)
    before = {name: parameter.clone() for name, parameter in decoder.named_parameters()}
    run = Training(DiffusionRecipe("toy/unet", decoder, latents, "toy", 5, batch=2, networks=networks), tmp_path, CPU)
    run.one_step()
    run.one_step()  # the first has a learning rate of nearly nothing
    after = list(decoder.named_parameters())
    assert {n.partition(".")[0] for n, p in after if p.grad is not None} == set(networks)
    assert {n.partition(".")[0] for n, p in after if not torch.equal(p, before[n])} == set(networks)


def test_captions_are_the_scenes_own_and_some_are_left_out(decoder, latents, monkeypatch):
    told, drawn, times = [], [], []
    monkeypatch.setattr(decoder, "condition", lambda captions: told.extend(captions) or torch.zeros(len(captions), 1))
    monkeypatch.setattr(decoder, "denoising_loss", lambda c, x, n, t: times.append(t) or (x.sum(), len(x)))
    monkeypatch.setattr(Latents, "draw", lambda self, *_: drawn.extend(self.scenes) or (self.mean, self.scenes, None))
    recipe = DiffusionRecipe("toy/unet", decoder, latents, "toy", 5, batch=6)
    for step in range(300):
        recipe.loss(draw_of("toy", step, CPU))
    empty = sum(caption == "" for caption in told)
    assert empty / len(told) == pytest.approx(diffusion.UNCONDITIONAL, abs=0.03)
    for caption, scene in zip(told, drawn, strict=True):
        assert caption == "" or read_caption(caption, "image") == scene
        assert not novel_pairs(scene)
    assert len(set(told)) > 50
    times = torch.cat(times)
    assert 0 <= times.min() < 5
    assert 995 <= times.max() < 1000
    counts = torch.histc(times.float(), 4, 0, 1000)
    assert counts.min() > 0.2 * len(times)


def test_what_has_no_words_is_added_to_captions_that_are_told(decoder, latents, monkeypatch):
    length, dim = decoder.spec.length, decoder.spec.dim
    beside = torch.arange(6.0).view(6, 1, 1).expand(6, length, dim)
    pool = together([latents, Latents(latents.mean, latents.std, latents.scenes, beside)])
    assert pool.beside[:6].abs().max() == 0
    asked = []
    monkeypatch.setattr(decoder, "condition", lambda captions: torch.ones(len(captions), length, dim))
    monkeypatch.setattr(decoder, "denoising_loss", lambda c, x, n, t: asked.append(c) or (x.sum(), len(x)))
    monkeypatch.setattr(diffusion, "UNCONDITIONAL", 0.0)
    DiffusionRecipe("toy/unet", decoder, pool, "toy", 5, batch=200).loss(draw_of("toy", 0, CPU))
    *_, drawn = pool.draw(draw_of("toy", 0, CPU), 200)
    assert {float(value) for value in drawn.flatten()} == set(map(float, range(6)))
    torch.testing.assert_close(asked[0], 1 + drawn)
    monkeypatch.setattr(diffusion, "UNCONDITIONAL", 1.0)
    DiffusionRecipe("toy/unet", decoder, pool, "toy", 5, batch=200).loss(draw_of("toy", 0, CPU))
    assert torch.equal(asked[1], torch.ones(200, length, dim))


def test_a_blur_moves_the_conditioning_of_captions_that_are_told(decoder, latents, monkeypatch):
    length, asked = decoder.spec.length, []
    monkeypatch.setattr(decoder, "condition", lambda captions: torch.ones(len(captions), length, 400))
    monkeypatch.setattr(decoder, "denoising_loss", lambda c, x, n, t: asked.append(c) or (x.sum(), len(x)))
    for unconditional in (0.0, 1.0):
        monkeypatch.setattr(diffusion, "UNCONDITIONAL", unconditional)
        DiffusionRecipe("toy/unet", decoder, latents, "toy", 5, batch=50, blur=0.3).loss(draw_of("toy", 0, CPU))
    moved_NLD = asked[0] - 1
    torch.testing.assert_close(moved_NLD.norm(dim=-1), torch.full((50, length), 0.3), rtol=0.2, atol=0)
    torch.testing.assert_close(moved_NLD.mean((0, 1)), torch.zeros(400), rtol=0, atol=0.02)
    assert asked[1].eq(1).all()


def test_other_latents_are_another_recipe(decoder, latents):
    others = [Latents(mean, latents.std, latents.scenes) for mean in (latents.mean + 0.1, 2 * latents.mean)]
    one, same, *others = (
        DiffusionRecipe("toy/unet", decoder, some, "toy", 3).identity for some in (latents, latents, *others)
    )
    assert one == same
    assert "toy" in one
    assert len({one, *others}) == 3


def test_denoiser_and_text_encoder_are_trained_and_the_autoencoder_is_not(decoder, latents, tmp_path):
    before = {name: parameter.detach().clone() for name, parameter in decoder.named_parameters()}
    recipe = DiffusionRecipe("toy/unet", decoder, latents, "toy", 3, batch=6)
    Training(recipe, tmp_path, CPU).train()
    same = {name for name, parameter in decoder.named_parameters() if torch.equal(before[name], parameter)}
    assert same == {name for name in before if name.startswith("vae.")}


def test_attributes_are_read_from_the_mean_of_a_captions_conditioning(decoder, latents, monkeypatch):
    """Of captions that are not left out; what is read from one position is read from its neighbours' mean."""
    said_NLD, seen = torch.randn(6, decoder.spec.length, decoder.spec.dim), []
    monkeypatch.setattr(diffusion, "UNCONDITIONAL", 0.5)
    monkeypatch.setattr(decoder, "condition", lambda captions: seen.extend(captions) or said_NLD)
    recipe = DiffusionRecipe("toy/unet", decoder, latents, "toy", 5, batch=6, reads=("number", "color"))
    assert {"readers", "unet", "text_encoder"} == {name for name, _ in recipe.module.named_children()}
    for layer in recipe.readers.layers.values():
        torch.nn.init.normal_(layer.weight)
    found = recipe.loss(draw_of("toy", 1, CPU))["read"]
    _, drawn, _ = latents.draw(draw_of("toy", 1, CPU), 6)
    told = [index for index, caption in enumerate(seen) if caption]
    assert 0 < len(told) < 6
    wanted = 0.0
    for name in ("number", "color"):
        missed = []
        for index in told:
            mean_D = sum(said_NLD[index]) / decoder.spec.length
            scores = recipe.readers.layers[name](SCALE * mean_D / mean_D.norm())
            missed.append(scores.logsumexp(0) - scores[VALUES[name].index(getattr(drawn[index].things[0], name))])
        wanted += sum(missed) / len(missed)
    torch.testing.assert_close(found, wanted)
    assert "read" not in DiffusionRecipe("toy/unet", decoder, latents, "toy", 5, batch=6).loss(draw_of("toy", 1, CPU))
