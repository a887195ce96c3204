import pytest
import torch

from anyany.evaluation.oracles import ALL_RIGHT, read_back, shares
from anyany.figures import Figure, share
from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.records import render
from anyany.microworld.scenes import SCENES, Group, Picture, attributes
from anyany.seeds import rng_of

NUM = 12


def rendered(modality, level_name, number=NUM):
    """Scenes of a level, and their media as they come out of files."""
    level = LEVELS[level_name]
    spec = MediaSpec(level.num_frames, level.sample_rate_hz)
    scenes, media = [], []
    for index in range(number):
        rng = rng_of("evaluation", modality, level_name, index)
        scenes.append(sample_scene(modality, level, rng))
        media.append(MEDIA[modality].decode(render(scenes[-1], level, rng), spec))
    return scenes, media


@pytest.mark.parametrize("modality", SCENES)
@pytest.mark.parametrize("level", ["easy", "standard"])
def test_rendered_scenes_are_all_right_and_exchanged_ones_are_not(modality, level):
    scenes, media = rendered(modality, level)
    figures = shares(read_back(scenes, media))
    assert {name: figure.value for name, figure in figures.items()} == dict.fromkeys(figures, 1.0)
    assert figures.keys() >= {ALL_RIGHT, "count", *LEVELS[level].said[modality]}
    turned = scenes[1:] + scenes[:1]
    differing = sum(one != other for one, other in zip(turned, scenes, strict=True))
    assert differing >= NUM - 2
    exchanged = shares(read_back(turned, media))
    assert exchanged[ALL_RIGHT] == share(NUM - differing, NUM)
    for name in LEVELS[level].said[modality]:
        said = [(attributes(a).get(name), attributes(b).get(name)) for a, b in zip(turned, scenes, strict=True)]
        pairs = [pair for pair in said if pair[0] is not None]
        assert exchanged[name] == share(sum(a == b for a, b in pairs), len(pairs)), name


def test_shares_by_hand():
    hits = [{"color": True, "size": True}, {"color": True, "size": False}, {"color": False}, {"color": True}]
    assert shares(hits) == {ALL_RIGHT: share(2, 4), "color": share(3, 4), "size": share(1, 2)}


def test_what_a_scene_leaves_unsaid_is_not_counted():
    small = Picture((Group(1, "red", "circle", size="small"),))
    any_size = Picture((Group(1, "red", "circle"),))
    picture = MEDIA["image"].decode(render(small, LEVELS["standard"], rng_of("small")), MediaSpec())
    large = Picture((Group(1, "red", "circle", size="large"),))
    figures = shares(read_back([small, any_size, large, any_size], [picture] * 4))
    assert (figures["size"].value, figures["size"].n) == (0.5, 2)
    assert (figures[ALL_RIGHT].value, figures[ALL_RIGHT].n, figures["color"].n) == (0.75, 4, 4)


@pytest.mark.parametrize(
    ("modality", "nothing"),
    [
        ("image", torch.zeros(3, 32, 32, dtype=torch.uint8)),
        ("video", torch.zeros(8, 3, 32, 32, dtype=torch.uint8)),
        ("audio", torch.zeros(32_000)),
    ],
)
def test_what_cannot_be_read_is_wrong_in_all(modality, nothing):
    scene = sample_scene(modality, LEVELS["easy"], rng_of("nothing"))
    (hits,) = read_back([scene], [nothing])
    assert hits.keys() == attributes(scene).keys() | {"count"}
    assert not any(hits.values())


def test_a_scene_for_each_medium_is_asked_for():
    scenes, media = rendered("image", "easy", 2)
    with pytest.raises(ValueError, match="zip"):
        read_back(scenes, media[:1])
    with pytest.raises(ValueError, match="no items to measure; give at least one"):
        shares([])
    assert isinstance(shares([{"color": True}])["color"], Figure)
