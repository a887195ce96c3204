import pytest
import torch

from anyany.evaluation import bounds as module
from anyany.evaluation.bounds import SHIPPED, bounds
from anyany.evaluation.decoders import seed_of
from anyany.figures import share
from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.levels import LEVELS
from anyany.microworld.records import render
from anyany.microworld.scenes import Group, Picture
from anyany.models.contracts import ConditioningSpec, Decoder
from anyany.seeds import rng_of

SCENES = [Picture((Group(number, "red", "circle"),)) for number in (1, 2, 3)]
CAPTIONS = ["one red circle", "two red circles", "three red circles"]


class Painter(Decoder):
    """Draws as many circles as its conditioning says, rounded; nothing beyond three."""

    modality, spec = "image", ConditioningSpec(1, 1)

    def __init__(self, name="painter"):
        super().__init__()
        self.name, self.seeds, self.calls = name, [], 0

    def load(self, captions_only=False):
        raise AssertionError

    encode = denoising_loss = load

    def digest(self, captions_only=False):
        return self.name

    def condition(self, captions):
        return torch.tensor([float(CAPTIONS.index(caption) + 1) for caption in captions]).view(-1, 1, 1)

    def generate(self, conditioning_NLD, seeds):
        self.calls += 1
        self.seeds += list(seeds)
        made = [render(SCENES[round(float(n)) - 1], LEVELS["easy"], rng_of(0)) for n in conditioning_NLD.flatten()]
        return torch.stack([MEDIA["image"].decode(data, MediaSpec()) for data in made])


def test_the_ceiling_is_the_decoders_own_and_the_floor_that_of_the_mean(tmp_path):
    found = bounds(Painter(), CAPTIONS, SCENES, tmp_path)
    assert found["ceiling"]["all_right"] == share(3, 3)
    assert found["floor"]["all_right"] == share(1, 3)  # two of everything
    assert found["floor"]["color"] == share(3, 3)


@pytest.mark.parametrize("batch", [1, 2, 50])
def test_seeds_do_not_follow_batches(tmp_path, monkeypatch, batch):
    for place in (module, __import__("anyany.evaluation.decoders", fromlist=["BATCH"])):
        monkeypatch.setattr(place, "BATCH", batch)
    painter = Painter()
    bounds(painter, CAPTIONS, SCENES, tmp_path)
    assert painter.seeds == [seed_of(0, index) for index in range(3)] * 2


def test_they_are_kept_under_the_decoders_digest_and_what_was_asked(tmp_path):
    found = bounds(Painter(), CAPTIONS, SCENES, tmp_path)
    again = Painter()
    kept = bounds(again, CAPTIONS, SCENES, tmp_path)
    assert again.calls == 0
    for bound, named in found.items():
        for name, figure in named.items():
            assert kept[bound][name].as_json() == figure.as_json()
    for other, asked in ((Painter("another"), 3), (Painter(), 2)):
        bounds(other, CAPTIONS[:asked], SCENES[:asked], tmp_path)
        assert other.calls == 2
    assert len(list(tmp_path.iterdir())) == 3


def test_those_of_a_shipped_decoder_stand_in_its_folder(tmp_path):
    maker = Painter()
    found = bounds(maker, CAPTIONS, SCENES, tmp_path / "part" / SHIPPED)  # as data_prep.bounds does
    shipped = Painter()
    shipped.origin = str(tmp_path / "part")
    assert bounds(shipped, CAPTIONS, SCENES, tmp_path / "cache")["floor"]["all_right"].value == pytest.approx(
        found["floor"]["all_right"].value, abs=1e-6
    )
    assert shipped.calls == 0
    assert not (tmp_path / "cache").exists()
    changed = Painter("with more steps")
    changed.origin = shipped.origin
    bounds(changed, CAPTIONS, SCENES, tmp_path / "cache")
    assert changed.calls == 2
