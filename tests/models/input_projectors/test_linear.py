import pytest
import torch

from anyany.models.input_projectors.linear import LinearProjector


@pytest.mark.parametrize(("num_rows", "expected"), [(None, 6), (1, 1), (3, 3), (6, 6)])
def test_shapes(num_rows, expected):
    projector = LinearProjector(4, 5, num_rows)
    assert projector.num_rows(6) == expected
    assert projector(torch.zeros(2, 6, 4)).shape == (2, expected, 5)


def test_rows_are_means_of_neighbours_in_order():
    projector = LinearProjector(4, 4, 3)
    torch.nn.init.eye_(projector.linear.weight)
    torch.nn.init.zeros_(projector.linear.bias)
    features_NLD = torch.randn(2, 6, 4)
    torch.testing.assert_close(projector(features_NLD), features_NLD.reshape(2, 3, 2, 4).mean(2))


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="num_rows is 0; give at least 1"):
        LinearProjector(4, 5, 0)


def test_parameters_of_the_published_projector():
    projector = LinearProjector(1024, 4096, 1)
    assert sum(p.numel() for p in projector.parameters()) == 4_198_400
