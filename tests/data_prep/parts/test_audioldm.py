import pytest
import torch

from anyany.models.decoders.audioldm import AudioLDM
from data_prep.parts import audioldm
from data_prep.parts.audioldm import HEARD, heard
from data_prep.parts.pools import pool


@pytest.fixture
def parts(starts, tmp_path):
    decoder = AudioLDM(starts / "audioldm")
    decoder.load()
    return decoder, pool(tmp_path, "audio", 10, workers=1)


def test_the_denoiser_hears_a_share_of_each_kind(parts):
    """Of ten records: five of them, five without one of two names, and ten beyond all names."""
    decoder, pool = parts
    made = heard(decoder, pool)
    assert list(HEARD.values()) == [1 / 2, 1 / 2, 1]
    assert len(made.mean) == len(made.std) == len(made.scenes) == 20
    assert list(made.scenes[:5]) == pool.scenes[:5]
    for scene in made.scenes[5:10]:
        assert (scene.events[0].timbre is None) != (scene.events[0].pitch is None)
    assert made.beside.flatten(1).norm(dim=1)[:10].tolist() == [0.0] * 10
    assert (made.beside.flatten(1).norm(dim=1)[10:] > 0.6).all()
    alone = decoder.vae.encode(audioldm.spectrograms(decoder, pool, range(5)).unsqueeze(1)).latent_dist.mean
    torch.testing.assert_close(made.mean[:5], alone * decoder.vae.config.scaling_factor, atol=1e-4, rtol=1e-3)
