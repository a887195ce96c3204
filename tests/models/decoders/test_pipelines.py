"""Each decoder against the pipeline of diffusers that reads the same folder."""

import diffusers
import pytest
import torch
from diffusers import EulerDiscreteScheduler, UniPCMultistepScheduler

from anyany.ops.mel import log_mel
from tests.models.decoders.pipelines import CAPTIONS, NOISE, SCHEDULERS, WINDOW, stable_diffusion

PIPELINES = {
    "stable_diffusion": "StableDiffusionPipeline",
    "zeroscope": "TextToVideoSDPipeline",
    "audioldm": "AudioLDMPipeline",
}
LONG = "blue rings and " * 9
SEEDS = (3, 2**55 - 1, 0)


def pipeline_of(name, folder):
    pipeline = getattr(diffusers, PIPELINES[name]).from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def encoded(name, pipeline, captions):
    """The pipeline's own conditioning of captions, and of no caption."""
    if name == "audioldm":
        both = pipeline._encode_prompt(list(captions), "cpu", 1, True)
        return both[len(captions) :], both[: len(captions)]
    return pipeline.encode_prompt(list(captions), "cpu", 1, True)


def made_by(name, pipeline, captions, latents, guidance, steps):
    """What the pipeline makes of these latents: pixels as floats of 0 to 255, samples."""
    embeds, negative = encoded(name, pipeline, captions)
    options = {"num_inference_steps": steps, "guidance_scale": guidance, "latents": latents, "prompt_embeds": embeds}
    options |= {"negative_prompt_embeds": negative} if guidance > 1 else {}
    if name == "audioldm":
        return torch.from_numpy(pipeline(**options).audios)
    if name == "zeroscope":
        return pipeline(**options, num_frames=latents.shape[2], output_type="pt").frames * 255
    return pipeline(**options, output_type="pt").images * 255


def drawn(shape, seeds):
    """The noise that each seed stands for."""
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


@torch.no_grad()
def assert_equal_media(name, decoder, pipeline, guidance, steps):
    found = decoder.generate(decoder.condition(CAPTIONS), SEEDS)
    latents = drawn(decoder.latent_shape(), SEEDS)
    wanted = made_by(name, pipeline, CAPTIONS, latents, guidance, steps)
    assert found.shape == wanted.shape
    if name == "audioldm":
        torch.testing.assert_close(found, wanted.clamp(-1, 1), atol=1e-4, rtol=0)
    else:
        assert (found.float() - wanted).abs().max() < 0.51  # half a level from rounding, the rest from arithmetic
    assert wanted.std() > 1e-2


@pytest.mark.parametrize(("guidance", "steps"), [(3.0, 4), (7.5, 2), (1.0, 3)])
def test_media_are_those_of_the_pipeline(name, folders, loaded, guidance, steps):
    decoder, pipeline = loaded(guidance=guidance, num_steps=steps), pipeline_of(name, folders[name])
    assert_equal_media(name, decoder, pipeline, guidance, steps)


MORE = SCHEDULERS | {
    "euler": EulerDiscreteScheduler(**NOISE),  # scales its input, and begins with more noise than others
    "unipc": UniPCMultistepScheduler(**NOISE, prediction_type="v_prediction"),
}


@pytest.mark.parametrize("name", ["stable_diffusion"])
@pytest.mark.parametrize("kind", MORE)
def test_the_folders_scheduler_decides(name, loaded, tmp_path, kind):
    stable_diffusion(tmp_path / kind, MORE[kind])
    decoder, pipeline = loaded(tmp_path / kind, guidance=2.0, num_steps=5), pipeline_of(name, tmp_path / kind)
    assert type(decoder.scheduler) is type(MORE[kind])
    assert_equal_media(name, decoder, pipeline, 2.0, 5)


@torch.no_grad()
def test_conditioning_is_that_of_the_pipeline(name, folders, loaded):
    decoder, pipeline = loaded(), pipeline_of(name, folders[name])
    captions = [*CAPTIONS, LONG, "NO! Low.", "Ünïcode ☃"]
    wanted, empty = encoded(name, pipeline, captions)
    found = decoder.condition(captions)
    assert found.shape == (len(captions), decoder.spec.length, decoder.spec.dim)
    torch.testing.assert_close(found.reshape(wanted.shape), wanted, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(decoder.condition([""]).expand_as(found).reshape(wanted.shape), empty)
    assert torch.cdist(*[found.flatten(1)] * 2)[~torch.eye(len(captions), dtype=bool)].min() > 1e-3
    norms = found.norm(dim=-1)
    assert decoder.spec.normalised == (name == "audioldm") == torch.allclose(norms, torch.ones_like(norms))


@torch.no_grad()
def test_latents_are_what_the_pipelines_autoencoder_makes(name, family, folders, loaded):
    vae, media = pipeline_of(name, folders[name]).vae, family.media(2)
    if name == "audioldm":
        values = log_mel(media, WINDOW, 16, 8, 800).unsqueeze(1)
    else:
        values = media.double().div(255).mul(2).sub(1).float()
    if name == "zeroscope":
        wanted = torch.stack([torch.stack([vae.encode(f[None]).latent_dist.mode()[0] for f in v], 1) for v in values])
    else:
        wanted = torch.cat([vae.encode(value[None]).latent_dist.mode() for value in values])
    torch.testing.assert_close(loaded().encode(media), wanted * 0.37, atol=1e-6, rtol=1e-4)


def test_captions_do_not_meet(name, loaded):
    decoder = loaded()
    alone = torch.cat([decoder.condition([caption]) for caption in CAPTIONS])
    torch.testing.assert_close(decoder.condition(CAPTIONS), alone)


def test_it_names_its_pipeline(name, family):
    assert family.kind.pipeline() is getattr(diffusers, PIPELINES[name])
