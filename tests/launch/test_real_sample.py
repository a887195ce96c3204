"""The real sample through the three stages: learned by heart, and aligned with published embeddings."""

import os
from pathlib import Path

import pytest
import torch

from anyany.launch.command_line import composed
from anyany.launch.experiment import assembled, train
from anyany.models.caption_table import CaptionTable
from data_prep import caption_embeddings, nextgpt

ROOT = Path(os.environ.get("ANYANY_REAL_DATA", Path(__file__).parents[3] / "shared" / "data" / "real"))
LISTS = {
    "image": ("cc3m", "images", "cc3m"),
    "video": ("webvid", "videos", "webvid"),
    "audio": ("audiocaps", "audios", "audiocap"),
}
SHAPES = {"image": (77, 1024, False), "video": (77, 1024, False), "audio": (1, 512, True)}

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="no real samples: $ANYANY_REAL_DATA names no folder")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """``real/<modality>`` with shards, and the tables of embeddings beside them."""
    folder = tmp_path_factory.mktemp("data")
    for modality, (source, media, name) in LISTS.items():
        given = ["--list", ROOT / source / f"{name}.json", "--media", ROOT / source / media, "--workers", "1"]
        assert nextgpt.main([*map(str, given), "--out", str(folder / "real" / modality)]) == 0
        given = ["--list", ROOT / source / f"{name}_generation.json", "--embeddings", ROOT / "caption_embeddings"]
        out = folder / "real" / f"{modality}.safetensors"
        assert caption_embeddings.main([*map(str, given), "--out", str(out)]) == 0
    return folder


def config(data: Path, outputs: Path, stage: str, *words: str) -> dict:
    paths = [f"data.root={data}/real", f"paths.outputs={outputs}", f"paths.cache={outputs}/cache"]
    quiet = ["data.num_workers=0", "+trainer.enable_progress_bar=false"]
    return composed(["experiment=real_sample", "run=one", f"stage={stage}", *paths, *quiet, *words])


@pytest.mark.parametrize("modality", LISTS)
def test_published_embeddings_have_the_shapes_of_their_decoders(data, modality):
    spec = CaptionTable(data / "real" / f"{modality}.safetensors").spec
    assert (spec.length, spec.dim, spec.normalised) == SHAPES[modality]


def test_rows_align_with_what_was_published_and_draw_nothing(data, tmp_path):
    parts = assembled(config(data, tmp_path, "dec_align"))
    assert parts.decoders == {}
    assert set(parts.conditioners) == set(parts.output_projectors) == set(LISTS)


def test_each_stage_takes_a_step(data, tmp_path):
    """Two steps of each, and every term is there."""
    wanted = {"enc_align": {"text"}, "dec_align": {"text", *(f"{m}/align" for m in LISTS)}, "instruct": {"text"}}
    for stage, terms in wanted.items():
        words = ["stage.max_steps=2", "stage.val_every=2", "data.global_batch=2"]
        metrics = train(config(data, tmp_path, stage, *words), tmp_path / "real_sample" / "one" / stage)
        found = {name.removeprefix("val/"): value for name, value in metrics.items() if name.startswith("val/")}
        assert terms <= found.keys()
        assert all(torch.isfinite(torch.tensor(value)) for value in found.values())
