import json

import pytest
import torch

from anyany.evaluation.oracles import ALL_RIGHT
from anyany.figures import share
from anyany.microworld.levels import LEVELS, novel_pairs
from anyany.microworld.oracles import ORACLES
from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.records import make_record
from anyany.microworld.scenes import SCENES, compare, to_json
from data_prep.parts.job import Job
from data_prep.parts.measures import drawn, records, shown, told
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.training import Recipe
from tests.data_prep.painter import Clip, Picture, Sound

NUMBER = 10


@pytest.mark.parametrize("modality", SCENES)
@pytest.mark.parametrize("level", TRAINED_ON)
def test_what_is_asked_for_is_novel_and_shown_as_it_is_said(modality, level):
    pairs = records(modality, level, NUMBER)
    captions, scenes = told(pairs)
    assert pairs == [make_record(0, level, "test_novel", modality, number) for number in range(NUMBER)]
    assert [read_caption(caption, modality) for caption in captions] == scenes
    assert [to_json(scene) for scene in scenes] == [json.loads(members["scene.json"]) for members in pairs]
    assert all(novel_pairs(scene) for scene in scenes)
    for scene, item in zip(scenes, shown(pairs, modality, level, LEVELS[level].num_frames), strict=True):
        assert all(compare(scene, ORACLES[modality](item)).values())


def test_clips_are_shown_with_as_many_frames_as_are_wanted():
    pairs = records("video", "easy", 1)
    (two,), (eight,) = (shown(pairs, "video", "easy", number) for number in (2, 8))
    assert torch.equal(two, eight[[2, 6]])


@pytest.mark.parametrize("kind", [Picture, Clip, Sound])
def test_figures_are_of_what_was_made(kind):
    painter = kind(None)
    painter.load()
    figures = drawn(painter, number=NUMBER)
    assert {name.partition(".")[0] for name in figures} == set(TRAINED_ON)
    for level in TRAINED_ON:
        # Items 0, 2, 6 and 8 are as asked for; 4 and 9 are nothing, the others another scene.
        assert figures[f"{level}.{ALL_RIGHT}"] == share(4, NUMBER)
        names = {name.partition(".")[2] for name in figures if name.startswith(f"{level}.")}
        assert names == {ALL_RIGHT, "count", *LEVELS[level].said[painter.modality]}
        assert figures[f"{level}.count"].value == 0.8
    if kind is Clip:
        assert figures["standard.speed"].n < NUMBER == figures["standard.motion"].n
    assert drawn(painter, ["easy"], 3)[f"easy.{ALL_RIGHT}"] == share(2, 3)


def test_a_job_keeps_pools_and_states_in_its_work(tmp_path):
    class Line(Recipe):
        name, steps, learning_rate, identity = "toy/line", 2, 0.1, "line"
        module = torch.nn.Linear(2, 1)

        def loss(self, draw):
            return {"square": self.module(draw.normal(3, 2)).square().mean()}

    job = Job(tmp_path / "out", tmp_path / "work", workers=1)
    seconds = job.run(Line())
    assert seconds > 0
    assert job.run(Line()) == seconds
    assert len(job.pool("image", 4)) == 4
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files[-1] == "work/toy/line/state.pt"
    assert [path.startswith("work/pools/") for path in files] == [True, True, False]
