import json

import numpy as np
import pytest
import torch

from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.levels import novel_pairs
from anyany.microworld.records import make_record
from anyany.microworld.scenes import SCENES, from_json
from anyany.microworld.turns import EXTENSIONS
from anyany.seeds import rng_of
from data_prep.parts import pools
from data_prep.parts.pools import Chunk, Pool, fill, pool, write

SIZE = 10  # five of each level, in chunks of two, two and one


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(pools, "CHUNK", 2)


@pytest.fixture(scope="module", params=SCENES)
def filled(request, tmp_path_factory) -> tuple[str, Pool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "CHUNK", 2)
        return request.param, pool(tmp_path_factory.mktemp("pool"), request.param, SIZE, workers=1)


def records(modality, split="train"):
    """As the shards hold them: the first five of each level."""
    return {
        (level, number): make_record(0, level, split, modality, number)
        for level in ("easy", "standard")
        for number in range(5)
    }


def test_media_and_scenes_are_those_of_the_training_split(filled):
    modality, items = filled
    places = [(c.level, n) for c in items.chunks for n in range(c.first, c.first + c.size)]
    made = records(modality)
    assert sorted(places) == sorted(made)
    assert len(items) == len(items.scenes) == SIZE
    spec = MediaSpec(8, 16_000)
    for index, place in enumerate(places):
        wanted = MEDIA[modality].decode(made[place][EXTENSIONS[modality]], spec)
        found = items.media([index])[0]
        if modality == "audio":
            assert found.dtype == torch.int16
            assert (found.float() / 32_767 - wanted).abs().max() <= 0.5 / 32_767 + 1e-7
        else:
            assert torch.equal(found, wanted)
        assert items.scenes[index] == from_json(json.loads(made[place]["scene.json"]))
        assert items.scenes[index].modality == modality


def test_no_scene_holds_a_novel_pair(tmp_path):
    assert not [s for modality in SCENES for s in pool(tmp_path, modality, 4, workers=1).scenes if novel_pairs(s)]
    held_out = pool(tmp_path, "image", 4, "test_novel", workers=1)
    assert all(novel_pairs(scene) for scene in held_out.scenes)


def test_media_of_many_indices_are_those_of_each(filled):
    _, items = filled
    indices = [9, 0, 3, 3, 4, 5]
    together = items.media(indices)
    assert torch.equal(together, torch.stack([items.media([index])[0] for index in indices]))
    assert torch.equal(items.media(np.array(indices)), together)
    assert torch.equal(items.media(range(2, 5)), items.media([2, 3, 4]))


def test_draws_follow_from_the_generator(filled):
    _, items = filled
    (media, scenes), (again, _), (other, _) = (items.draw(rng_of("draw", seed), 24) for seed in (0, 0, 1))
    assert torch.equal(media, again)
    assert not torch.equal(media, other)
    every = list(items.media(range(SIZE)))
    drawn = [next(i for i, one in enumerate(every) if torch.equal(one, item)) for item in media]
    assert scenes == [items.scenes[index] for index in drawn]
    assert len(set(drawn)) > 5


def test_chunks_that_are_there_are_kept(tmp_path, monkeypatch):
    first = pool(tmp_path, "image", 4, workers=1)
    times = {chunk.path: chunk.path.stat().st_mtime_ns for chunk in first.chunks}
    written = []
    monkeypatch.setattr(pools, "write", lambda chunk: written.append(chunk) or write(chunk))
    larger = pool(tmp_path, "image", 6, workers=1)
    assert [(chunk.level, chunk.first, chunk.size) for chunk in written] == [("easy", 2, 1), ("standard", 2, 1)]
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert torch.equal(larger.media(range(4)), first.media(range(4)))
    pool(tmp_path, "image", 6, workers=1)
    assert len(written) == 2


def test_other_code_of_the_world_fills_another_folder(tmp_path, monkeypatch):
    chunk = pool(tmp_path, "image", 2, workers=1).chunks[0]
    monkeypatch.setattr(pools, "code_digest", lambda: "f" * 40)
    other = pool(tmp_path, "image", 2, workers=1).chunks[0]
    assert chunk.path.name == other.path.name
    assert chunk.path.parent != other.path.parent
    assert other.path.parent.name == "f" * 12


@pytest.mark.parametrize("fails", ["data_prep.parts.pools.save_file", "anyany.files.os.replace"])
def test_a_broken_write_leaves_nothing(tmp_path, monkeypatch, fails):
    def half(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("no space left")

    def refuse(*paths):
        raise OSError("no space left")

    chunk = Chunk(tmp_path, "image", "easy", "train", 0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(fails, half if fails.endswith("save_file") else refuse)
        with pytest.raises(OSError, match="no space left"):
            write(chunk)
    assert list(tmp_path.iterdir()) == []
    assert write(chunk) == 1
    assert [path.name for path in tmp_path.iterdir()] == [chunk.path.name]


def test_a_pool_of_one_level_holds_it_alone(tmp_path):
    items = pool(tmp_path, "audio", 3, "val", ("standard",), workers=1)
    assert len(items) == 3
    assert {(chunk.level, chunk.split) for chunk in items.chunks} == {("standard", "val")}
    assert all(scene.things[0].length for scene in items.scenes)


@pytest.mark.slow
def test_several_processes_write_what_one_does(tmp_path):
    chunks = [
        [Chunk(tmp_path / name, "video", level, "train", 0, 3) for level in ("easy", "standard")] for name in "ab"
    ]
    fill(chunks[0], workers=1)
    fill(chunks[1], workers=2)
    for one, other in zip(*chunks, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
    assert len(list((tmp_path / "b").iterdir())) == 2
