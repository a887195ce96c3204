import numpy as np
import pytest
from PIL import Image

from anyany.microworld.levels import LEVELS
from anyany.microworld.oracles import ORACLES
from anyany.microworld.scenes import SCENES, Unreadable
from data_prep import contact_sheet

NUM_SCENES = len(SCENES) * len(LEVELS) * contact_sheet.COLUMNS


def pixels(path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture
def labels(monkeypatch):
    """What is written under the scenes, as it is drawn."""
    from matplotlib.axes import Axes

    written: list[str] = []
    set_xlabel = Axes.set_xlabel

    def noting(axis, text, **options):
        written.append(text)
        return set_xlabel(axis, text, **options)

    monkeypatch.setattr(Axes, "set_xlabel", noting)
    return written


def test_there_is_one_oracle_for_every_modality():
    assert ORACLES.keys() == SCENES.keys()


@pytest.mark.slow
def test_a_sheet_is_a_png_of_its_own_for_each_seed(tmp_path, labels):
    assert contact_sheet.draw(tmp_path / "0.png", 0) == 0
    assert contact_sheet.draw(tmp_path / "again.png", 0) == 0
    contact_sheet.draw(tmp_path / "1.png", 1)
    assert len(labels) == 3 * NUM_SCENES
    assert not [label for label in labels[:NUM_SCENES] if "oracle" in label]
    first, again, other = (pixels(tmp_path / f"{name}.png") for name in ("0", "again", "1"))
    height = 2.0 * len(SCENES) * len(LEVELS) * 80  # inches of a row, dots per inch
    assert first.shape == other.shape == (height, 15 * 80, 3)
    assert (first == again).all()
    assert np.abs(first - other).max(2).astype(bool).mean() > 0.1


def test_misreadings_are_counted_and_marked(tmp_path, monkeypatch, capsys, labels):
    monkeypatch.setitem(ORACLES, "image", lambda picture: Unreadable("blind"))
    num_wrong = len(LEVELS) * contact_sheet.COLUMNS
    assert contact_sheet.main(["--out", str(tmp_path / "x.png"), "--seed", "0"]) == 0
    assert f"{NUM_SCENES} scenes, {num_wrong} of them not read back in full" in capsys.readouterr().out
    marked = [label for label in labels if "(oracle: " in label]
    assert len(marked) == num_wrong
    assert marked == labels[:num_wrong]
    assert all("color" in label and "count" in label for label in marked)
