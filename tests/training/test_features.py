import inspect
import os
import shutil
import signal
from argparse import Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from anyany.data import recipes
from anyany.data.order import Ref
from anyany.data.samples import SampleReader
from anyany.faults import UserError
from anyany.messages.collate import Hole
from anyany.messages.types import Media, Text
from anyany.microworld.scenes import SCENES
from anyany.models.encoders.imagebind import preprocess
from anyany.training import features
from anyany.training.features import cache_of, caches_of, captions_of, fill, media_of
from anyany.training.stopping import SIGNALS
from tests.data.stream_shards import write_stream_shards
from tests.training.stream_run import data_module

PARTS = Path(__file__).parents[2] / "anyany" / "parts"


@pytest.fixture
def samples(tmp_path):
    numbers = {"steps": 1, "micro": 1, "workers": 0, "global_batch": 8, "packed": False}
    data = data_module(Namespace(shards=write_stream_shards(tmp_path / "shards"), run=tmp_path, **numbers))
    return data.micro_batches(data.sources).samples


def means(values):
    return torch.stack([value.float().mean((1, 2)) for value in values])


def all_of(samples):
    return [
        samples.read(Ref(index, shard, record))
        for index, source in enumerate(samples.sources)
        for shard, size in enumerate(source.shard_sizes)
        for record in range(size)
    ]


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_every_item_gets_its_own_features(samples, tmp_path, monkeypatch, batch):
    monkeypatch.setattr(features, "BATCH", batch)
    caches = {"image": cache_of(tmp_path / "f", "features", "image", ["part", "pre"], (3,), samples.sources)}
    num_shards = sum(len(source.headers) for source in samples.sources)
    assert fill(samples, caches, media_of, {"image": means}) == (num_shards, 0)
    assert fill(samples, caches, media_of, {"image": None}) == (0, num_shards)  # nothing is computed twice
    plain, kept = all_of(samples), all_of(replace(samples, features=caches))
    compared = 0
    for one, other in zip(plain, kept, strict=True):
        assert (one.key, type(one)) == (other.key, type(other))
        if not isinstance(one, Hole) and one.values:
            torch.testing.assert_close(torch.stack(list(other.values)).float(), means(one.values), rtol=1e-3, atol=0.1)
            compared += len(one.values)
    assert compared > 40


def test_no_more_than_a_batch_of_a_shards_media_is_held(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "BATCH", 3)
    seen, read = [], SampleReader.read

    def counting(self, ref):
        one = read(self, ref)
        if not isinstance(one, Hole):
            seen.extend(one.values)
        return one

    def checked(values):
        assert len(values) <= 3
        assert len(seen) <= len(values) + done[0] + 2  # those of the record that filled the batch are all read
        done[0] += len(values)
        return means(values)

    done = [0]
    monkeypatch.setattr(SampleReader, "read", counting)
    caches = {"image": cache_of(tmp_path / "f", "features", "image", ["part", "pre"], (3,), samples.sources)}
    fill(samples, caches, media_of, {"image": checked})
    assert done[0] == len(seen) > 40


def test_what_is_missing_is_filled_alone(samples, tmp_path):
    caches = {"image": cache_of(tmp_path / "f", "features", "image", ["part", "pre"], (3,), samples.sources)}
    fill(samples, caches, media_of, {"image": means})
    header = samples.sources[0].headers[0]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "f").rglob("*.safetensors")}
    caches["image"].path(samples.sources[0].name, header).unlink()
    assert fill(samples, caches, media_of, {"image": means}) == (1, len(before) - 1)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "f").rglob("*.safetensors")}
    assert after.keys() == before.keys()
    assert {path for path in after if after[path] != before[path]} == {
        caches["image"].path(samples.sources[0].name, header)
    }


def test_what_another_process_has_filled_meanwhile_is_left_to_it(samples, tmp_path, monkeypatch):
    caches = {"image": cache_of(tmp_path / "f", "features", "image", ["part", "pre"], (3,), samples.sources)}
    fill_shard = features._fill_shard

    def meanwhile(*arguments):
        monkeypatch.setattr(features, "_fill_shard", fill_shard)
        assert fill(samples, caches, media_of, {"image": means}) == (num_shards, 0)  # the one in hand here, too
        fill_shard(*arguments)

    monkeypatch.setattr(features, "_fill_shard", meanwhile)
    num_shards = sum(len(source.headers) for source in samples.sources)
    assert fill(samples, caches, media_of, {"image": means}) == (1, num_shards - 1)
    assert num_shards > 2


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_keeps_the_shards_that_are_done(samples, tmp_path, monkeypatch, number):
    caches = {"image": cache_of(tmp_path / "f", "features", "image", ["part", "pre"], (3,), samples.sources)}
    done, fill_shard, handlers = [], features._fill_shard, [signal.getsignal(name) for name in SIGNALS]

    def interrupted(*arguments):
        if len(done) == 3:
            os.kill(os.getpid(), number)
        fill_shard(*arguments)
        done.append(arguments)

    with monkeypatch.context() as patch:
        patch.setattr(features, "_fill_shard", interrupted)
        with pytest.raises(UserError, match=f"stopped by {number.name}; shards that were done are kept: give the same"):
            fill(samples, caches, media_of, {"image": means})
    assert [signal.getsignal(name) for name in SIGNALS] == handlers
    assert fill(samples, caches, media_of, {"image": means}).kept == 3


def test_only_the_shards_that_a_run_reads_are_filled(samples, tmp_path):
    caches = {"image": cache_of(tmp_path / "f", "features", "image", ["part", "pre"], (3,), samples.sources)}
    source = samples.sources[0]
    assert fill(samples, caches, media_of, {"image": means}, only={(0, 1)}) == (1, 0)
    assert fill(samples, caches, media_of, {"image": None}, only={(0, 1)}) == (0, 1)
    there = [caches["image"].path(source.name, header).exists() for header in source.headers]
    assert there == [shard == 1 for shard in range(len(there))]


@pytest.mark.parametrize("steps", [1, 3, 40])
def test_a_run_reads_from_the_shards_that_it_plans(tmp_path, steps, record_property):
    numbers = {"steps": steps, "micro": 1, "workers": 0, "global_batch": 4, "packed": True}
    data = data_module(Namespace(shards=write_stream_shards(tmp_path / "shards"), run=tmp_path, **numbers))
    batches = [batch for step in data.train_dataloader() for batch in step.micro_batches]
    seen = {(one.source, one.key) for batch in batches for one in batch.holes}
    seen |= {key for batch in batches for key in batch.samples}
    samples, found = data.micro_batches(data.sources).samples, set()
    for index, source in enumerate(data.sources):
        for shard, size in enumerate(source.shard_sizes):
            read = [samples.read(Ref(index, shard, record)) for record in range(size)]
            found |= {(index, shard) for one in read if (one.source, one.key) in seen}
    record_property("found", f"{len(found)} of {sum(len(s.headers) for s in data.sources)} shards in {steps} steps")
    assert data.planned_shards() == found


def test_a_sample_that_is_too_long_for_this_run_is_no_hole_in_the_cache(samples, tmp_path):
    caches = {"image": cache_of(tmp_path / "f", "features", "image", ["part", "pre"], (3,), samples.sources)}
    fill(replace(samples, max_tokens=20), caches, media_of, {"image": means})
    assert caches["image"].read(samples.sources[0].name, samples.sources[0].headers[0], 0) is not None


def test_captions_of_targets_get_their_conditioning(samples, tmp_path):
    made = [replace(samples.sources[0], recipe=partial(recipes.make_media, modality="image"))]
    asking = replace(samples, sources=made)
    cache = cache_of(tmp_path / "f", "conditioning", "image", ["part"], (1, 1), made)
    fill(asking, {"image": cache}, captions_of, {"image": lambda c: torch.tensor([[[float(len(t))]] for t in c])})
    for one in all_of(replace(asking, conditioning={"image": cache})):
        if not isinstance(one, Hole):
            assert [c.item() for c in one.conditioning] == [len(t.caption) for t in one.rendered.targets]


def test_a_target_without_a_caption_is_refused(samples):
    one = samples.read(Ref(0, 0, 0))
    nameless = replace(one, rendered=replace(one.rendered, targets=(Media("image", member="x"),)))
    with pytest.raises(ValueError, match="a target without a caption has no conditioning"):
        captions_of(nameless, "image")


def test_whatever_decides_the_numbers_decides_the_place(samples, tmp_path):
    header, sources = samples.sources[0].headers[0], samples.sources[:1]
    other = [replace(sources[0], recipe=partial(recipes.make_media, modality="image"))]
    first = ["features", "image", ["part", "pre"], (3,), sources]
    changes = {0: "conditioning", 1: "video", 2: ["part", "pro"], 4: other}

    def place(*given):
        return cache_of(tmp_path, *given).path(sources[0].name, header)

    places = {place(*[changes[i] if i == at else g for i, g in enumerate(first)]) for at in (*changes, None)}
    assert len(places) == 5
    assert place(*first) in places


def places(*words, change=lambda parts: None):
    """By kind and modality, the folders of the caches of a model."""
    from anyany.launch.command_line import composed
    from anyany.launch.experiment import assembled

    parts = assembled(composed(words))
    change(parts)
    some = zip(("features", "conditioning"), caches_of(Path("x"), parts, [], True, True), strict=True)
    return {(kind, name): cache.folder for kind, caches in some for name, cache in caches.items()}


@pytest.fixture(scope="module")
def plain():
    return places()


def edited(part, file, folder):
    """A copy of a part that ships, with one of its numbers changed."""
    shutil.copytree(PARTS / part, folder / part)
    tensors = load_file(folder / part / file)
    next(iter(tensors.values())).view(-1)[0] += 1
    save_file(tensors, folder / part / file, {"format": "pt"})
    return folder / part


def changed(one, other):
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def test_another_part_has_caches_of_its_own(plain, tmp_path):
    assert plain.keys() == {(kind, name) for kind in ("features", "conditioning") for name in SCENES}
    encoder = edited("imagebind", "model.safetensors", tmp_path)
    assert changed(plain, places(f"encoder.weights={encoder}")) == {("features", name) for name in SCENES}
    for file, decides in (("text_encoder/model", True), ("unet/diffusion_pytorch_model", False)):
        decoder = edited("stable_diffusion", f"{file}.safetensors", tmp_path / file)
        other = places("decoder=stable_diffusion", f"decoder.folder={decoder}")
        assert changed(plain, other) == ({("conditioning", "image")} if decides else set())


def test_another_preprocessing_has_a_cache_of_its_own(plain, monkeypatch):
    def more(parts):
        parts.preprocess["video"] = replace(parts.preprocess["video"], num_clips=2)

    assert changed(plain, places(change=more)) == {("features", "video")}
    source = inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda module: source(module) + "#" * (module is preprocess))
    assert changed(plain, places()) == {("features", name) for name in SCENES}  # its code is another


@pytest.mark.parametrize("without", ["rows.video.encoder=null", "rows.audio.connection=null"])
def test_rows_that_lack_a_modality_have_caches_of_their_own(plain, without):
    """There a conversation about it is a hole, which is no reason for holes where the modality is known."""
    assert plain == places("rows.image.num_signal_tokens=2")
    words = [without] + (["rows.video.input_projector=null"] if "video" in without else [])
    other = places(*words)
    assert other.keys() <= plain.keys()
    assert all(other[name] != plain[name] for name in other)


def test_text_is_no_medium(samples):
    one = samples.read(Ref(0, 0, 0))
    assert not any(isinstance(value, Text) for value in media_of(one, "image"))
    assert media_of(one, "audio") == []
