import shutil

import pytest
import torch
from diffusers import (
    DDPMScheduler,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
)
from safetensors.torch import load_file

from anyany.models.contracts import ConditioningSpec
from anyany.models.decoders.latent_diffusion import from_uint8, to_uint8
from tests.models.decoders.pipelines import CAPTIONS, NOISE, NUM_FRAMES

SPECS = {
    "stable_diffusion": ConditioningSpec(9, 12),
    "zeroscope": ConditioningSpec(9, 12),
    "audioldm": ConditioningSpec(1, 10, normalised=True),
}
LATENTS = {"stable_diffusion": (4, 8, 8), "zeroscope": (4, NUM_FRAMES, 4, 4), "audioldm": (3, 6, 4)}
MADE = {  # media of two items
    "stable_diffusion": ((2, 3, 16, 16), torch.uint8),
    "zeroscope": ((2, NUM_FRAMES, 3, 8, 8), torch.uint8),
    "audioldm": ((2, 6 * 2 * 16), torch.float32),
}


def without_weights(folder, target):
    shutil.copytree(folder, target)
    for path in target.rglob("*.safetensors"):
        path.unlink()
    return target


def per_item(name, tensor):
    """As large as a level of a byte, or the same share of a sound's range."""
    return tensor.float() if name != "audioldm" else tensor * 127.5


def test_the_constructor_needs_no_weights(name, family, folders, tmp_path):
    decoder = family.kind(without_weights(folders[name], tmp_path / name), **family.options)
    tensors = [*decoder.parameters(), *decoder.buffers()]
    assert len(tensors) > 50
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert decoder.spec == SPECS[name]
    assert decoder.latent_shape() == LATENTS[name]
    assert family.kind.modality in ("image", "video", "audio")


def test_loading_brings_what_the_files_hold_frozen_and_in_eval_mode(name, folders, loaded):
    decoder = loaded()
    for part in decoder.networks():
        (file,) = (folders[name] / part).glob("*.safetensors")
        weights, state = load_file(file), getattr(decoder, part).state_dict()
        assert weights.keys() <= state.keys(), part
        assert {key for key in state.keys() - weights.keys() if "position_ids" not in key} == set()
        assert all(torch.equal(state[key], weights[key]) for key in weights)
    assert not [key for key, tensor in decoder.named_parameters() if tensor.requires_grad]
    assert {tensor.dtype for tensor in decoder.parameters()} == {torch.float32}
    assert not [key for key, module in decoder.named_modules() if module.training]
    assert {tensor.device.type for tensor in [*decoder.parameters(), *decoder.buffers()]} == {"cpu"}


def test_what_it_makes_with_rounded_products_is_almost_the_same(name, loaded):
    """And of the same type; what is summed up over the steps is not rounded."""
    decoder = loaded()
    conditioning_NLD = decoder.condition(CAPTIONS[:2])
    plain = decoder.generate(conditioning_NLD, [0, 1])
    with torch.autocast("cpu", torch.bfloat16):
        rounded = decoder.generate(conditioning_NLD, [0, 1])
        noisy = torch.randn(2, *decoder.latent_shape())
        predicted = decoder.guided(noisy, torch.tensor([5, 5]), conditioning_NLD, decoder.condition([""]))
    assert predicted.dtype == torch.float32
    assert rounded.dtype == plain.dtype
    away = (per_item(name, rounded) - per_item(name, plain)).abs()
    assert 0 < away.mean() < 4


def test_halves_are_widened(name, folders, family, tmp_path):
    family.kind.pipeline().from_pretrained(folders[name]).to(torch.float16).save_pretrained(tmp_path / "half")
    decoder = family.kind(tmp_path / "half", num_steps=2, **family.options)
    decoder.load()
    assert {tensor.dtype for tensor in decoder.parameters()} == {torch.float32}
    assert decoder.condition(CAPTIONS).dtype == torch.float32


def test_pickled_weights_are_refused(name, family, folders, tmp_path):
    folder = tmp_path / name
    shutil.copytree(folders[name], folder)
    for path in folder.rglob("*.safetensors"):
        kind = "diffusion_pytorch_model.bin" if path.parent.name in ("vae", "unet") else "pytorch_model.bin"
        torch.save(load_file(path), path.with_name(kind))
        path.unlink()
    decoder = family.kind(folder, **family.options)
    with pytest.raises(OSError, match="safetensors"):
        decoder.load()


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder"])
def test_a_missing_folder_is_named(name, family, folders, tmp_path, part):
    shutil.copytree(folders[name], tmp_path / name)
    shutil.rmtree(tmp_path / name / part)
    with pytest.raises(ValueError, match=f"{name} has no folder {part}/; expected one that a diffusers pipeline"):
        family.kind(tmp_path / name, **family.options)


@pytest.mark.parametrize("part", ["tokenizer", "scheduler"])
def test_what_has_no_weights_is_missed_when_it_is_needed(name, loaded, folders, tmp_path, part):
    shutil.copytree(folders[name], tmp_path / name)
    shutil.rmtree(tmp_path / name / part)
    decoder = loaded(tmp_path / name)
    with pytest.raises(ValueError, match=f"has no folder {part}/"):
        decoder.generate(torch.zeros(1, *(SPECS[name].length, SPECS[name].dim)), [0])


def test_content_is_where_the_captions_tokens_are(name, loaded):
    decoder = loaded()
    found, length = decoder.content(CAPTIONS), decoder.spec.length
    assert found.shape == (len(CAPTIONS), length)
    if length == 1:
        assert found.all()
    else:  # each with its begin and its end
        counts = [min(len(decoder.tokenizer(caption)["input_ids"]), length) for caption in CAPTIONS]
        assert found.tolist() == [[place < count for place in range(length)] for count in counts]


def test_latents_and_media_have_their_shapes(name, family, loaded):
    decoder = loaded()
    torch.manual_seed(0)
    media = family.media(2)
    latents = decoder.encode(media)
    assert (tuple(latents.shape[1:]), latents.dtype) == (LATENTS[name], torch.float32)
    assert not latents.requires_grad
    alone = torch.cat([decoder.encode(item[None]) for item in media])
    torch.testing.assert_close(latents, alone, atol=1e-5, rtol=1e-5)
    for made in (decoder.decode(latents), decoder.generate(decoder.condition(["a", "b"]), [0, 1])):
        assert (tuple(made.shape), made.dtype) == MADE[name]
        assert tuple(media.shape) == MADE[name][0]
        assert name != "audioldm" or made.abs().max() <= 1
        assert per_item(name, made).std() > 1


def test_an_item_follows_from_its_seed_and_conditioning_alone(name, loaded):
    decoder = loaded()
    conditioning_NLD = decoder.condition(["a red square", "two tones", "a red square", "a red square"])
    made = per_item(name, decoder.generate(conditioning_NLD, [5, 6, 5, 7]))
    alone = per_item(name, decoder.generate(conditioning_NLD[:1], [5]))
    turned = per_item(name, decoder.generate(conditioning_NLD.flip(0), [7, 5, 6, 5])).flip(0)
    assert (made[[0, 2]] - alone).abs().max() <= 1
    assert (made - turned).abs().max() <= 1
    assert (made[3] - made[0]).abs().mean() > 1  # another seed
    other = per_item(name, decoder.generate(conditioning_NLD[1:2], [5]))
    assert (other - alone).abs().max() > 1  # another conditioning


def test_a_run_leaves_nothing_behind(name, loaded):
    decoder = loaded()
    conditioning_NLD = decoder.condition(["a red square"])
    torch.manual_seed(0)
    first = decoder.generate(conditioning_NLD, [5])
    torch.manual_seed(1)
    assert torch.equal(decoder.generate(conditioning_NLD, [5]), first)
    assert decoder.scheduler.num_inference_steps is None


@pytest.mark.parametrize("kind", [DDPMScheduler, EulerAncestralDiscreteScheduler, LCMScheduler])
def test_a_scheduler_that_draws_draws_from_each_items_seed(folders, loaded, name, kind):
    decoder = loaded()
    decoder.scheduler = kind(**NOISE)
    conditioning_NLD = decoder.condition(["a red square", "two tones"])
    torch.manual_seed(0)
    both = per_item(name, decoder.generate(conditioning_NLD, [5, 6]))
    torch.manual_seed(1)
    alone = per_item(name, decoder.generate(conditioning_NLD[1:], [6]))
    assert (both[1] - alone[0]).abs().max() <= 1


def test_a_scheduler_of_flows_is_refused(folders, family, name, tmp_path):
    shutil.copytree(folders[name], tmp_path / name)
    FlowMatchEulerDiscreteScheduler().save_pretrained(tmp_path / name / "scheduler")
    with pytest.raises(ValueError, match="holds a FlowMatchEulerDiscreteScheduler; expected"):
        _ = family.kind(tmp_path / name, **family.options).scheduler


def test_steps_that_are_not_guided_make_no_second_pass(name, loaded):
    """Two items, four steps, of which the first ones are guided; none is as guidance of 1."""
    passes = {}
    for guided in (None, 3, 1, 0):
        decoder, seen = loaded(guidance=3.0, num_steps=4, guided_steps=guided), []
        decoder.unet.register_forward_pre_hook(lambda unet, args, into=seen: into.append(len(args[0])))
        passes[guided] = seen, decoder.generate(decoder.condition(CAPTIONS[:2]), [1, 2])
    sizes = {guided: found[0] for guided, found in passes.items()}
    total = len(sizes[None])  # PNDM takes one step twice
    assert total in (4, 5)
    assert sizes == {
        guided: [4] * first + [2] * (total - first) for guided, first in zip(sizes, (total, 3, 1, 0), strict=True)
    }
    alone = loaded(guidance=1.0, num_steps=4)
    assert torch.equal(passes[0][1], alone.generate(alone.condition(CAPTIONS[:2]), [1, 2]))
    assert not torch.equal(passes[None][1], passes[0][1])


def test_more_guided_steps_than_there_are_is_an_error(name, loaded):
    with pytest.raises(ValueError, match="guided_steps is 5; give 0 to num_steps, which is 4"):
        loaded(num_steps=4, guided_steps=5)


def test_the_number_of_guided_steps_is_part_of_a_decoders_identity(name, loaded):
    """Not of its text encoder's: conditioning kept for captions stays good."""
    plain, guided = loaded(num_steps=4), loaded(num_steps=4, guided_steps=2)
    assert plain.digest() != guided.digest()
    assert plain.digest(captions_only=True) == guided.digest(captions_only=True)


def test_guidance_of_one_makes_no_second_pass(name, loaded):
    for guidance, sizes in ((0.5, {2}), (1.0, {2}), (3.0, {4})):
        decoder, seen = loaded(guidance=guidance), []
        decoder.unet.register_forward_pre_hook(lambda module, given, seen=seen: seen.append(len(given[0])))
        decoder.generate(decoder.condition(["a", "b"]), [0, 1])
        assert set(seen) == sizes
        assert len(seen) in (4, 5)  # PNDM takes one step twice


def test_a_seed_for_each_item_is_asked_for(name, loaded):
    decoder = loaded()
    for seeds in ([], [1], [1, 2, 3]):
        with pytest.raises(ValueError, match=f"{len(seeds)} seeds for 2 items; give one for each"):
            decoder.generate(decoder.condition(["a", "b"]), seeds)


def denoising_by_loop(decoder, name, conditioning_NLD, latents, noise, times_N):
    """(sum, count), item by item, with diffusers' own forward process."""
    process = DDPMScheduler.from_config(decoder.scheduler.config)
    total = 0.0
    for conditioning_LD, clean, wanted, time in zip(conditioning_NLD, latents, noise, times_N, strict=True):
        clean, wanted, time = clean[None], wanted[None], time[None]
        noisy = process.add_noise(clean, wanted, time)
        if name == "audioldm":
            predicted = decoder.unet(noisy, time, encoder_hidden_states=None, class_labels=conditioning_LD).sample
        else:
            predicted = decoder.unet(noisy, time, encoder_hidden_states=conditioning_LD[None]).sample
        kind = process.config.prediction_type
        target = process.get_velocity(clean, wanted, time) if kind == "v_prediction" else wanted
        total += float((predicted - target).square().mean())
    return total, len(latents)


def test_the_denoising_loss_equals_a_plain_loop(name, loaded):
    decoder = loaded()
    assert decoder.scheduler.config.prediction_type == ("v_prediction" if name == "audioldm" else "epsilon")
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(3, *LATENTS[name], generator=generator) for _ in range(2))
    conditioning_NLD = decoder.condition(CAPTIONS)
    times_N = torch.tensor([0, 480, 999])
    total, count = decoder.denoising_loss(conditioning_NLD, latents, noise, times_N)
    wanted, number = denoising_by_loop(decoder, name, conditioning_NLD, latents, noise, times_N)
    assert count == number == 3
    assert total.item() == pytest.approx(wanted, rel=1e-5)


def test_gradients_reach_the_conditioning_and_no_weight(name, loaded):
    decoder = loaded()
    conditioning_NLD = decoder.condition(CAPTIONS).detach().requires_grad_()
    latents = torch.randn(3, *LATENTS[name])
    total, _ = decoder.denoising_loss(conditioning_NLD, latents, torch.randn_like(latents), torch.tensor([9, 99, 999]))
    total.backward()
    assert conditioning_NLD.grad.flatten(1).norm(dim=1).min() > 0
    assert not [key for key, parameter in decoder.named_parameters() if parameter.grad is not None]


def test_bytes_and_numbers_turn_into_each_other():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(from_uint8(every)), every)
    assert from_uint8(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]
    assert to_uint8(torch.tensor([-7.0, -1.0, 0.1, 1.0, 7.0])).tolist() == [0, 0, 140, 255, 255]
