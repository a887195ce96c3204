import math
from dataclasses import fields

import pytest
import torch

from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.captions import unsaid
from anyany.microworld.levels import LEVELS, all_things, novel_pairs
from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.oracles.glossary import words_of
from anyany.microworld.questions import VALUES
from anyany.microworld.records import make_record
from anyany.microworld.scenes import SCENES
from anyany.microworld.turns import EXTENSIONS
from anyany.models.encoders.imagebind import ImageBind
from anyany.seeds import rng_of
from data_prep.parts import joint
from data_prep.parts.joint import NEARLY, SPEED_OCTAVES, UNTOLD, JointRecipe, hurried, prepared
from data_prep.parts.pools import TRAINED_ON, Pool, pool
from data_prep.parts.readers import SCALE
from data_prep.parts.training import Training, draw_of
from data_prep.parts.variants import SAID, _near, changed, fits, otherwise, vague
from data_prep.parts.words import say

CPU = torch.device("cpu")


def trained_scenes(modality):
    scenes = (SCENES[modality]((thing,)) for level in TRAINED_ON for thing in all_things(modality, LEVELS[level]))
    return [scene for scene in dict.fromkeys(scenes) if not novel_pairs(scene)]


def apart(one, other):
    """The names and both values of what differs."""
    (first,), (second,) = one.things, other.things
    pairs = {field.name: (getattr(first, field.name), getattr(second, field.name)) for field in fields(first)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def assert_one_said_attribute_differs(scene, other):
    differing = apart(scene, other)
    assert len(differing) == 1, (scene, other)
    assert None not in next(iter(differing.values())), (scene, other)
    assert type(other) is type(scene)
    assert not novel_pairs(other), other
    return next(iter(differing))


@pytest.mark.parametrize("modality", SCENES)
def test_a_changed_scene_is_another_in_one_attribute(modality, record_property):
    scenes, rng, names = trained_scenes(modality), rng_of("changed", modality), {}
    for scene in scenes[:: max(len(scenes) // 40, 1)]:
        names |= {assert_one_said_attribute_differs(scene, changed(scene, rng)): True for _ in range(8)}
    assert names.keys() == LEVELS["standard"].said[modality].keys()
    record_property("found", f"{len(names)} attributes of {modality} that captions are wrong in")


@pytest.mark.slow
@pytest.mark.parametrize("modality", SCENES)
def test_every_scene_can_be_changed(modality, record_property):
    scenes, number = trained_scenes(modality), 0
    for scene in scenes:
        differing = ((other, list(apart(scene, other).values())) for other in scenes)
        wanted = {other for other, pairs in differing if len(pairs) == 1 and None not in pairs[0]}
        assert wanted
        assert sorted(map(str, _near(scene))) == sorted(map(str, wanted))  # each once
        number += len(wanted)
    record_property("found", f"{number} pairs of {len(scenes)} {modality} scenes one attribute apart")


def test_clips_that_gain_or_lose_a_speed_are_no_neighbours():
    moving = read_caption("a red circle moving left slowly", "video")
    changes = {str(apart(moving, changed(moving, rng_of("speed", n)))) for n in range(200)}
    assert any("'speed': ('slow', 'fast')" in change for change in changes)
    assert not any("grow" in change for change in changes)
    assert any("'motion': ('left', 'up')" in change for change in changes)


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    work = tmp_path_factory.mktemp("pools")
    return {modality: pool(work, modality, 8, workers=1) for modality in SCENES}


@pytest.mark.parametrize("modality", SCENES)
def test_media_are_prepared_as_data_workers_do(modality, pools, starts):
    model = ImageBind.from_pretrained(starts / "imagebind")
    preprocess = model.preprocess(modality)
    found = prepared(model, modality, pools[modality].media(range(4)))
    assert found.shape == (4, *preprocess.output_shape)
    assert found.dtype == preprocess.output_dtype
    for number in range(4):
        data = make_record(0, "easy", "train", modality, number)[EXTENSIONS[modality]]
        spec = MediaSpec(preprocess.spec.num_frames, preprocess.spec.sample_rate_hz)
        wanted = preprocess(MEDIA[modality].decode(data, spec))
        torch.testing.assert_close(found[number], wanted, atol=2e-2 if modality == "audio" else 0, rtol=0)


@pytest.fixture
def small() -> ImageBind:
    torch.manual_seed(0)
    trunk = {"width": 8, "depth": 1, "heads": 2}
    return ImageBind(
        joint_dim=6,
        vision=trunk | {"image_px": 32, "frames": 2, "kernel": (2, 16, 16)},
        audio=trunk | {"num_mels": 32, "num_frames": 204, "kernel": 32, "stride": 32},
        text=trunk | {"vocab_size": 900, "num_positions": 24},
    )


def plain_choices(media_ND, texts_ND, agrees):
    """Pair by pair: the own caption among all that do not fit, the own medium likewise."""
    number, losses = len(media_ND), []
    scores = [[float(media_ND[i] @ texts_ND[j]) for j in range(number)] for i in range(number)]
    for i in range(number):
        rights = [scores[i][j] for j in range(number) if j == i or not agrees(i, j)]
        lefts = [scores[j][i] for j in range(number) if j == i or not agrees(j, i)]
        losses += [torch.tensor(row).logsumexp(0).item() - scores[i][i] for row in (rights, lefts)]
    return sum(losses) / len(losses)


def plain_term(media_ND, texts_TND, scenes, vaguer):
    own_ND, vague_ND, *nearly = texts_TND
    misses = [
        torch.tensor([0.0, float(media_ND[i] @ (nearly_ND[i] - own_ND[i]))]).logsumexp(0).item()
        for nearly_ND in nearly
        for i in range(len(scenes))
    ]
    whole = plain_choices(media_ND, own_ND, lambda i, j: scenes[i] == scenes[j])
    partly = plain_choices(media_ND, vague_ND, lambda i, j: nothing_differs(scenes[i], vaguer[j]))
    return (whole + partly) / 2 + sum(misses) / len(misses)


def nothing_differs(scene, told):
    return all(None in pair for pair in apart(scene, told).values())


def test_the_loss_equals_a_plain_loop(small, pools, starts, monkeypatch):
    small.tokenizer_json = ImageBind.from_pretrained(starts / "imagebind").tokenizer_json
    recipe, told, heard, drawn = JointRecipe(small, pools, "model", 5000, batch=7), [], [], []
    ids_of, draw, prepare = small.caption_ids, Pool.draw, joint.prepared
    monkeypatch.setattr(small, "caption_ids", lambda texts: told.append(texts) or ids_of(texts))
    monkeypatch.setattr(Pool, "draw", lambda *given: drawn.append(draw(*given)) or drawn[-1])
    monkeypatch.setattr(joint, "prepared", lambda *given: heard.append(prepare(*given)) or heard[-1])
    left, leave = [], joint.vague
    monkeypatch.setattr(joint, "vague", lambda *given: left.append(leave(*given)) or left[-1])
    terms = recipe.loss(draw_of("toy", 0, CPU))
    assert list(terms) == list(SCENES)
    for (modality, term), texts, values, (_, scenes) in zip(terms.items(), told, heard, drawn, strict=True):
        own, _, *nearly = [
            [read_caption(text, modality) for text in texts[first : first + 7]] for first in range(0, len(texts), 7)
        ]
        vaguer, left = left[:7], left[7:]
        assert own == scenes
        assert len(nearly) == NEARLY
        for group in nearly:
            for scene, other in zip(scenes, group, strict=True):
                assert_one_said_attribute_differs(scene, other)
        with torch.no_grad():
            texts_TND = small.embed(ids_of(texts), "text").unflatten(0, (-1, 7))
            media_ND = small.embed(values, modality, scaled=False)
        assert term.item() == pytest.approx(plain_term(media_ND, texts_TND, scenes, vaguer), rel=1e-4)


@pytest.mark.parametrize("modality", SCENES)
def test_a_vague_caption_says_less_and_nothing_else(modality):
    scenes, rng, left_out = trained_scenes(modality), rng_of("vague", modality), set()
    for scene in scenes[:: max(len(scenes) // 60, 1)]:
        told = vague(scene, rng)
        left_out |= apart(scene, told).keys()
        assert apart(scene, told)
        assert told.things[0].number == scene.things[0].number
        assert nothing_differs(scene, told)
        assert fits(scene, told)
        other = changed(scene, rng)
        assert fits(other, told) == nothing_differs(other, told)
        for name in apart(scene, told).keys() & {"color", "shape", "timbre", "pitch"}:
            assert str(getattr(scene.things[0], name)) not in say(told, rng).split()
    assert left_out == set(SAID[modality])


def test_hurried_sounds_keep_their_end_and_their_pitch():
    seconds = torch.arange(32_000) / 16_000
    tone_NS = (8_000 * torch.sin(2 * torch.pi * 800 * seconds) * (seconds < 1.9)).short().expand(8, -1)
    found_hz, untouched = [], 0
    for step in range(10):
        sounds_NS = hurried(tone_NS, draw_of("toy", step, CPU))
        assert (sounds_NS.shape, sounds_NS.dtype) == (tone_NS.shape, torch.int16)
        assert (sounds_NS[:, 30_500:] == 0).all()  # nothing is cut off
        found_hz += torch.fft.rfft(sounds_NS[:, :16_000].float()).abs().argmax(1).tolist()  # bins are 1 Hz apart
        untouched += sum(torch.equal(sound, tone_NS[0]) for sound in sounds_NS)
    assert min(found_hz) >= 799
    assert max(found_hz) <= 800 * 2**SPEED_OCTAVES + 2
    assert max(found_hz) > 900
    assert 0.3 * 80 < untouched < 0.7 * 80


def test_a_few_steps_bring_the_loss_down(small, pools, starts, tmp_path):
    small.tokenizer_json = ImageBind.from_pretrained(starts / "imagebind").tokenizer_json
    run = Training(JointRecipe(small, pools, "model", 12, batch=8), tmp_path, CPU)
    losses = [sum(run.one_step().values()) for _ in range(12)]
    assert min(losses[-3:]) < losses[0]


def test_reading_asks_media_and_all_captions_for_each_attribute(small, pools, starts):
    """Before the first step each value is as likely as any other: a term is the sum of the logarithms of their numbers.

    A scene of ``easy`` leaves size, place, speed, length and glide unsaid, one of ``standard`` does not.
    """
    small.tokenizer_json = ImageBind.from_pretrained(starts / "imagebind").tokenizer_json
    recipe = JointRecipe(small, pools, "reading", 1500, batch=8, num_between=5)
    terms = recipe.loss(draw_of("toy", 0, CPU))
    plain = JointRecipe(small, pools, "hearing", 1500, batch=8, num_between=5).loss(draw_of("toy", 0, CPU))
    assert list(terms) == [
        *(name for modality in SCENES for name in (modality, f"{modality} read")), "timbre alone", "pitch alone"
    ]  # fmt: skip
    log = {name: math.log(len(values)) for name, values in VALUES.items()}
    pictures = log["number"] + log["color"] + log["shape"]
    assert terms["image read"].item() == pytest.approx(pictures + log["size"] + log["place"], rel=1e-5)
    assert plain.keys() < terms.keys()
    trained = {n.partition(".")[0] for n, parameter in small.named_parameters() if parameter.requires_grad}
    assert trained == {"audio"}  # of the last recipe that was made
    recipe = JointRecipe(small, pools, "reading", 1500, batch=8, num_between=5)
    trained = {n.partition(".")[0] for n, parameter in small.named_parameters() if parameter.requires_grad}
    assert trained == {"vision", "audio", "text"}
    assert all(parameter.requires_grad for parameter in recipe.readers.parameters())


@pytest.mark.parametrize(("told", "without"), [("timbre", "pitch"), ("pitch", "timbre")])
def test_something_is_otherwise_and_nothing_else(told, without):
    rng, found = rng_of("otherwise", told), set()
    for scene in trained_scenes("audio")[:40]:
        vaguer = SCENES["audio"]((unsaid(scene.things[0], without),))
        other = otherwise(vaguer, told, rng)
        assert list(apart(vaguer, other)) == [told]
        found.add(getattr(other.events[0], told))
    assert found == set(VALUES[told])


def test_sounds_between_the_words_are_heard_against_their_captions(small, pools, starts, monkeypatch):
    small.tokenizer_json = ImageBind.from_pretrained(starts / "imagebind").tokenizer_json
    recipe, told, exchanged = JointRecipe(small, pools, "hearing", 1500, batch=8, num_between=5), [], []
    ids_of = small.caption_ids
    monkeypatch.setattr(small, "caption_ids", lambda texts: told.append(texts) or ids_of(texts))
    monkeypatch.setattr(joint, "otherwise", lambda *given: exchanged.append(otherwise(*given)) or exchanged[-1])
    terms = recipe.loss(draw_of("toy", 0, CPU))
    assert list(terms) == ["audio", "timbre alone", "pitch alone"]
    trained = {name.partition(".")[0] for name, parameter in small.named_parameters() if parameter.requires_grad}
    assert trained == {"audio"}
    for name, make in joint.BETWEEN.items():
        draw, place = draw_of("alone", 0, CPU), len(told)
        exchanged.clear()
        term = recipe._alone(name, draw).item()
        indices = draw_of("alone", 0, CPU).rng.integers(5, size=8).tolist()
        sounds, all_scenes = make(5, rng_of("parts", "imagebind/hearing", name))
        scenes = [all_scenes[index] for index in indices]
        texts = told[place]
        for text, scene in zip(texts, (*scenes, *exchanged), strict=True):
            assert getattr(scene.events[0], name) in {word.value for word in words_of(text, "audio")}, text
        with torch.no_grad():
            own_ND, wrong_ND = small.embed(ids_of(texts), "text").chunk(2)
            sounds_ND = small.embed(prepared(small, "audio", sounds[indices]).half().float(), "audio", scaled=False)
        assert term == pytest.approx(plain_half(sounds_ND, own_ND, wrong_ND, scenes), rel=1e-4)


def plain_half(media_ND, own_ND, wrong_ND, scenes):
    misses = [
        torch.tensor([0.0, float(medium @ (w - o))]).logsumexp(0).item()
        for medium, o, w in zip(media_ND, own_ND, wrong_ND, strict=True)
    ]
    wanted = plain_choices(media_ND, own_ND, lambda i, j: nothing_differs(scenes[i], scenes[j]))
    return wanted + sum(misses) / len(misses)


@pytest.mark.parametrize("modality", UNTOLD)
def test_shapes_are_asked_for_in_any_color_and_motion_and_nothing_that_was_changed(
    modality, small, pools, starts, monkeypatch
):
    small.tokenizer_json = ImageBind.from_pretrained(starts / "imagebind").tokenizer_json
    recipe, seen, drawn = JointRecipe(small, pools, "watching", 1500, batch=8, num_between=5), [], []
    assert list(recipe.loss(draw_of("toy", 0, CPU)))[-2:] == ["image by shape", "video by shape"]
    draw, prepare = Pool.draw, joint.prepared
    monkeypatch.setattr(Pool, "draw", lambda *given: drawn.append(draw(*given)) or drawn[-1])
    monkeypatch.setattr(joint, "prepared", lambda *given: seen.append(prepare(*given)) or seen[-1])
    for layer in recipe.readers.layers.values():
        torch.nn.init.normal_(layer.weight)
    term = recipe._by_shape(modality, draw_of("shape", 0, CPU)).item()
    (values,), ((media, scenes),) = seen, drawn
    assert not torch.equal(values, prepare(small, modality, media))
    with torch.no_grad():
        media_ND = small.embed(values, modality, scaled=False)
    wanted = 0.0
    for name, layer in recipe.readers.layers.items():
        told = [getattr(scene.things[0], name, None) for scene in scenes]
        if name not in UNTOLD[modality] and any(value is not None for value in told):
            log_NV = layer(SCALE * media_ND).log_softmax(-1)
            losses = [-log_NV[n, VALUES[name].index(v)].item() for n, v in enumerate(told) if v is not None]
            wanted += sum(losses) / len(losses)
    assert term == pytest.approx(wanted, rel=1e-4)
