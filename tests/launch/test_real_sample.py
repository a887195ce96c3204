"""The real sample through the three stages: learned by heart, and aligned with published embeddings."""

import os
import tarfile
from itertools import groupby
from pathlib import Path

import pytest
import torch

from anyany.data.recipes import read_media
from anyany.data.records import Record
from anyany.launch.command_line import composed
from anyany.launch.experiment import assembled, train
from anyany.launch.running import generator_of
from anyany.messages.types import Media, Message
from anyany.models.caption_table import CaptionTable
from anyany.models.generate import opened
from anyany.runs import STAGES
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


def trivial_distance(table: Path) -> float:
    """How far captions' embeddings are from their mean, position by position."""
    found = CaptionTable(table)
    items_CLD = found.condition(list(found.captions))
    return (items_CLD - items_CLD.mean(0)).norm(dim=-1).mean().item()


def shown(shards: Path, modality: str) -> list[tuple[list[Message], str]]:
    """The request of each pair as ``read_media`` words it, with its medium, and the caption."""
    pairs = []
    for shard in sorted(shards.glob("*.tar")):
        with tarfile.open(shard) as tar:
            files = [(member.name, tar.extractfile(member).read()) for member in tar]
        for key, some in groupby(files, key=lambda file: file[0].partition(".")[0]):
            members = {name.partition(".")[2]: data for name, data in some}
            request, reply = read_media(Record("real", shard.name, 0, key, members, tuple(members)), modality)
            medium, prompt = request.content
            pairs.append(([Message("user", (Media(modality, data=members[medium.member]), prompt))], reply))
    return [(messages, "".join(part.text for part in reply.content)) for messages, reply in pairs]


@pytest.mark.slow
def test_three_stages_learn_the_sample_by_heart(data, tmp_path, record_property):
    """Of each modality 0.9 of captions are said to the letter, and distances are below a third of the trivial one."""
    run = tmp_path / "real_sample" / "one"
    short = {"enc_align": ["stage.max_steps=60"]}  # what is said to the letter in the end is the work of instruct
    metrics = {stage: train(config(data, tmp_path, stage, *short.get(stage, [])), run / stage) for stage in STAGES}
    generator, found = generator_of(run), {}
    for modality in LISTS:
        distance = metrics["dec_align"][f"val/{modality}/align"] / trivial_distance(
            data / "real" / f"{modality}.safetensors"
        )
        pairs = shown(data / "real" / modality / "train", modality)
        values = [
            [opened(part, generator.preprocess) for part in m[0].content if isinstance(part, Media)] for m, _ in pairs
        ]
        said = generator.said([messages for messages, _ in pairs], values, [0] * len(pairs))
        right = sum(reply.text == caption for reply, (_, caption) in zip(said, pairs, strict=True))
        found[modality] = (right / len(pairs), distance)
    record_property("found", f"real pairs by heart, and share of the trivial distance: {found}")
    assert all(by_heart >= 0.9 and distance < 1 / 3 for by_heart, distance in found.values()), found
