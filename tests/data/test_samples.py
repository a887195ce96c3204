from dataclasses import replace
from functools import partial

import pytest
import torch

from anyany.data import recipes
from anyany.data.feature_cache import FeatureCache
from anyany.data.index import read_index, write_index
from anyany.data.order import Ref
from anyany.data.sources import open_source
from anyany.messages.collate import Hole, Sample, collate
from tests.data.shards import write_shard
from tests.data.stream_shards import FAULTY, jpeg


def all_refs(samples):
    return [
        Ref(s, shard, record)
        for s, source in enumerate(samples.sources)
        for shard, size in enumerate(source.shard_sizes)
        for record in range(size)
    ]


def test_every_record_becomes_a_sample_or_a_hole_of_its_kind(samples):
    read = [samples.read(ref) for ref in all_refs(samples)]
    holes = {one.key: one.kind for one in read if isinstance(one, Hole)}
    assert holes == {f"pair{n:04d}": kind for n, kind in FAULTY.items()}
    good = [one for one in read if isinstance(one, Sample)]
    assert len(good) == 60 + 30 - len(FAULTY)


def test_the_media_of_a_sample_are_those_of_its_record(samples):
    from anyany.media.pictures import decode_picture

    for number in (0, 12, 59):
        sample = samples.read(Ref(0, number // 10, number % 10))
        assert sample.key == f"pair{number:04d}"
        wanted = decode_picture(jpeg(number))
        torch.testing.assert_close(sample.values[0], wanted, rtol=0, atol=0)


def test_too_long_is_a_hole_not_a_cut(samples):
    short = replace(samples, max_tokens=20)
    hole = short.read(Ref(0, 0, 0))
    assert isinstance(hole, Hole)
    assert hole.kind == "too_long"
    assert "max_tokens=20" in hole.message


def test_targets_are_decoded_where_asked_for(samples):
    sources = [replace(samples.sources[0], recipe=partial(recipes.make_media, modality="image"))]
    without = replace(samples, sources=sources).read(Ref(0, 0, 0))
    assert without.target_values == [None]
    asked = replace(samples, sources=sources, target_preprocess=samples.preprocess).read(Ref(0, 0, 0))
    assert asked.target_values[0].shape == (3, 16, 16)


def broken(**members):
    return [("k", {name.replace("_", "."): data for name, data in members.items()})]


CLIP = {"video": partial(recipes.read_media, modality="video"), "audio": partial(recipes.read_media, modality="audio")}


@pytest.mark.parametrize(
    ("modality", "members", "kind"),
    [
        ("video", {"mp4": b"not a clip at all", "txt": b"a"}, "broken_video"),
        ("video", {"mp4": b"", "txt": b"a"}, "broken_video"),
        ("audio", {"wav": b"RIFF", "txt": b"a"}, "broken_audio"),
        ("audio", {"wav": b"", "txt": b"a"}, "empty_audio"),
        ("video", {"mp4": b"x", "txt": b""}, "empty_caption"),
        ("video", {"txt": b"a"}, "missing_member"),
        ("audio", {"wav": b"x", "json": b"{]"}, "bad_json"),
    ],
)
def test_faults_of_every_kind(samples, tmp_path, modality, members, kind):
    from anyany.messages.vocabulary import RowTokens, Vocabulary
    from anyany.models.encoders.patches import Patches

    path = write_shard(tmp_path / "a.tar", broken(**members))
    write_index(path)
    vocabulary = Vocabulary(samples.vocabulary.tokenizer_json, "tiny", {modality: RowTokens("<|m|>", 1)})
    reader = replace(
        samples,
        sources=[open_source("a", str(path), CLIP[modality])],
        vocabulary=vocabulary,
        preprocess={modality: Patches().preprocess(modality)},
    )
    hole = reader.read(Ref(0, 0, 0))
    assert isinstance(hole, Hole)
    assert hole.kind == kind


def test_a_tar_that_was_cut_off_leaves_holes_behind_the_cut(samples, tmp_path):
    records = [(f"k{n}", {"jpg": jpeg(n), "txt": b"a"}) for n in range(4)]
    path = write_shard(tmp_path / "a.tar", records)
    write_index(path)
    source = open_source("a", str(path), samples.sources[0].recipe)
    store = samples.reader.store
    # The picture of the third record is cut in two, after the run has begun
    cut = read_index(str(path), store).members[2]["jpg"][0] + 100
    path.write_bytes(path.read_bytes()[:cut])
    reader = replace(samples, sources=[source])
    kinds = [one.kind if isinstance(one, Hole) else "" for one in (reader.read(Ref(0, 0, n)) for n in range(4))]
    assert kinds == ["", "", "cut_off_shard", "cut_off_shard"]


def test_a_missing_shard_is_an_error_at_once(samples, tmp_path):
    path = write_shard(tmp_path / "a.tar", [("k", {"jpg": jpeg(0), "txt": b"a"})])
    write_index(path)
    source = open_source("a", str(path), samples.sources[0].recipe)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        open_source("a", str(path), samples.sources[0].recipe)
    with pytest.raises(FileNotFoundError):
        replace(samples, sources=[source]).read(Ref(0, 0, 0))


def cached(samples, folder):
    """A cache with features of the first shard's pictures: their means."""
    cache = FeatureCache(folder, (1, 3), {"pairs": "r"})
    for shard, header in enumerate(samples.sources[0].headers):
        read = [samples.read(Ref(0, shard, record)) for record in range(header.num_records)]
        items = [None if isinstance(one, Hole) else [v.float().mean((1, 2))[None] for v in one.values] for one in read]
        cache.write("pairs", header, items)
    return cache


def test_features_stand_in_for_media(samples, tmp_path):
    known = replace(samples, sources=samples.sources[:1], features={"image": cached(samples, tmp_path)})
    plain = [samples.read(ref) for ref in all_refs(known)]
    found = [known.read(ref) for ref in all_refs(known)]
    assert {type(one) for one in found} == {Sample, Hole}
    for one, other in zip(plain, found, strict=True):
        assert one.key == other.key
        assert type(one) is type(other)
        if isinstance(one, Sample):
            assert [v.shape for v in other.values] == [(1, 3)] * len(one.values)
            for value, feature in zip(one.values, other.values, strict=True):
                torch.testing.assert_close(feature[0].float(), value.float().mean((1, 2)), rtol=1e-3, atol=0.1)


def test_media_that_have_features_are_not_decoded(samples, tmp_path, monkeypatch):
    known = replace(samples, sources=samples.sources[:1], features={"image": cached(samples, tmp_path)})
    monkeypatch.setattr("anyany.data.samples._decode", None)
    assert isinstance(known.read(Ref(0, 0, 0)), Sample)
    with pytest.raises(TypeError):
        samples.read(Ref(0, 0, 0))


def test_targets_come_with_their_conditioning(samples, tmp_path):
    sources = [replace(samples.sources[0], recipe=partial(recipes.make_media, modality="image"))]
    cache = FeatureCache(tmp_path / "c", (2, 4), {"pairs": "r"})
    for header in sources[0].headers:
        cache.write("pairs", header, [[torch.full((2, 4), float(r))] for r in range(header.num_records)])
    known = replace(samples, sources=sources, conditioning={"image": cache})
    sample = known.read(Ref(0, 1, 3))
    assert [c.tolist() for c in sample.conditioning] == [[[3.0] * 4] * 2]
    batch = collate([[sample], [known.read(Ref(0, 0, 5))]], samples.vocabulary, {})
    assert batch.targets["image"].conditioning_NLD[:, 0, 0].tolist() == [3.0, 5.0]
    assert collate([[]], samples.vocabulary, {}).targets["image"].conditioning_NLD is None
