import pytest
import torch

from data_prep.parts.multiples import FINEST, nearest_multiple


@pytest.mark.parametrize(
    ("hz", "nearest_hz"),
    [(320, 300), (741, 750), (779, 800), (812, 800), (1_580, 1_600), (1_655, 1_700), (1_949, 1_900), (1_951, 2_000),
     (3_190, 3_200), (3_310, 3_400), (7_100, 7_200)],
)  # fmt: skip
def test_steps_are_coarser_the_higher_a_pitch_lies(hz, nearest_hz):
    assert nearest_multiple(torch.tensor(float(hz)), 50.0).item() == nearest_hz


def test_none_is_far_off_and_all_are_multiples():
    hz = torch.arange(200.0, 7_200.0, 7.0)
    moved_hz = nearest_multiple(hz, 50.0)
    torch.testing.assert_close(moved_hz / 50, (moved_hz / 50).round())
    assert (moved_hz - hz).abs().max() <= 1 / (2 * FINEST) * hz.max()
    assert ((moved_hz - hz).abs() <= torch.maximum(torch.tensor(25.0), hz / (2 * FINEST)) + 1e-3).all()
    assert (moved_hz.diff() >= 0).all()
    assert torch.equal(nearest_multiple(moved_hz, 50.0), moved_hz)
