import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from anyany.models.encoders.imagebind import ImageBind
from anyany.models.encoders.imagebind.official import to_official_state
from anyany.models.encoders.imagebind.sampling import BRANCH_OF
from anyany.models.encoders.imagebind.trunk import Block
from anyany.ops.contrastive import contrastive_loss
from tests.models.encoders.plain_imagebind import SMALL, below, plain_embed, small, small_values

GOLDEN = Path(os.environ.get("ANYANY_GOLDEN", Path(__file__).parents[4] / "shared" / "data" / "golden"))
published = pytest.mark.skipif(
    not (GOLDEN / "imagebind_tiny.safetensors").is_file(),
    reason="no outputs of the published code: $ANYANY_GOLDEN names no folder with imagebind_tiny.safetensors",
)
STRIDES = {"vision": 4, "audio": 5, "depth": 4, "thermal": 2, "imu": 8, "text": 1}


@pytest.fixture(scope="module")
def golden():
    """Config, weights, inputs and outputs of the published code at a small size."""
    config = json.loads((GOLDEN / "imagebind_tiny_config.json").read_text())
    tensors = load_file(GOLDEN / "imagebind_tiny.safetensors")
    return config, *(below(tensors, f"{kind}/") for kind in ("weights", "inputs", "outputs"))


@published
@pytest.mark.parametrize("name", ["vision", "video_clips", "audio", "text", "depth", "thermal", "imu"])
def test_equals_the_published_code(golden, name):
    config, weights, inputs, outputs = golden
    keys = {"width": "embed_dim", "depth": "num_blocks", "heads": "num_heads"}
    sizes = {
        branch: {key: config[f"{branch}_{old}"] for key, old in keys.items()} for branch in set(BRANCH_OF.values())
    }
    model = ImageBind(joint_dim=config["out_embed_dim"], **sizes)
    model.load_official(weights)
    modality = {"vision": "image", "video_clips": "video"}.get(name, name)
    values = inputs[name].transpose(2, 3) if modality == "video" else inputs[name]  # published: channels before frames
    with torch.no_grad():
        torch.testing.assert_close(model.embed(values, modality), outputs[name], atol=1e-5, rtol=0)


@published
@pytest.mark.parametrize("name", ["vision", "video_clips", "audio", "text", "depth", "thermal", "imu"])
def test_the_plain_one_equals_the_published_code(golden, name):
    config, weights, inputs, outputs = golden
    branch = {"video_clips": "vision"}.get(name, name)
    values = inputs[name][:, :, None].expand(-1, -1, 2, -1, -1) if name == "vision" else inputs[name]
    clips = values.flatten(0, 1) if name in ("video_clips", "audio") else values
    stride = {"vision": 14, "audio": 10}.get(branch, 16)
    found = plain_embed(weights, branch, clips, config[f"{branch}_num_heads"], stride)
    found = found.unflatten(0, (len(values), -1)).mean(1)
    torch.testing.assert_close(found, outputs[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("modality", BRANCH_OF)
def test_equals_the_plain_one(modality):
    model, values, branch = small(), small_values(modality), BRANCH_OF[modality]
    if modality == "image":
        frames = values[:, :, None].expand(-1, -1, 2, -1, -1)
    else:
        frames = values[:, 0] if modality in ("video", "audio") else values
        frames = frames.transpose(1, 2) if modality == "video" else frames
    state = to_official_state(model.state_dict())
    plain = plain_embed(state, branch, frames, SMALL[branch]["heads"], STRIDES[branch])
    assert plain.norm(dim=-1).min() > 0.99
    torch.testing.assert_close(model.embed(values, modality), plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("modality", "scale"),
    [("image", 1), ("video", 1), ("audio", 20), ("text", 1 / 0.07), ("depth", 5), ("thermal", 10), ("imu", 5)],
)
def test_lengths_are_the_scales(modality, scale):
    model, values = small(), small_values(modality)
    torch.testing.assert_close(model.embed(values, modality).norm(dim=-1), torch.full((2,), float(scale)))
    torch.testing.assert_close(model.embed(values, modality, scaled=False).norm(dim=-1), torch.ones(2))


def test_the_scale_of_text_ends_at_100():
    model, ids = small(), small_values("text")
    with torch.no_grad():
        model.text.log_scale.fill_(6.0)
    torch.testing.assert_close(model.embed(ids, "text").norm(dim=-1), torch.full((2,), 100.0))


def test_a_text_ends_at_its_highest_id():
    model, ids = small(), small_values("text")
    torch.testing.assert_close(model.embed(ids[:1, :4], "text"), model.embed(ids, "text")[:1])
    after, before = ids.clone(), ids.clone()
    after[0, 5], before[0, 1] = 7, 7
    torch.testing.assert_close(model.embed(after, "text"), model.embed(ids, "text"))
    assert (model.embed(before, "text") - model.embed(ids, "text")).abs().max() > 0.1


@pytest.mark.parametrize("features", ["patches", "joint"])
@pytest.mark.parametrize("modality", ["video", "audio"])
def test_clips_are_averaged(features, modality):
    model = small(features=features)
    values = torch.cat([small_values(modality), small_values(modality).flip(-1)], dim=1)
    apart = [values[:, :1], values[:, 1:]]
    for method in (model, model.embed):
        by_hand = (method(apart[0], modality) + method(apart[1], modality)) / 2
        torch.testing.assert_close(method(values, modality), by_hand)
        assert (method(apart[0], modality) - by_hand).abs().max() > 1e-3


@pytest.mark.parametrize("modality", ["image", "video", "audio"])
def test_patches_go_through_the_head(modality):
    model, values = small(), small_values(modality)
    branch = model.vision if modality != "audio" else model.audio
    seen = []
    branch.trunk.register_forward_hook(lambda module, given, tokens: seen.append(tokens))
    features_NLJ = model(values, modality)
    torch.testing.assert_close(features_NLJ, branch.head.linear(branch.head.norm(seen[0][:, 1:])))
    assert features_NLJ.norm(dim=-1).std() > 0.01  # not brought to one length


def test_joint_features_are_the_joint_vectors_without_their_scale():
    model, values = small(features="joint"), small_values("audio")
    torch.testing.assert_close(model(values, "audio"), model.embed(values, "audio")[:, None] / 20)


@pytest.mark.parametrize("modality", BRANCH_OF)
@pytest.mark.parametrize("features", ["patches", "joint"])
def test_items_do_not_meet(features, modality):
    model, values = small(features=features), small_values(modality)
    alone = torch.cat([model(value[None], modality) for value in values])
    torch.testing.assert_close(model(values, modality), alone, atol=1e-5, rtol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 1e-2
    if modality != "text":
        assert alone.shape == (2, model.num_features(modality), model.dim)


def test_a_picture_is_a_clip_that_stands_still():
    model, picture = small(), small_values("image")
    clip = picture[:, None, None].expand(-1, 1, 2, -1, -1, -1)
    torch.testing.assert_close(model.embed(picture, "image"), model.embed(clip, "video"))
    torch.testing.assert_close(model(picture, "image"), model(clip, "video"))


def test_pixels_are_normalised_as_clip_does():
    model = small()
    grey = torch.full((1, 3, 8, 8), 51, dtype=torch.uint8)  # 0.2
    by_hand = (0.2 - torch.tensor([0.48145466, 0.4578275, 0.40821073])) / torch.tensor(
        [0.26862954, 0.26130258, 0.27577711]
    )
    wanted = model.embed(by_hand[None, :, None, None].expand(1, 3, 8, 8), "image")
    torch.testing.assert_close(model.embed(grey, "image"), wanted)


def test_norms_of_stems_have_another_epsilon():
    norms = {n: m.eps for n, m in small().named_modules() if isinstance(m, torch.nn.LayerNorm)}
    assert {name for name, eps in norms.items() if eps == 1e-5} == {
        f"{branch}.stem.norm" for branch in ("audio", "depth", "thermal", "imu")
    }
    assert {eps for name, eps in norms.items() if ".stem." not in name} == {1e-6}


def test_more_frames_make_a_grid_in_time():
    vision = SMALL["vision"] | {"frames": 4}
    model = small(vision=vision)
    assert model.num_features("image") == model.num_features("video") == 2 * 2 * 2
    assert model(torch.randn(1, 1, 4, 3, 8, 8), "video").shape == (1, 8, 10)
    assert model.preprocess("video").spec.num_frames == 4


def test_gradients_reach_every_weight():
    model = ImageBind(**SMALL).train()
    text_NJ = model.embed(small_values("text"), "text")
    terms = [
        contrastive_loss(model.embed(small_values(modality), modality, scaled=False), text_NJ)
        for modality in BRANCH_OF
        if modality != "text"
    ]
    (sum(total for total, _ in terms) / sum(count for _, count in terms)).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_a_few_steps_bring_pairs_together():
    torch.manual_seed(0)
    model = ImageBind(**SMALL)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    pictures, ids = small_values("image"), small_values("text")
    losses = []
    for _ in range(30):
        total, count = contrastive_loss(model.embed(pictures, "image"), model.embed(ids, "text"))
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
        losses.append(total.item() / count)
    assert losses[-1] < 0.05 < losses[0]


def test_training_mode_alone_changes_nothing():
    model, values = small(), small_values("audio")
    still = model(values, "audio")
    torch.testing.assert_close(model.train()(values, "audio"), still, atol=0, rtol=0)


def test_stochastic_depth_acts_in_training_mode_alone():
    model, values = small(drop_path=0.5), small_values("audio").repeat(20, 1, 1, 1, 1)
    still = model(values, "audio")
    torch.testing.assert_close(model(values, "audio"), still, atol=0, rtol=0)
    torch.testing.assert_close(small()(values, "audio"), still)
    torch.manual_seed(0)
    assert (model.train()(values, "audio") - still).abs().max() > 0.1
    torch.testing.assert_close(model.eval()(values, "audio"), still, atol=0, rtol=0)


def test_a_dropped_block_is_left_out_and_a_kept_one_counts_more():
    torch.manual_seed(0)
    block = Block(8, 2, causal=False, bias_kv=True, drop_path=0.25).train()
    block.mlp = torch.nn.Identity()
    block.norm2 = torch.nn.Identity()
    block.attention = torch.nn.Identity()
    block.norm1 = torch.nn.Identity()
    # Each half adds what is there, over 0.75 where it is kept: factors 1, 7/3 and (7/3)^2.
    found = block(torch.ones(4000, 1, 8))[:, 0, 0]
    factors, counts = found.unique(return_counts=True)
    torch.testing.assert_close(factors, torch.tensor([1.0, 7 / 3, 49 / 9]))
    torch.testing.assert_close(counts / 4000, torch.tensor([1 / 16, 6 / 16, 9 / 16]), atol=0.03, rtol=0)


def test_depth_drops_more_and_more():
    model = ImageBind(vision=SMALL["vision"] | {"depth": 5}, drop_path=0.2)
    assert [block.drop_path for block in model.vision.trunk.blocks] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_half_precision_takes_pixels_and_sounds():
    model = small().bfloat16()
    pixels = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    assert model(pixels, "image").dtype == torch.bfloat16
    assert model.embed(small_values("audio"), "audio").dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({}, "without a branch; give at least one of vision, audio"),
        ({"vision": {"widht": 3}}, "vision.widht: no such number; it has width"),
        ({"vision": SMALL["vision"] | {"image_px": 9}}, r"frames=2, image_px=9: no multiples of kernel=\(2, 4, 4\)"),
        ({"vision": SMALL["vision"] | {"heads": 3}}, "width=16 is no multiple of heads=3"),
        ({"audio": SMALL["audio"] | {"kernel": 17}}, r"patches of \[17, 17\] in \[16, 30\]"),
        ({"audio": SMALL["audio"], "clip_s": 0.5}, "clip_s=0.5 is 48 windows, audio.num_frames=30"),
        ({"vision": {}, "features": "tokens"}, "features=tokens; give patches or joint"),
        ({"vision": {}, "video_crops": 2}, "video_crops=2; give 1"),
        ({"vision": {}, "audio_clips": 0}, "audio_clips=0; give at least 1"),
        ({"vision": SMALL["vision"], "drop_path": 1.0}, "drop_path=1.0; give a share"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(numbers, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        ImageBind(**numbers)


@pytest.mark.parametrize(
    ("values", "modality", "message"),
    [
        (torch.zeros(1, 3, 8, 8), "audio", r"audio is \[1, 3, 8, 8\]; give 5 dimensions"),
        (torch.zeros(1, 3, 9, 8), "image", r"items are \[1, 3, 2, 9, 8\]; give \[N, 3, 2, 8, 8\]"),
        (torch.zeros(1, 6, 23), "imu", r"items are \[1, 6, 23\]; give \[N, 6, 24\]"),
        (torch.zeros(1, 8, dtype=torch.long), "text", r"token ids are \[1, 8\]; give \[N, T\] with T of at most 7"),
        (torch.zeros(1), "smell", "reads image, video, audio, text, depth, thermal, imu, not smell"),
    ],
)
def test_values_that_do_not_fit_are_refused(values, modality, message):
    with pytest.raises(ValueError, match=message):
        small()(values, modality)
