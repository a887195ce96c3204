import json
import math
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, processors

from anyany.models.encoders.imagebind import ImageBind
from anyany.models.encoders.imagebind.config import BRANCHES
from anyany.models.encoders.imagebind.official import (
    TEXT_MASK,
    from_official,
    from_official_state,
    to_official,
    to_official_state,
)
from anyany.models.llms.tokenizers import byte_level
from tests.models.encoders.plain_imagebind import SMALL, small, small_values

HUGE_KEYS = Path(__file__).parents[2] / "golden" / "imagebind" / "huge_keys.json"
GOLDEN = Path(os.environ.get("ANYANY_GOLDEN", Path(__file__).parents[4] / "shared" / "data" / "golden"))


def huge_shapes() -> dict[str, list[int]]:
    """Every name and shape of the published checkpoint; a star stands for each block of its trunk."""
    table = json.loads(HUGE_KEYS.read_text())
    depths = {"vision": 32, "text": 24, "audio": 12, "depth": 12, "thermal": 12, "imu": 6}
    return {
        name.replace("*", str(index)): shape
        for name, shape in table.items()
        for index in range(depths[name.split(".")[1]] if "*" in name else 1)
    }


@pytest.fixture(scope="module")
def huge():
    with torch.device("meta"):
        return ImageBind(**{branch: {} for branch in BRANCHES})


def test_huge_has_every_published_weight_and_no_other(huge, record_property):
    ours = {to_official(name): list(tensor.shape) for name, tensor in huge.state_dict().items()}
    assert ours.keys() & {TEXT_MASK} == set()
    assert {**ours, TEXT_MASK: [77, 77]} == huge_shapes()
    assert sum(math.prod(shape) for shape in huge_shapes().values()) == 1_200_786_990
    record_property("found", f"{len(huge_shapes())} names of ImageBind-Huge")


@pytest.mark.skipif(
    not (GOLDEN / "imagebind_huge_keys.json").is_file(),
    reason="no list of published names: $ANYANY_GOLDEN names no folder with imagebind_huge_keys.json",
)
def test_the_table_of_names_is_the_published_list():
    assert huge_shapes() == json.loads((GOLDEN / "imagebind_huge_keys.json").read_text())


def test_names_translate_both_ways(huge):
    names = list(huge.state_dict())
    assert [from_official(to_official(name)) for name in names] == names
    published = [name for name in huge_shapes() if name != TEXT_MASK]
    assert [to_official(from_official(name)) for name in published] == published


def test_some_names_by_hand():
    assert to_official("audio.trunk.blocks.3.attention.bias_k") == "modality_trunks.audio.blocks.3.attn.bias_k"
    assert from_official("modality_heads.imu.3.weight") == "imu.head.linear.weight"
    assert from_official("modality_preprocessors.vision.rgbt_stem.proj.1.weight") == "vision.stem.patches.weight"
    for name in (TEXT_MASK, "modality_trunks.audio.blocks.3.attn.rotary", "logit_scale"):
        with pytest.raises(ValueError, match=f"{name} is no weight of an ImageBind"):
            from_official(name)


def test_the_huge_one_takes_no_memory_on_meta(huge):
    assert {tensor.device.type for tensor in huge.state_dict().values()} == {"meta"}
    assert list(huge.named_buffers(remove_duplicate=False)) != []
    assert sum(p.numel() for p in huge.parameters()) == 1_200_786_990 - 77 * 77 - 4  # the mask, four fixed scales
    assert (huge.num_features("image"), huge.num_features("video"), huge.num_features("audio")) == (256, 256, 228)
    assert huge(torch.empty(1, 3, 128, 204, device="meta")[:, :, None], "audio").shape == (1, 228, 1024)


def test_two_branches_of_the_huge_one_with_published_sampling(huge):
    with torch.device("meta"):
        reader = ImageBind(vision={}, audio={}, video_clips=5, video_crops=3, audio_clips=3)
    shapes = {name: tensor.shape for name, tensor in huge.state_dict().items()}
    read = {name: shape for name, shape in shapes.items() if name.startswith(("vision.", "audio."))}
    assert {name: tensor.shape for name, tensor in reader.state_dict().items()} == read
    assert reader.preprocess("video").output_shape == (15, 2, 3, 224, 224)
    assert reader.preprocess("audio").output_shape == (3, 1, 128, 204)


def test_published_weights_come_and_go():
    model = small()
    published = to_official_state(model.state_dict())
    assert published[TEXT_MASK].tolist()[1][:3] == [0.0, 0.0, -math.inf]
    with torch.device("meta"):
        other = ImageBind(**SMALL)
    other.load_official(published)
    for modality in ("image", "text", "imu"):
        values = small_values(modality)
        torch.testing.assert_close(other.embed(values, modality), model.embed(values, modality), atol=0, rtol=0)
    some = ImageBind(**{name: number for name, number in SMALL.items() if name not in ("text", "imu")})
    some.load_official(published)
    torch.testing.assert_close(some.state_dict()["depth.stem.cls"], model.state_dict()["depth.stem.cls"])


def test_a_mask_that_is_not_causal_is_refused():
    published = to_official_state(small().state_dict())
    published[TEXT_MASK] = torch.zeros(7, 7)
    with pytest.raises(ValueError, match="mask is not causal"):
        from_official_state(published)


def test_saving_and_loading_keeps_every_bit(tmp_path):
    model = small(features="joint", video_clips=2)
    model.save_pretrained(tmp_path / "new" / "folder")
    again = ImageBind.from_pretrained(str(tmp_path / "new" / "folder"))
    assert again.config() == model.config()
    assert not again.training
    state = again.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    values = small_values("audio")
    torch.testing.assert_close(again(values, "audio"), model(values, "audio"), atol=0, rtol=0)


def test_half_the_bytes_load_as_fp32(tmp_path):
    model = small()
    model.save_pretrained(tmp_path, torch.float16)
    stored = load_file(tmp_path / "model.safetensors")
    assert stored["vision.stem.cls"].dtype == torch.float16
    loaded = ImageBind.from_pretrained(tmp_path)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert torch.equal(loaded.vision.stem.cls, model.vision.stem.cls.half().float())
    assert torch.equal(loaded.audio.log_scale, model.audio.log_scale)  # one number saves nothing
    halves = ImageBind.from_pretrained(tmp_path, torch.bfloat16)
    assert {p.dtype for p in halves.parameters()} == {torch.bfloat16}
    assert halves(small_values("image"), "image").dtype == torch.bfloat16


def test_numbers_can_be_changed_on_loading(tmp_path):
    small().save_pretrained(tmp_path)
    model = ImageBind.from_pretrained(tmp_path, features="joint", audio_clips=3, imu=None, text=None)
    assert model.num_features("audio") == 1
    assert model.preprocess("audio").output_shape == (3, 1, 16, 30)
    assert {name.partition(".")[0] for name in model.state_dict()} == {"vision", "audio", "depth", "thermal"}
    model.save_pretrained(tmp_path / "less")
    assert set(json.loads((tmp_path / "less" / "config.json").read_text())) >= {"vision", "features", "clip_s"}
    with pytest.raises(ValueError, match=r"missing: .*imu.head.linear.weight.*text.stem.tokens.weight"):
        ImageBind(**SMALL).load_folder(tmp_path / "less")


def test_loading_into_one_that_exists_keeps_what_trains(tmp_path):
    small().save_pretrained(tmp_path)
    model = ImageBind(**SMALL)
    model.vision.requires_grad_(False)
    model.load_folder(tmp_path)
    assert {n.partition(".")[0] for n, p in model.named_parameters() if not p.requires_grad} == {"vision"}
    torch.testing.assert_close(model.embed(small_values("imu"), "imu"), small().embed(small_values("imu"), "imu"))


def test_every_weight_that_does_not_fit_is_told(tmp_path):
    small().save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    del state["imu.head.norm.bias"], state["audio.trunk.blocks.1.attention.bias_v"]
    state |= {"vision.stem.norm.weight": torch.ones(16), "projector.weight": torch.ones(1)}
    state["text.stem.position"] = torch.ones(1, 8, 20)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ValueError) as told:  # noqa: PT011 - the message is looked at below
        ImageBind.from_pretrained(tmp_path)
    assert str(told.value) == (
        f"weights of {tmp_path} do not fit (missing: audio.trunk.blocks.1.attention.bias_v, imu.head.norm.bias; "
        "left over: projector.weight, vision.stem.norm.weight; "
        "of another shape: text.stem.position [1, 8, 20], not [1, 7, 20]); "
        "give the model the numbers of the config.json that belongs to these weights, or name other weights"
    )


def test_folders_that_are_none_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json: no such file; name a folder with config\.json and"):
        ImageBind.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors: no such file"):
        small().load_folder(tmp_path)
    (tmp_path / "config.json").write_text('{"vision": {}, "num_experts": 4}')
    with pytest.raises(ValueError, match=r"ImageBind takes no num_experts; correct config\.json"):
        ImageBind.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"vision": {"widht": 4}}')
    with pytest.raises(ValueError, match=r"vision\.widht: no such number; it has width"):
        ImageBind.from_pretrained(tmp_path)


def byte_tokenizer(end: str = "<end>") -> str:
    """Bytes between a start and an end, whose ids are the highest."""
    tokenizer = Tokenizer.from_str(byte_level())
    tokenizer.add_special_tokens(["<start>", "<end>"])
    ends = [(token, tokenizer.token_to_id(token)) for token in ("<start>", end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"<start> $A {end}", special_tokens=ends)
    return tokenizer.to_str()


BYTES = {"text": SMALL["text"] | {"vocab_size": 258}}


def test_captions_become_ids(tmp_path):
    model = small(**BYTES)
    with pytest.raises(ValueError, match=r"no text branch or no tokenizer; .*tokenizer/tokenizer\.json"):
        model.caption_ids(["a"])
    model.tokenizer_json = byte_tokenizer()
    model.save_pretrained(tmp_path)
    again = ImageBind.from_pretrained(tmp_path)
    a, b, less, e = (Tokenizer.from_str(byte_level()).token_to_id(letter) for letter in "ab<e")
    ids_NT = again.caption_ids(["ab", "", "aaaaaaaaaaab", "<end>"])
    assert ids_NT.tolist() == [
        [256, a, b, 257, 0, 0, 0],
        [256, 257, 0, 0, 0, 0, 0],
        [256, a, a, a, a, a, 257],  # cut, and still ended
        [256, less, e, ids_NT[3, 3], ids_NT[3, 4], ids_NT[3, 5], 257],  # a caption that spells a token stays text
    ]
    assert ids_NT[3, 3:6].max() < 256
    torch.testing.assert_close(again.embed(ids_NT[:1, :4], "text"), again.embed(ids_NT[:1], "text"))
    with pytest.raises(ValueError, match="no text branch or no tokenizer"):
        ImageBind.from_pretrained(tmp_path, text=None).caption_ids(["a"])


def test_a_tokenizer_that_belongs_to_others_is_refused():
    model = small(**BYTES)
    model.tokenizer_json = byte_tokenizer(end="<start>")
    with pytest.raises(ValueError, match=r"makes \[256, \d+, 256\] of 'a'; the last id, 257, must end it"):
        model.caption_ids(["a"])
    model = small()
    model.tokenizer_json = byte_tokenizer()
    with pytest.raises(ValueError, match=r"the tokenizer has ids up to 257, text\.vocab_size=12"):
        model.caption_ids(["a"])
