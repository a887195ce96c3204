import pytest
import torch

from anyany.models.input_projectors.linear import LinearProjector
from anyany.models.input_projectors.mlp import MLPProjector

PROJECTORS = [LinearProjector, MLPProjector]


@pytest.mark.parametrize("kind", PROJECTORS)
@pytest.mark.parametrize(
    ("num_pooled", "rows_per_feature", "expected"),
    [(None, 1, 6), (1, 1, 1), (3, 1, 3), (4, 1, 4), (6, 1, 6), (8, 1, 6), (None, 2, 12), (1, 5, 5), (4, 3, 12)],
)
def test_shapes(kind, num_pooled, rows_per_feature, expected):
    projector = kind(4, 5, num_pooled, rows_per_feature)
    assert projector.num_rows(6) == expected
    assert projector(torch.zeros(2, 6, 4)).shape == (2, expected, 5)


@pytest.mark.parametrize("kind", PROJECTORS)
@pytest.mark.parametrize("name", ["num_pooled", "rows_per_feature"])
def test_no_rows_are_refused(kind, name):
    with pytest.raises(ValueError, match=f"{name} is 0; give at least 1"):
        kind(4, 5, **{name: 0})


def test_rows_are_means_of_neighbours_in_order():
    projector = LinearProjector(4, 4, 3)
    torch.nn.init.eye_(projector.linear.weight)
    torch.nn.init.zeros_(projector.linear.bias)
    features_NLD = torch.randn(2, 6, 4)
    torch.testing.assert_close(projector(features_NLD), features_NLD.reshape(2, 3, 2, 4).mean(2))


def test_rows_of_a_feature_stand_together():
    projector = LinearProjector(2, 2, rows_per_feature=2)
    projector.linear.weight.data = torch.tensor([[1.0, 0], [0, 1], [10, 0], [0, 10]])
    torch.nn.init.zeros_(projector.linear.bias)
    features_NLD = torch.tensor([[[1.0, 2], [3, 4]]])
    expected = torch.tensor([[[1.0, 2], [10, 20], [3, 4], [30, 40]]])
    torch.testing.assert_close(projector(features_NLD), expected)


@pytest.mark.parametrize("kind", PROJECTORS)
def test_normalised_features_have_no_size(kind):
    """Of what is left after pooling: a feature's mean and variance do not matter, and it has no parameters for it."""
    features_NLD, plain = torch.randn(2, 6, 4), kind(4, 5, 3)
    projector = kind(4, 5, 3, normalise=True)
    assert [p.shape for p in projector.parameters()] == [p.shape for p in plain.parameters()]
    torch.testing.assert_close(projector(features_NLD), projector(300 * features_NLD - 7), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(plain(features_NLD), plain(300 * features_NLD - 7))


def test_two_layers_by_hand():
    projector = MLPProjector(3, 2, 2, hidden_dim=3)
    first, _, last = projector.layers
    torch.nn.init.eye_(first.weight)
    torch.nn.init.zeros_(first.bias)
    last.weight.data = torch.tensor([[1.0, 0, 0], [0, 1.0, 1.0]])
    last.bias.data = torch.tensor([0.0, 10.0])
    features_NLD = torch.tensor([[[0.0, 100.0, -100.0], [2.0, 100.0, -100.0], [-1.0, 1.0, 3.0], [1.0, 1.0, -3.0]]])
    gelu_of_one = 0.8413447  # of a normal distribution, what lies below 1
    expected = torch.tensor([[[gelu_of_one, 110.0], [0.0, 10.0 + gelu_of_one]]])
    torch.testing.assert_close(projector(features_NLD), expected)


@pytest.mark.parametrize(
    ("kind", "count"),
    [(LinearProjector, 4_198_400), (MLPProjector, 20_979_712)],
)
def test_parameters_of_the_published_projectors(kind, count):
    with torch.device("meta"):
        projector = kind(1024, 4096)
    assert sum(p.numel() for p in projector.parameters()) == count
