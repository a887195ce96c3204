import json

import pytest
import torch
from safetensors.torch import save_file

from anyany.figures import share
from data_prep.parts.cards import CARD, FIGURES, read_figures, write_card
from data_prep.parts.pools import TRAINED_ON

MEASURED = {"easy.all_right": share(291, 300), "standard.size": share(1, 3), "hard.none": share(0, 7)}


@pytest.fixture
def folder(tmp_path):
    """Of a part with weights of 2.5 MB in two subfolders."""
    for name, number in (("unet", 1_000_000), ("vae", 250_000)):
        (tmp_path / "toy" / name).mkdir(parents=True)
        save_file({"w": torch.zeros(number, dtype=torch.float16)}, tmp_path / "toy" / name / "model.safetensors")
    recipe = {"vae": "pixels to latents", "unet": "the denoiser"}
    write_card(tmp_path / "toy", "The tiny toy: of wood.\n", recipe, 5_430.0, MEASURED, "8 CPU thread(s)")
    return tmp_path / "toy"


def test_figures_are_read_back(folder):
    read = read_figures(folder)
    assert list(read) == list(MEASURED)
    for key, figure in MEASURED.items():
        assert read[key].n == figure.n
        for name in ("value", "low", "high"):
            assert getattr(read[key], name) == pytest.approx(getattr(figure, name), abs=5e-7)
    assert json.loads((folder / FIGURES).read_text())["easy.all_right"]["value"] == 0.97


def test_the_card_tells_what_was_made_how_long_and_how_well(folder):
    card = (folder / CARD).read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n---\n# toy, tiny\n\nThe tiny toy: of wood.\n\n")
    assert "`make parts PART=toy`: 90 minutes of training on 8 CPU thread(s)." in card  # 5,430 s
    assert "Weights in fp16, 2.5 MB." in card
    assert "- vae: pixels to latents\n- unet: the denoiser\n" in card
    assert f"levels {' and '.join(TRAINED_ON)}; no text names a novel pair" in card
    assert card.endswith("\n")


def test_the_cards_table_holds_every_figure(folder):
    rows = [line.strip("|").split("|") for line in (folder / CARD).read_text().splitlines() if line.startswith("|")]
    assert [[cell.strip() for cell in row] for row in rows[2:]] == [
        ["easy.all_right", "0.970", "0.944 to 0.984", "300"],
        ["standard.size", "0.333", "0.061 to 0.792", "3"],
        ["hard.none", "0.000", "0.000 to 0.354", "7"],
    ]
    assert {len(row) for row in rows} == {4}


def test_writing_again_replaces_both_files(folder):
    write_card(folder, "Another.", {}, 60.0, {"a": share(1, 2)}, "a machine")
    assert list(read_figures(folder)) == ["a"]
    assert "Another." in (folder / CARD).read_text()
    assert "of wood" not in (folder / CARD).read_text()
    assert sorted(path.name for path in folder.iterdir()) == sorted([CARD, FIGURES, "unet", "vae"])
