import pytest
import torch

from anyany.evaluation.retrieval import candidates, right_first
from anyany.figures import share
from anyany.microworld.levels import LEVELS, all_things, novel_pairs
from anyany.microworld.scenes import SCENES
from anyany.seeds import rng_of


def scenes_of(modality, level):
    return list(dict.fromkeys(SCENES[modality]((thing,)) for thing in all_things(modality, LEVELS[level])))


def test_nearer_than_every_candidate_by_hand():
    media_ND = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    own_ND = torch.tensor([[0.8, 0.6], [0.8, 0.6], [0.0, 1.0]])  # scores 0.8, 0.6, 0.8
    others_MD = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, -1.0]])
    # Of the candidates: 0.6; 0.8 and 0.0; 0.6 and -0.8.
    assert right_first(media_ND, own_ND, others_MD, [[0], [0, 1], [1, 2]]) == share(2, 3)
    assert right_first(media_ND, own_ND, others_MD, [[0, 1], [1, 2], [0, 1, 2]]) == share(1, 3)  # 1.0; 0.0; 1.0


def test_a_tie_is_wrong():
    one_ND = torch.tensor([[0.6, 0.8]])
    assert right_first(one_ND, one_ND, one_ND, [[0]]) == share(0, 1)
    assert right_first(one_ND, one_ND, torch.tensor([[0.6, 0.79]]), [[0]]) == share(1, 1)


def test_candidates_for_each_medium_are_asked_for():
    with pytest.raises(ValueError, match="zip"):
        right_first(torch.eye(2), torch.eye(2), torch.eye(2), [[0]])


@pytest.mark.parametrize("modality", SCENES)
@pytest.mark.parametrize("number", [2, 5, 100])
def test_candidates_are_others_and_novel_ones_first(modality, number, record_property):
    others = scenes_of(modality, "standard")
    num_novel = sum(bool(novel_pairs(scene)) for scene in others)
    record_property("found", f"{num_novel} of {len(others)} {modality} scenes of a level with novel pairs")
    rng = rng_of("retrieval", modality)
    for own in (0, len(others) // 2, next(i for i, scene in enumerate(others) if novel_pairs(scene))):
        chosen = candidates(others[own], others, rng, number)
        assert len(chosen) == len(set(chosen)) == number - 1
        assert own not in chosen
        available = num_novel - bool(novel_pairs(others[own]))
        novel = [bool(novel_pairs(others[index])) for index in chosen]
        assert novel == sorted(novel, reverse=True)
        assert sum(novel) == min(number - 1, available)


def test_there_are_fewer_candidates_where_there_are_no_more_scenes():
    others = scenes_of("audio", "easy")
    assert len(others) == 36
    chosen = candidates(others[7], others, rng_of("few"))
    assert sorted(chosen) == [index for index in range(36) if index != 7]


def test_a_scene_that_stands_twice_is_never_its_own_candidate():
    first, second, third = scenes_of("image", "easy")[:3]
    assert sorted(candidates(first, [first, second, first, third], rng_of("twice"))) == [1, 3]
    assert candidates(first, [first], rng_of("alone")) == []


def test_which_candidates_follows_from_the_generator():
    others = scenes_of("image", "standard")
    first, again, other = (candidates(others[0], others, rng_of("rng", seed), 10) for seed in (0, 0, 1))
    assert first == again
    assert set(first) != set(other)
