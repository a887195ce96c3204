import pytest
import torch

from anyany.models.encoders.imagebind import ImageBind, PretrainedImageBind
from anyany.models.encoders.imagebind.official import to_official_state
from tests.models.encoders.plain_imagebind import SMALL, small, small_values

MEDIA = ("image", "video", "audio")
WITHOUT = ("text", "depth", "thermal", "imu")


@pytest.fixture
def folder(tmp_path):
    small().save_pretrained(tmp_path / "bind")
    return tmp_path / "bind"


@pytest.mark.parametrize("features", ["patches", "joint"])
def test_it_is_the_saved_one_without_what_media_do_not_need(folder, features):
    encoder = PretrainedImageBind(folder, features=features)
    assert {p.device.type for p in encoder.parameters()} == {"meta"}
    assert set(encoder.configs) == {"vision", "audio"}
    assert encoder.modalities == MEDIA
    encoder.load()
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    saved = small(features=features)
    for modality in MEDIA:
        torch.testing.assert_close(encoder(small_values(modality), modality), saved(small_values(modality), modality))
        assert encoder(small_values(modality), modality).shape[1] == encoder.num_features(modality)


def test_a_published_file_is_read_as_it_is(tmp_path):
    saved = small()
    torch.save(to_official_state(saved.state_dict()), tmp_path / "imagebind.pth")
    numbers = {name: value for name, value in SMALL.items() if name not in WITHOUT}
    encoder = PretrainedImageBind(tmp_path / "imagebind.pth", numbers=numbers)
    encoder.load()
    for modality in MEDIA:
        torch.testing.assert_close(encoder(small_values(modality), modality), saved(small_values(modality), modality))


def test_the_digest_tells_weights_and_numbers_apart(folder):
    encoder = PretrainedImageBind(folder)
    digests = {encoder.digest()}
    encoder.load()
    digests.add(encoder.digest())  # loading changes nothing
    assert len(digests) == 1
    digests.add(PretrainedImageBind(folder, features="joint").digest())
    other = small()
    with torch.no_grad():
        other.vision.stem.position.add_(0.1)
    other.save_pretrained(folder)
    digests.add(PretrainedImageBind(folder).digest())
    assert len(digests) == 3


def test_a_folder_without_weights_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        PretrainedImageBind(tmp_path)


def test_an_encoder_in_memory_has_a_digest_of_its_weights_and_numbers(folder):
    one, other = ImageBind.from_pretrained(folder), ImageBind.from_pretrained(folder)
    assert one.digest() == other.digest()
    next(other.parameters()).data.view(-1)[0] += 1e-3
    assert one.digest() != other.digest()
