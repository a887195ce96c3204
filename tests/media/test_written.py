import pytest
import torch

from anyany.media.table import MEDIA, MediaSpec
from anyany.media.written import FILES, written

MADE = {
    "image": torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8),
    "video": torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8),
    "audio": torch.rand(8_000) - 0.5,
}
RATES_HZ = {"image": 0.0, "video": 4.0, "audio": 16_000.0}


@pytest.mark.parametrize("modality", FILES)
def test_media_are_written_as_they_are_read(modality, tmp_path):
    paths = [written(modality, MADE[modality], RATES_HZ[modality], tmp_path / "out", 3) for _ in range(2)]
    extension = FILES[modality][0]
    assert [path.name for path in paths] == [f"3-{modality}.{extension}", f"3-{modality}-1.{extension}"]
    decoded = MEDIA[modality].decode(paths[0].read_bytes(), MediaSpec())
    assert decoded.shape == MADE[modality].shape
    if modality != "video":  # whose file loses some
        torch.testing.assert_close(decoded.float(), MADE[modality].float(), atol=1e-3, rtol=0)
