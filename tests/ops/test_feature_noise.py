import pytest
import torch

from anyany.ops.feature_noise import noisy


def test_an_item_has_its_own_in_whatever_batch_it_stands():
    torch.manual_seed(0)
    features_NLD = torch.randn(3, 4, 6)
    together_NLD = noisy(features_NLD, 0.5, [7, 8, 9])
    for n, seed in enumerate((7, 8, 9)):
        assert torch.equal(noisy(features_NLD[n : n + 1], 0.5, [seed])[0], together_NLD[n])
    assert not torch.equal(noisy(features_NLD, 0.5, [7, 8, 10])[2], together_NLD[2])


def test_its_size_is_that_of_the_feature_s_own_numbers():
    """Two features of one item, one a hundred times larger and one that is constant."""
    numbers_D = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    features_NLD = torch.stack([numbers_D, 100 * numbers_D + 3, torch.full_like(numbers_D, 5.0)])[None]
    moved_LD = (noisy(features_NLD, 0.3, [1]) - features_NLD)[0]
    assert moved_LD.std(-1).tolist() == pytest.approx([0.3, 30, 0], rel=0.03)
    assert moved_LD.mean(-1).tolist() == pytest.approx([0, 0, 0], abs=0.5)


def test_none_at_a_scale_of_zero():
    features_NLD = torch.randn(2, 1, 5)
    assert torch.equal(noisy(features_NLD, 0.0, [1, 2]), features_NLD)
