"""The untrained parts: what their makers promise each other, and that they load as what they are."""

import json

import pytest
import torch
from diffusers import AudioLDMPipeline, StableDiffusionPipeline, TextToVideoSDPipeline
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from anyany.faults import UserError
from anyany.messages.vocabulary import Vocabulary
from anyany.microworld.captions import caption, noun
from anyany.microworld.levels import LEVELS, all_things
from anyany.microworld.scenes import SCENES
from anyany.models.decoders.audioldm import AudioLDM
from anyany.models.decoders.stable_diffusion import StableDiffusion
from anyany.models.decoders.zeroscope import ZeroScope
from anyany.models.encoders.imagebind import ImageBind
from anyany.seeds import rng_of
from data_prep.parts import llama, zeroscope
from data_prep.parts.conversations import ROW_TOKENS
from data_prep.parts.pools import TRAINED_ON

DECODERS = {
    "stable_diffusion": (StableDiffusion, StableDiffusionPipeline),
    "zeroscope": (ZeroScope, TextToVideoSDPipeline),
    "audioldm": (AudioLDM, AudioLDMPipeline),
}


def every_scene(modality):
    things = (thing for level in TRAINED_ON for thing in all_things(modality, LEVELS[level]))
    return list(dict.fromkeys(SCENES[modality]((thing,)) for thing in things))


@pytest.mark.parametrize("name", DECODERS)
def test_every_caption_fits_whole(name, starts, record_property):
    decoder = DECODERS[name][0](starts / name)
    rng, scenes = rng_of("starts", name), every_scene(decoder.modality)
    told = [say(scene, rng) for scene in scenes for say in (caption, caption, caption, noun)]
    lengths = [len(ids) for ids in decoder.tokenizer(told).input_ids]
    assert len(scenes) > 300
    record_property("found", f"{len(scenes)} {decoder.modality} scenes; captions of up to {max(lengths)} tokens")
    assert max(lengths) <= decoder.tokenizer.model_max_length
    encoder = decoder.text_encoder.config
    assert encoder.vocab_size == len(decoder.tokenizer)
    assert decoder.spec.length in (1, encoder.max_position_embeddings)


@pytest.mark.parametrize("modality", SCENES)
def test_every_caption_fits_into_the_encoders_text_branch(modality, starts, record_property):
    model = ImageBind.from_pretrained(starts / "imagebind")
    rng = rng_of("starts", "imagebind", modality)
    told = [say(scene, rng) for scene in every_scene(modality) for say in (caption, caption, noun)]
    tokenizer = Tokenizer.from_str(model.tokenizer_json)
    lengths = [len(encoded.ids) for encoded in tokenizer.encode_batch(told)]
    record_property("found", f"captions of {modality} of up to {max(lengths)} tokens for the encoder")
    ids_NT = model.caption_ids(told)
    assert max(lengths) <= ids_NT.shape[1]
    assert (ids_NT.argmax(1) + 1).tolist() == lengths
    assert set(ids_NT.amax(1).tolist()) == {tokenizer.get_vocab_size() - 1}


@pytest.mark.parametrize("name", DECODERS)
def test_a_start_is_a_pipeline_of_the_published_class(name, starts):
    kind, pipeline = DECODERS[name]
    loaded = pipeline.from_pretrained(starts / name)
    decoder = kind(starts / name, num_steps=1)
    decoder.load()
    assert decoder.pipeline() is pipeline
    for part in decoder.networks():
        mine, theirs = getattr(decoder, part).state_dict(), getattr(loaded, part).state_dict()
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    assert not list((starts / name).rglob("*.bin"))


@pytest.mark.parametrize(("name", "level"), [(name, level) for name in DECODERS for level in TRAINED_ON])
def test_what_a_start_makes_has_the_microworlds_sizes(name, level, starts):
    decoder, world = DECODERS[name][0](starts / name, num_steps=1), LEVELS[level]
    decoder.load()
    wanted = {
        "image": (1, 3, world.image_px, world.image_px),
        "video": (1, world.num_frames, 3, world.image_px, world.image_px),
        "audio": (1, round(world.sound_s * world.sample_rate_hz)),
    }[decoder.modality]
    made = decoder.generate(decoder.condition(["a"]), [0])
    assert made.shape == wanted
    assert decoder.encode(made).shape[1:] == decoder.latent_shape()
    if name == "audioldm":
        assert decoder.sample_rate_hz == world.sample_rate_hz


def test_clips_begin_from_pictures(starts, tmp_path):
    with pytest.raises(UserError, match="stable_diffusion is missing, and zeroscope begins from it: `make parts"):
        zeroscope.make(tmp_path / "zeroscope", tmp_path / "stable_diffusion")
    assert not (tmp_path / "zeroscope").exists()
    clips, pictures = ZeroScope(starts / "zeroscope"), StableDiffusion(starts / "stable_diffusion")
    clips.load()
    pictures.load()
    for key, weight in pictures.vae.state_dict().items():
        assert torch.equal(clips.vae.state_dict()[key], weight), key


@pytest.mark.slow
def test_the_llms_start_loads_as_a_causal_lm(tmp_path):
    llama.make(tmp_path)
    tokenizer, model = AutoTokenizer.from_pretrained(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path)
    assert model.config.vocab_size == len(tokenizer) == model.lm_head.weight.shape[0]
    assert model.lm_head.weight is model.model.embed_tokens.weight
    vocabulary = Vocabulary(tokenizer.backend_tokenizer.to_str(), llama.TEMPLATE, {})
    assert len(vocabulary) == len(tokenizer)
    assert model.config.eos_token_id == tokenizer.eos_token_id == vocabulary.token_id(llama.END)
    assert model.config.pad_token_id == vocabulary.pad_id
    assert json.loads((tmp_path / "config.json").read_text())["max_position_embeddings"] >= ROW_TOKENS
