import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from anyany.media.table import MediaSpec
from anyany.models.encoders.imagebind import ImageBind
from anyany.models.encoders.imagebind.preprocess import CentreSquare, ClipCrops, MelClips
from anyany.ops.fbank import kaldi_fbank
from tests.models.encoders.plain_imagebind import SMALL

SPEC = MediaSpec(num_frames=4, sample_rate_hz=16_000)
SAMPLINGS = [{}, {"video_clips": 3, "video_crops": 3, "audio_clips": 2, "clip_s": 0.25}, {"features": "joint"}]


def media(modality, spec, height=11, width=17, num_samples=9000):
    generator = torch.Generator().manual_seed(0)
    if modality == "audio":
        return torch.randn(num_samples, generator=generator) * 0.1
    shape = (3, height, width) if modality == "image" else (spec.num_frames, 3, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("modality", ["image", "video", "audio"])
@pytest.mark.parametrize("options", SAMPLINGS, ids=str)
def test_what_is_promised_is_given(modality, options):
    encoder = ImageBind(**(SMALL | options))
    preprocess = encoder.preprocess(modality)
    values = preprocess(media(modality, preprocess.spec))
    assert (tuple(values.shape), values.dtype) == (preprocess.output_shape, preprocess.output_dtype)
    assert values.is_contiguous()
    assert encoder(values[None], modality).shape == (1, encoder.num_features(modality), encoder.dim)
    copy = pickle.loads(pickle.dumps(preprocess))
    assert copy == preprocess
    torch.testing.assert_close(copy(media(modality, preprocess.spec)), values, atol=0, rtol=0)


def test_modalities_are_those_with_a_branch():
    encoder = ImageBind(audio=SMALL["audio"], imu=SMALL["imu"], clip_s=0.2)
    assert encoder.modalities == ("audio",)
    assert ImageBind(vision=SMALL["vision"]).modalities == ("image", "video")
    with pytest.raises(ValueError, match="reads audio, imu, not image"):
        encoder.preprocess("image")
    with pytest.raises(ValueError, match="imu is not decoded from media"):
        encoder.preprocess("imu")


@pytest.mark.parametrize(("height", "width"), [(31, 57), (57, 31), (9, 9), (8, 20), (5, 7)])
def test_pictures_are_resized_as_pillow_does(height, width):
    picture = media("image", SPEC, height, width)
    short = min(height, width)
    size = (8 * width // short, 8 * height // short)
    resized = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - 8) / 2), round((size[1] - 8) / 2)
    wanted = torch.from_numpy(np.array(resized.crop((left, top, left + 8, top + 8)))).permute(2, 0, 1)
    found = CentreSquare(SPEC, 8)(picture)
    assert (found.int() - wanted.int()).abs().max() <= 1


def test_the_middle_of_a_picture():
    columns = torch.arange(11, dtype=torch.uint8).expand(3, 4, 11)
    assert CentreSquare(SPEC, 4)(columns)[0, 0].tolist() == [4, 5, 6, 7]  # 3.5 rounds to 4


def test_crops_lie_along_the_longer_side():
    frames = (10 * torch.arange(4)[:, None, None, None] + torch.arange(9)).expand(4, 3, 4, 9).to(torch.uint8)
    clips = ClipCrops(SPEC, 4, frames=2, num_clips=2, num_crops=3)(frames)
    assert clips.shape == (6, 2, 3, 4, 4)
    first_columns = clips[:, :, 0, 0, 0].tolist()
    assert first_columns == [[0, 10], [3, 13], [5, 15], [20, 30], [23, 33], [25, 35]]  # 2.5 is rounded up
    assert clips[1, 0, 2, 3].tolist() == [3, 4, 5, 6]
    upright = ClipCrops(SPEC, 4, frames=2, num_clips=2, num_crops=3)(frames.transpose(2, 3))
    torch.testing.assert_close(upright, clips.transpose(3, 4))
    middle = ClipCrops(SPEC, 4, frames=4, num_clips=1, num_crops=1)(frames)
    assert middle[:, :, 0, 0, 0].tolist() == [[3, 13, 23, 33]]


def test_frames_are_halved_by_their_four_neighbours():
    frames = torch.tensor([[0, 10, 20, 30], [2, 12, 22, 32], [100, 0, 8, 8], [0, 0, 8, 8]], dtype=torch.uint8)
    clip = ClipCrops(SPEC, 2, frames=1, num_clips=1, num_crops=1)(frames.expand(1, 3, 4, 4))
    assert clip[0, 0, 1].tolist() == [[6, 26], [25, 8]]


def test_clips_of_a_sound_start_where_published():
    mels = MelClips(SPEC, 2.0, num_clips=3, num_mels=16, num_frames=204)
    sound_S = media("audio", SPEC, num_samples=160_000) * torch.linspace(0.1, 1, 160_000) + 0.05
    found = mels(sound_S)
    assert found.shape == (3, 1, 16, 204)
    for clip_1MT, start in zip(found, [0, 42_666, 85_333], strict=True):  # 0, 2.667 and 5.333 s
        piece_S = sound_S[start : start + 32_000]
        wanted_TM = (kaldi_fbank(piece_S - piece_S.mean(), 16, 16_000) + 4.268) / 9.138
        torch.testing.assert_close(clip_1MT[0, :, :198], wanted_TM.T)
        torch.testing.assert_close(clip_1MT[0, :, 198:], torch.full((16, 6), 0.46706), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("num_samples", "num_windows"), [(1, 1), (399, 1), (8_000, 48), (31_919, 197), (32_000, 198)])
def test_short_sounds_are_filled_up(num_samples, num_windows):
    found = MelClips(SPEC, 2.0, num_clips=2, num_mels=8, num_frames=204)(media("audio", SPEC, num_samples=num_samples))
    assert torch.equal(found[0], found[1])
    filled_T = (found[0, 0] - 4.268 / 9.138).abs().amax(0) < 1e-6
    assert filled_T.tolist() == [False] * num_windows + [True] * (204 - num_windows)
    assert torch.isfinite(found).all()


def test_loudness_moves_every_band_alike():
    mels = MelClips(SPEC, 0.2, num_clips=1, num_mels=8, num_frames=18)
    sound_S = media("audio", SPEC, num_samples=3_200)
    louder = mels(10 * sound_S) - mels(sound_S)
    torch.testing.assert_close(louder, torch.full((1, 1, 8, 18), float(np.log(100) / 9.138)), atol=1e-4, rtol=0)
