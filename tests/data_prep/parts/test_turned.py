import numpy as np
import pytest
import torch

from data_prep.parts.turned import _turn, half_backwards, turned


def test_a_third_of_a_turn_moves_red_to_green_to_blue():
    red, green, blue = torch.eye(3)
    for color, wanted in ((red, green), (green, blue), (blue, red)):
        torch.testing.assert_close(_turn(2 * np.pi / 3) @ color, wanted, atol=1e-6, rtol=0)


def test_half_a_turn_of_red_is_the_reflection_at_grey():
    torch.testing.assert_close(_turn(np.pi) @ torch.tensor([3.0, 0, 0]), torch.tensor([-1.0, 2, 2]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(5, 3, 4, 4), (5, 2, 3, 4, 4)])
def test_each_item_is_turned_by_its_own_angle_and_grey_stays(shape):
    rng = np.random.default_rng(0)
    grey = torch.full(shape, 90, dtype=torch.uint8)
    assert torch.equal(turned(grey, rng), grey)
    red = torch.zeros(shape, dtype=torch.uint8)
    red.movedim(-3, 0)[0] = 90
    found = turned(red, rng)
    assert (found.dtype, found.shape) == (torch.uint8, red.shape)
    pixels = found.movedim(-3, -1).flatten(1, -2)
    assert len({tuple(item[0].tolist()) for item in pixels}) == 5
    assert (pixels == pixels[:, :1]).all()
    assert ((pixels.float().norm(dim=-1) - 90).abs() < 2).any()  # those where nothing is cut


def test_about_half_of_the_clips_run_backwards():
    clips = torch.arange(8, dtype=torch.uint8).view(1, 8, 1, 1, 1).expand(400, 8, 3, 2, 2)
    firsts = half_backwards(clips, np.random.default_rng(0))
    assert all(torch.equal(clip, clips[0]) or torch.equal(clip, clips[0].flip(0)) for clip in firsts)
    assert 160 < sum(torch.equal(clip, clips[0]) for clip in firsts) < 240
