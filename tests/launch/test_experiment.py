"""A run from its config to its figures: trained, gone on with, evaluated."""

import json
from pathlib import Path

import pytest
import torch

from anyany.data.ledger import entries
from anyany.launch.command_line import composed
from anyany.launch.experiment import data_of, evaluate, train
from anyany.runs import LEDGER, latest_checkpoint
from data_prep import microworld


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    sizes = ["--train", "16", "--val", "6", "--test", "0", "--test-novel", "0", "--workers", "1"]
    microworld.main(["--out", str(folder / "microworld"), *sizes])
    return folder


def config(world: Path, outputs: Path, *overrides: str) -> dict:
    fixed = [f"paths.data={world}", f"paths.outputs={outputs}", f"paths.cache={outputs}/cache", "run=one"]
    small = ["llm.hidden_size=32", "data.global_batch=4", "data.num_workers=0", "+trainer.enable_progress_bar=false"]
    return composed([*fixed, *small, "stage.save_every=2", "stage.max_steps=4", "stage.val_every=4", *overrides])


@pytest.fixture
def run(tmp_path) -> Path:
    (tmp_path / "default" / "one").mkdir(parents=True)
    return tmp_path / "default" / "one"


@pytest.mark.parametrize("stage", ["enc_align", "dec_align", "instruct"])
def test_what_is_validated_in_training_is_what_evaluation_finds(world, tmp_path, run, stage):
    chosen = config(world, tmp_path, f"stage={stage}")
    metrics = train(chosen, run)
    assert latest_checkpoint(run).name == "step=4.ckpt"
    assert evaluate(chosen, run, "val")["text"] == pytest.approx(metrics["val/text"], rel=1e-4)


def test_going_on_reaches_what_one_run_reaches(world, tmp_path, run):
    train(config(world, tmp_path), run)
    train(config(world, tmp_path, "stage.max_steps=8", "resume=true"), run)
    whole = tmp_path / "default" / "two"
    whole.mkdir()
    train(config(world, tmp_path, "stage.max_steps=8", "run=two"), whole)
    states = [torch.load(latest_checkpoint(folder), weights_only=True)["state_dict"] for folder in (run, whole)]
    assert [name for name, tensor in states[0].items() if not torch.equal(tensor, states[1][name])] == []
    steps = {folder: sorted(entry.step for entry in entries(folder / LEDGER)) for folder in (run, whole)}
    assert steps == {run: list(range(8)), whole: list(range(8))}
    assert sorted(path.name for path in (run / "metrics").iterdir()) == ["version_0", "version_1"]


def test_a_run_is_not_started_over_nor_gone_on_with_by_mistake(world, tmp_path, run):
    with pytest.raises(ValueError, match="no checkpoint to go on from; runs that have one: none"):
        train(config(world, tmp_path, "resume=true"), run)
    train(config(world, tmp_path), run)
    with pytest.raises(ValueError, match="has a checkpoint of step 4; go on with resume=true"):
        train(config(world, tmp_path), run)
    with pytest.raises(ValueError, match=r"another stream \(global_batch was 4, is 8\)"):
        train(config(world, tmp_path, "resume=true", "data.global_batch=8", "stage.max_steps=8"), run)


def test_epochs_instead_of_steps(world, tmp_path, run):
    chosen = config(world, tmp_path, "stage.max_epochs=2", "stage.max_steps=null", "stage.val_every=null")
    train(chosen, run)
    samples = [sample for entry in entries(run / LEDGER) for sample in entry.samples]
    assert len(samples) == 2 * 3 * 16
    assert len(set(samples)) == 3 * 16


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["source=[]"], "the mixture is empty"),
        (["stage=instruct", "source=[microworld_image]"], "has no recipe for stage instruct, only for enc_align, dec"),
        (["level=hard"], r"source.microworld_image: .*`python -m data_prep.microworld` writes"),
        (
            ["source.microworld_image.weight=2"],
            "sources without a weight beside sources with one: microworld_video",
        ),
        (["stage.max_epochs=1"], "max_steps=200 and max_epochs=1; give exactly one"),
        (["data.global_batch=3", "data.num_micro=2"], "global_batch=3 does not divide into 1 ranks x 2 micro-batches"),
        (["rows.image.input_projector=null"], "rows.image: encoder=patches without input_projector"),
        (["data.max_tokens=10", "data.packed=false"], r"records could not be read .*too_long"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_trained_is_told_in_a_line(world, tmp_path, run, overrides, message):
    with pytest.raises(ValueError, match=message):
        train(config(world, tmp_path, "stage.max_steps=200", *overrides), run)


def test_every_split_and_source_of_the_configs_is_there(world, tmp_path, record_property):
    found = 0
    for stage in ("enc_align", "dec_align", "instruct"):
        chosen = config(world, tmp_path, f"stage={stage}")
        for split in ("train", "val"):
            from anyany.launch.experiment import assembled

            data = data_of(chosen, assembled(chosen), split, None)
            found += len(data.sources)
            assert all(source.num_records > 0 for source in data.sources)
    record_property("found", f"{found} sources")
    assert json.dumps(chosen)  # plain data to the end
