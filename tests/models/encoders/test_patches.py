import pickle

import pytest
import torch

from anyany.models.encoders.patches import Patches, mel_bands


@pytest.mark.parametrize("modality", Patches.modalities)
@pytest.mark.parametrize("options", [{}, {"image_px": 64, "patch_px": 16, "sound_s": 1.3, "num_mels": 20}], ids=str)
def test_shapes_are_as_promised(modality, options):
    encoder = Patches(**options)
    values = torch.zeros(2, *encoder.preprocess(modality).output_shape)
    assert encoder(values, modality).shape == (2, encoder.num_features(modality), encoder.dim)


def test_patches_are_the_pixels_row_by_row():
    encoder = Patches(image_px=4, patch_px=2, num_mels=4)
    picture_3HW = torch.arange(48, dtype=torch.uint8).reshape(1, 3, 4, 4)
    wanted = [
        [picture_3HW[0, c, y + i, x + j] / 127.5 - 1 for c in range(3) for i in range(2) for j in range(2)]
        for y in (0, 2)
        for x in (0, 2)
    ]
    torch.testing.assert_close(encoder(picture_3HW, "image")[0], torch.tensor(wanted))


def test_a_clip_is_its_frames_one_after_the_other():
    encoder = Patches(image_px=8, patch_px=4, num_frames=3)
    clips = torch.randint(0, 256, (2, 3, 3, 8, 8), dtype=torch.uint8)
    frames = torch.cat([encoder(clips[:, f], "image") for f in range(3)], dim=1)
    torch.testing.assert_close(encoder(clips, "video"), frames)


def test_a_tone_stands_in_its_mel_band():
    encoder = Patches()
    time_s = torch.arange(32_000) / 16_000
    for hz in (500.0, 1500.0, 4000.0):
        features = encoder(torch.sin(2 * torch.pi * hz * time_s)[None], "audio")
        loudest = int(features[0, 10, :32].argmax())  # the first spectrogram frame of a stretch
        edges_mel = torch.linspace(0, 2595 * torch.log10(torch.tensor(1 + 8000 / 700)).item(), 34)
        nearest = int((700 * (10 ** (edges_mel[1:-1] / 2595) - 1) - hz).abs().argmin())
        assert abs(loudest - nearest) <= 1, hz


def test_mel_bands_cover_the_spectrum_once():
    bands_MB = mel_bands(20, 400, 16_000)
    total_B = bands_MB.sum(0)
    inner = slice(5, 170)  # between the middles of the first band (60 Hz) and the last (7 kHz)
    torch.testing.assert_close(total_B[inner], torch.ones(201)[inner], atol=1e-4, rtol=0)


def test_preprocessing_resizes_and_pads():
    encoder = Patches(image_px=16, sound_s=0.01)
    white = torch.full((3, 40, 60), 255, dtype=torch.uint8)
    torch.testing.assert_close(encoder.preprocess("image")(white), torch.full((3, 16, 16), 255, dtype=torch.uint8))
    torch.testing.assert_close(encoder(encoder.preprocess("image")(white)[None], "image"), torch.ones(1, 4, 192))
    sound = encoder.preprocess("audio")(torch.ones(100))
    assert sound.tolist() == [1.0] * 100 + [0.0] * 60
    assert encoder.preprocess("audio")(torch.ones(500)).shape == (160,)
    for modality in Patches.modalities:
        copy = pickle.loads(pickle.dumps(encoder.preprocess(modality)))
        assert copy == encoder.preprocess(modality)


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="image_px=30 is no multiple of patch_px=8"):
        Patches(image_px=30)
    with pytest.raises(ValueError, match="num_mels=500 is more than the 192"):
        Patches(num_mels=500)
