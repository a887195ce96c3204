import pickle
from dataclasses import replace

import pytest
import torch

from anyany.data.feature_cache import FeatureCache
from anyany.data.scan import ShardHeader

RECIPES = {"s": "read", "other": "make"}
HEADER = ShardHeader("file:///data/a.tar", 4, 10_240, {"jpg": 4}, digest="d")
ITEMS = [[torch.full((2, 3), 1.0)], [], None, [torch.full((2, 3), 2.0), torch.full((2, 3), -0.1)]]


def test_the_items_of_each_record_come_back(tmp_path):
    cache = FeatureCache(tmp_path / "features", (2, 3), RECIPES)
    cache.write("s", HEADER, ITEMS)
    for _ in range(2):
        first, none, unreadable, both = (cache.read("s", HEADER, record) for record in range(4))
        assert first.dtype == torch.float16
        assert torch.equal(first, torch.ones(1, 2, 3).half())
        assert none.shape == (0, 2, 3)
        assert unreadable is None
        assert torch.equal(both[0], torch.full((2, 3), 2.0).half())
        torch.testing.assert_close(both[1].float(), torch.full((2, 3), -0.1), atol=1e-4, rtol=0)
        cache = pickle.loads(pickle.dumps(cache))
    assert [path.suffix for path in tmp_path.rglob("*.*")] == [".safetensors"]


@pytest.mark.parametrize("change", [{"url": "file:///data/b.tar"}, {"size_bytes": 20_480}, {"digest": "e"}])
def test_another_shard_has_another_file(tmp_path, change):
    cache = FeatureCache(tmp_path, (2, 3), RECIPES)
    cache.write("s", HEADER, ITEMS)
    with pytest.raises(FileNotFoundError):
        cache.read("s", replace(HEADER, **change), 0)


def test_another_recipe_has_another_file(tmp_path):
    cache = FeatureCache(tmp_path, (2, 3), RECIPES)
    cache.write("s", HEADER, ITEMS)
    with pytest.raises(FileNotFoundError):
        cache.read("other", HEADER, 0)


def test_a_shard_of_which_nothing_is_read_has_a_file_too(tmp_path):
    cache = FeatureCache(tmp_path, (2, 3), RECIPES)
    cache.write("s", HEADER, [[], None, [], []])
    assert cache.read("s", HEADER, 1) is None
    assert cache.read("s", HEADER, 0).shape == (0, 2, 3)


def test_items_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"items of shape \[2, 3\] for a cache of \[2, 4\]"):
        FeatureCache(tmp_path, (2, 4), RECIPES).write("s", HEADER, ITEMS)
    assert list(tmp_path.iterdir()) == []
