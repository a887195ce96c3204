"""A run from its config to its figures: trained, gone on with, evaluated."""

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from anyany.data.ledger import entries
from anyany.deltas import read_delta
from anyany.faults import UserError
from anyany.launch.command_line import composed
from anyany.launch.experiment import assembled, data_of, device_of, evaluate, train
from anyany.launch.jobs import objective_faults, write_objective
from anyany.launch.schema import Train, schema_faults
from anyany.launch.sources import sources_of
from anyany.messages.render import measure
from anyany.microworld.dialogues import sample_dialogue
from anyany.microworld.levels import LEVELS
from anyany.runs import CONFIG, COST, LEDGER, latest_checkpoint
from anyany.seeds import rng_of
from anyany.training import features
from anyany.training.callbacks import StreamLedger
from anyany.training.module import TrainingModule
from anyany.training.stopping import SIGNALS, StopOnSignal
from data_prep import microworld, verify


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    sizes = ["--train", "16", "--val", "6", "--test", "0", "--test-novel", "0", "--workers", "1"]
    microworld.main(["--out", str(folder / "microworld"), *sizes])
    return folder


def config(world: Path, outputs: Path, *overrides: str) -> dict:
    paths = [f"paths.data={world}", f"paths.outputs={outputs}", f"paths.cache={outputs}/cache"]
    small = ["llm.hidden_size=32", "data.global_batch=4", "data.num_workers=0", "+trainer.enable_progress_bar=false"]
    steps = ["stage.save_every=2", "stage.max_steps=4", "stage.val_every=4"]
    return composed(["experiment=from_scratch", "run=one", *paths, *small, *steps, *overrides])


@pytest.fixture
def run(tmp_path) -> Path:
    (tmp_path / "default" / "one" / "enc_align").mkdir(parents=True)
    return tmp_path / "default" / "one" / "enc_align"


def test_a_run_without_a_step_hands_on_what_it_took_up(world, tmp_path, run):
    """So it can be evaluated: untrained from the first, or as the stages before it left it."""
    train(config(world, tmp_path, "stage=enc_align", "stage.max_steps=0"), run)
    assert (run / CONFIG).is_file()
    assert latest_checkpoint(run) is None
    delta = read_delta(run.parent / "deltas" / "enc_align")
    assert (delta.manifest.step, delta.tensors) == (0, {})
    shutil.rmtree(run.parent)
    train(config(world, tmp_path, "stage=enc_align", "stage.max_steps=2"), run)
    train(config(world, tmp_path, "stage=dec_align", "stage.max_steps=0"), run.parent / "dec_align")
    trained, handed_on = (read_delta(run.parent / "deltas" / stage) for stage in ("enc_align", "dec_align"))
    assert (handed_on.manifest.after, handed_on.manifest.step) == ("enc_align", 0)
    assert trained.tensors.keys() == handed_on.tensors.keys()
    assert all(torch.equal(tensor, handed_on.tensors[name]) for name, tensor in trained.tensors.items())


def test_what_was_trained_is_not_written_over_by_a_run_without_a_step(world, tmp_path, run):
    train(config(world, tmp_path, "stage.max_steps=2"), run)
    before = read_delta(run.parent / "deltas" / "enc_align")
    with pytest.raises(UserError, match=r"stage\.max_steps=0: .* was trained \(step=2\.ckpt\); give another run"):
        train(config(world, tmp_path, "stage.max_steps=0", "resume=true"), run)
    after = read_delta(run.parent / "deltas" / "enc_align")
    assert after.manifest == before.manifest
    assert all(torch.equal(tensor, after.tensors[name]) for name, tensor in before.tensors.items())


def test_a_stage_that_was_begun_and_left_nothing_stands_in_the_way_of_the_next(world, tmp_path, run):
    (run / CONFIG).touch()
    with pytest.raises(UserError, match=r"do without what enc_align trains: .*has not ended.*resume=true"):
        train(config(world, tmp_path, "stage=instruct"), run.parent / "instruct")
    assert not (run.parent / "instruct" / CONFIG).exists()


@pytest.mark.parametrize("stage", ["enc_align", "dec_align", "instruct"])
def test_what_is_validated_in_training_is_what_evaluation_finds(world, tmp_path, run, stage):
    chosen, run = config(world, tmp_path, f"stage={stage}"), run.parent / stage
    metrics = train(chosen, run)
    assert latest_checkpoint(run).name == "step=4.ckpt"
    assert evaluate(chosen, run, "val")["text"] == pytest.approx(metrics["val/text"], rel=1e-4)


def test_going_on_reaches_what_one_run_reaches(world, tmp_path, run):
    train(config(world, tmp_path), run)
    train(config(world, tmp_path, "stage.max_steps=8", "resume=true"), run)
    whole = tmp_path / "default" / "two"
    whole.mkdir()
    train(config(world, tmp_path, "stage.max_steps=8", "run=two"), whole)
    assert_same_end(run, whole)
    steps = {folder: sorted(entry.step for entry in entries(folder / LEDGER)) for folder in (run, whole)}
    assert steps == {run: list(range(8)), whole: list(range(8))}
    assert sorted(path.name for path in (run / "metrics").iterdir()) == ["version_0", "version_1"]


def test_a_run_is_not_started_over_nor_gone_on_with_by_mistake(world, tmp_path, run):
    with pytest.raises(UserError, match="no checkpoint to go on from; runs that have one: none"):
        train(config(world, tmp_path, "resume=true"), run)
    train(config(world, tmp_path), run)
    with pytest.raises(UserError, match="has a checkpoint of step 4; go on with resume=true"):
        train(config(world, tmp_path), run)
    with pytest.raises(UserError, match=r"another stream \(global_batch was 4, is 8\)"):
        train(config(world, tmp_path, "resume=true", "data.global_batch=8", "stage.max_steps=8"), run)
    assert "global_batch: 4" in (run / CONFIG).read_text()  # a run that was refused leaves it as it was


@pytest.mark.parametrize("level", ["easy", "standard"])
@pytest.mark.parametrize("experiment", ["default", "from_scratch"])
def test_every_dialogue_fits_into_a_row(level, experiment):
    chosen = composed([] if experiment == "default" else [f"experiment={experiment}"])
    vocabulary = assembled(chosen).vocabulary
    for number in range(200):
        num_tokens, num_media = measure(sample_dialogue(LEVELS[level], rng_of("fits", number)).messages, vocabulary)
        rows = sum(vocabulary.rows[name].num_rows * count for name, count in num_media.items())
        assert num_tokens + rows <= chosen["data"]["max_tokens"]


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
        (["stage=dec_align", "source=[microworld_text]"], "has no recipe for stage dec_align, only for instruct"),
        (["level=hard"], r"source.microworld_image: .*`python -m data_prep.microworld --level hard` writes"),
        (
            ["source=[cc3m]"],
            r"source.cc3m: pattern .*/\*.tar' matches nothing; `python -m data_prep.cc3m` writes .*: see docs/data.md",
        ),
        (["stage=dec_align", "source=[nextgpt_generation]"], "`python -m data_prep.nextgpt` writes its shards"),
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
    with pytest.raises(UserError, match=message):
        train(config(world, tmp_path, "stage.max_steps=200", *overrides), run)


@pytest.mark.parametrize("val_every", [3, 4, 50])
def test_a_run_gives_every_metric_that_can_be_an_objective(world, tmp_path, run, val_every):
    chosen = config(world, tmp_path, f"stage.val_every={val_every}", "+trainer.log_every_n_steps=1")
    metrics = train(chosen, run)
    with open(run / "metrics" / "version_0" / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert metrics.keys() == {f"{prefix}/{term}" for prefix in ("train", "val") for term in ["text"]}
    for name, value in metrics.items():
        told = [float(row[name]) for row in rows if row[name]]
        assert len(told) == {"train/text": 4, "val/text": 1}[name]
        assert value == pytest.approx(told[-1])
    for objective in metrics:
        assert list(objective_faults({**chosen, "objective": objective})) == []
        assert write_objective(metrics, objective, run) == metrics[objective]
    again = train({**chosen, "resume": True}, run)
    assert again.keys() == {"val/text"}  # nothing is left to train
    if val_every >= chosen["stage"]["max_steps"]:  # else it was validated before its last step
        assert again["val/text"] == pytest.approx(metrics["val/text"])
    assert write_objective(again, "val/text", run) == again["val/text"]


def test_what_cannot_be_evaluated_is_told_in_a_line(world, tmp_path, run):
    chosen = config(world, tmp_path)
    with pytest.raises(UserError, match=r"no checkpoint yet"):
        evaluate(chosen, run, "val")
    with pytest.raises(UserError, match=r"source.microworld_image.shards.tset: no such split; did you mean test\?"):
        evaluate(chosen, run, "tset")
    with pytest.raises(UserError, match=r"source.microworld_image: .*`python -m data_prep.microworld --level easy`"):
        evaluate(chosen, run, "test")  # of which there are no shards


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["stage.trains.everything.parameters=input_projctors.*"], "input_projctors"),
        (["data.global_batch=3", "data.num_micro=2"], "does not divide into 1 ranks x 2 micro-batches"),
        (["trainer.accelerator=tpu"], "trainer: "),
        (["resume=true"], "has no checkpoint to go on from"),
        (["rows.image.input_projector=null"], "without input_projector"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_can_be_known_is_told_before_anything_is_computed(world, tmp_path, run, monkeypatch, overrides, message):
    monkeypatch.setattr(features, "prepare", None)
    with pytest.raises(UserError, match=message):
        train(config(world, tmp_path, *overrides), run)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_told_in_a_line(world, tmp_path, run):
    with pytest.raises(UserError, match="trainer: No supported gpu backend found!"):
        train(config(world, tmp_path, "trainer=gpu"), run)


@pytest.mark.parametrize("is_there", [False, True])
def test_what_answers_takes_the_device_that_is_there(world, tmp_path, monkeypatch, caplog, is_there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: is_there)
    chosen = {name: config(world, tmp_path, f"trainer.accelerator={name}") for name in ("cpu", "gpu", "auto")}
    found = {name: device_of(one) for name, one in chosen.items()}
    assert found == {"cpu": "cpu", "gpu": "cuda" if is_there else "cpu", "auto": "cuda" if is_there else "cpu"}
    assert caplog.text.count("no GPU is here: the CPU is taken") == (not is_there)


@pytest.mark.parametrize(("device", "asked", "number"), [("cpu", "null", 0), ("cuda", "null", 2), ("cpu", "3", 3)])
def test_a_cpu_has_no_cores_left_for_workers(world, tmp_path, monkeypatch, device, asked, number):
    monkeypatch.setattr("anyany.launch.experiment.device_of", lambda config: device)
    chosen = config(world, tmp_path, f"data.num_workers={asked}")
    assert data_of(chosen, assembled(chosen)).num_workers == number
    assert list(schema_faults({key: node for key, node in chosen.items() if key != "parts"}, Train)) == []


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


def test_a_source_leaves_out_what_its_drop_list_names(world, tmp_path):
    path = tmp_path / "bad.jsonl"
    verify.main([str(world / "microworld/easy/*/image-*.tar"), "--drop-list", str(path), "--workers", "1"])
    train_shard, val_shard = sorted(
        map(json.loads, path.read_text().splitlines()), key=lambda shard: -shard["num_records"]
    )
    train_shard["bad"] = [{"record": n, "key": "k", "kind": "odd", "byte": 0, "message": "m"} for n in (3, 7)]
    path.write_text(f"{json.dumps(train_shard)}\n{json.dumps(val_shard)}\n")
    chosen = config(world, tmp_path, "source=[microworld_image]")
    chosen["source"]["microworld_image"]["drop_list"] = str(path)
    assert [sources_of(chosen, split)[0].num_records for split in ("train", "val")] == [14, 6]
    data = data_of(chosen, assembled(chosen))
    drawn = {ref.record for row in data.plan.block(0, 0) for ref in row}
    assert drawn == set(range(16)) - {3, 7}
    path.write_text(f"{json.dumps(train_shard)}\n")
    with pytest.raises(UserError, match=r"source microworld_image: drop list .* does not know 1 of its 1 shards"):
        train(chosen, tmp_path)
    checked = {key: node for key, node in chosen.items() if key != "parts"}
    assert list(schema_faults(checked, Train)) == []
    chosen["source"]["microworld_image"]["drop_list"] = 3
    assert list(schema_faults(checked, Train)) == ["source.microworld_image.drop_list: found 3; give a valid string"]


PAINTED = [
    "rows.image.output_projector=transformer",
    "rows.image.decoder=stable_diffusion",
    "source=[microworld_image]",
]


def test_conditioning_is_computed_once_and_aligned_with(world, tmp_path, run, monkeypatch):
    metrics = train(config(world, tmp_path, "stage=dec_align", *PAINTED), run)
    assert metrics.keys() == {f"{prefix}/{term}" for prefix in ("train", "val") for term in ("text", "image/align")}
    assert (
        len(list((tmp_path / "cache" / "conditioning").rglob("*.safetensors"))) == 2
    )  # a shard to train on, one to validate

    def never(self, captions):
        raise AssertionError("computed again")

    monkeypatch.setattr("anyany.models.decoders.latent_diffusion.ClipConditioned.condition", never)
    again = tmp_path / "default" / "two"
    again.mkdir()
    assert train(config(world, tmp_path, "stage=dec_align", "run=two", *PAINTED), again) == metrics


def test_cached_features_change_a_loss_by_their_rounding_alone(world, tmp_path, run):
    plain = train(config(world, tmp_path), run)
    again = tmp_path / "default" / "two"
    again.mkdir()
    kept = train(config(world, tmp_path, "run=two", "data.cache_features=true"), again)
    assert kept == pytest.approx(plain, rel=1e-3)
    # Of each of six shards a file a modality, also where nothing of it is read.
    assert len(list((tmp_path / "cache" / "features").rglob("*.safetensors"))) == 18


def test_all_stages_train_a_model_that_asks_in_words(world, tmp_path, caplog):
    run, words = tmp_path / "default" / "one", ["connection=text", "rows.image.decoder=stable_diffusion"]
    paths = [f"paths.data={world}", f"paths.outputs={tmp_path}", f"paths.cache={tmp_path}/cache"]
    steps = ["stage.save_every=2", "stage.max_steps=2", "stage.val_every=2", "data.num_workers=0"]
    small = [*paths, *steps, "run=one", "source=[microworld_image]", "+trainer.enable_progress_bar=false"]
    for stage in ("enc_align", "dec_align", "instruct"):
        (run / stage).mkdir(parents=True)
        chosen = composed([f"stage={stage}", *words, *small])
        with caplog.at_level("INFO"):
            metrics = train(chosen, run / stage)
        assert {name.partition("/")[2] for name in metrics} == {"text"}
    assert caplog.text.count("stage.trains.output_projectors: left out") == 2
    delta = read_delta(run / "deltas" / "instruct")
    assert {name.partition(".")[0] for name in delta.tensors} == {"input_projectors", "llm"}


def test_weights_of_terms_and_the_longest_gradient_are_the_stages(world, tmp_path, monkeypatch):
    seen, moved = [], {}
    monkeypatch.setattr(TrainingModule, "clip_gradients", lambda self, optimizer, norm, kind: seen.append(norm))
    for name, words in {"a": [], "b": ["stage.loss_weights.text=0.0", "stage.max_grad_norm=0.25"]}.items():
        (tmp_path / "default" / name / "enc_align").mkdir(parents=True)
        steps = [f"run={name}", "stage.max_steps=3", "+trainer.log_every_n_steps=1"]
        run = tmp_path / "default" / name / "enc_align"
        train(config(world, tmp_path, *steps, *words), run)
        (optimizer,) = torch.load(latest_checkpoint(run), weights_only=True)["optimizer_states"]
        moved[name] = [bool(state["exp_avg"].any()) for state in optimizer["state"].values()]
    assert seen == [1.0] * 3 + [0.25] * 3
    assert all(moved["a"])
    assert not any(moved["b"])


def test_a_stage_takes_up_what_those_before_it_left(world, tmp_path, caplog):
    run, painted = tmp_path / "default" / "one", [*PAINTED[:2]]
    for stage in ("enc_align", "dec_align", "instruct"):
        (run / stage).mkdir(parents=True)
        with caplog.at_level("INFO"):
            train(config(world, tmp_path, f"stage={stage}", *painted), run / stage)
    assert f"dec_align begins from {run}/deltas/enc_align (4 steps)" in caplog.text
    assert f"instruct begins from {run}/deltas/dec_align (4 steps)" in caplog.text
    deltas = {stage: read_delta(run / "deltas" / stage) for stage in ("enc_align", "dec_align", "instruct")}
    assert [deltas[stage].manifest.after for stage in deltas] == [None, "enc_align", "dec_align"]
    sides = {s: {name.split(".")[0] for name in delta.tensors} for s, delta in deltas.items()}
    assert sides["enc_align"] == {"input_projectors", "llm"}
    assert sides["dec_align"] == sides["instruct"] == {"input_projectors", "output_projectors", "llm"}
    for name, tensor in deltas["enc_align"].tensors.items():
        same = torch.equal(deltas["dec_align"].tensors[name], tensor)
        assert same == name.startswith("input_projectors"), name  # dec_align did without them, and hands them on
    assert not torch.equal(
        *(deltas[s].tensors["input_projectors.linear.linear.weight"] for s in ("enc_align", "instruct"))
    )


def test_a_stage_starts_from_what_another_run_left(world, tmp_path, run, caplog):
    """So several ways to go on are compared from one beginning."""
    train(config(world, tmp_path), run)
    delta, other = run.parent / "deltas" / "enc_align", tmp_path / "default" / "two" / "dec_align"
    other.mkdir(parents=True)
    words = ["run=two", "stage=dec_align", *PAINTED[:2]]
    with pytest.raises(UserError, match=r"x holds no manifest\.json; expected a delta"):
        train(config(world, tmp_path, *words, f"stage.starts_from={tmp_path}/x"), other)
    with caplog.at_level("INFO"):
        train(config(world, tmp_path, *words, f"stage.starts_from={delta}"), other)
    assert f"dec_align begins from {delta} (4 steps)" in caplog.text
    left, found = read_delta(delta).tensors, read_delta(other.parent / "deltas" / "dec_align")
    assert found.manifest.after == "enc_align"
    handed_on = [name for name in left if name.startswith("input_projectors")]
    assert handed_on
    assert all(torch.equal(found.tensors[name], left[name]) for name in handed_on)


def test_a_delta_names_its_parts_as_they_were_loaded(world, tmp_path, run, monkeypatch):
    """A file that is exchanged while a stage trains has not been trained with."""
    found = iter([{"llm": "loaded"}, {"llm": "exchanged"}])
    monkeypatch.setattr("anyany.training.handover.digests_of", lambda parts: next(found))
    train(config(world, tmp_path), run)
    assert read_delta(run.parent / "deltas" / "enc_align").manifest.parts == {"llm": "loaded"}


def test_a_delta_of_other_parts_is_refused(world, tmp_path):
    run = tmp_path / "default" / "one"
    for stage in ("enc_align", "instruct"):
        (run / stage).mkdir(parents=True)
    train(config(world, tmp_path), run / "enc_align")
    with pytest.raises(UserError, match="encoder=patches has other weights now"):
        train(config(world, tmp_path, "stage=instruct", "encoder.num_mels=16"), run / "instruct")


def test_a_stage_that_is_not_finished_leaves_no_delta(world, tmp_path, monkeypatch):
    run = tmp_path / "default" / "one"
    (run / "enc_align").mkdir(parents=True)

    def stop(self, *unused):
        raise KeyboardInterrupt

    monkeypatch.setattr("anyany.training.callbacks.StreamLedger.on_train_batch_end", stop)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(config(world, tmp_path), run / "enc_align")
    assert not (run / "deltas").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_step_and_the_run_goes_on_to_the_same_end(world, tmp_path, run, monkeypatch, number):
    whole = tmp_path / "default" / "two"
    whole.mkdir()
    train(config(world, tmp_path, "run=two", "stage.val_every=null"), whole)
    handlers = [signal.getsignal(name) for name in SIGNALS]
    with monkeypatch.context() as patch:
        interrupt(patch, 3, number)
        with pytest.raises(
            UserError,
            match=f"stopped by {number.name} behind step 3, which is saved; to go on, give the same command again with "
            "run=one resume=true",
        ):
            train(config(world, tmp_path, "stage.val_every=null"), run)
    assert latest_checkpoint(run).name == "step=3.ckpt"
    assert [signal.getsignal(name) for name in SIGNALS] == handlers
    assert not (run.parent / "deltas").exists()
    train(config(world, tmp_path, "stage.val_every=null", "resume=true"), run)
    assert_same_end(run, whole)
    assert (run.parent / "deltas" / "enc_align").is_dir()


def interrupt(patch, step, number):
    """A signal comes behind a step."""
    behind = StreamLedger.on_train_batch_end

    def interrupted(self, trainer, *others):
        behind(self, trainer, *others)
        if trainer.global_step == step:
            os.kill(os.getpid(), number)

    patch.setattr(StreamLedger, "on_train_batch_end", interrupted)


def assert_same_end(run, whole):
    states = [torch.load(latest_checkpoint(folder), weights_only=True)["state_dict"] for folder in (run, whole)]
    assert states[0].keys() == states[1].keys()
    assert [name for name, tensor in states[0].items() if not torch.equal(tensor, states[1][name])] == []


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["enc_align", "instruct"])
def test_the_model_that_ships_goes_on_to_the_same_end(world, tmp_path, monkeypatch, stage):
    """With noise on kept features; with low-rank changes, what keeps plain text as it was, and Muon beside Adam."""
    paths = [f"paths.data={world}", f"paths.outputs={tmp_path}", f"paths.cache={tmp_path}/cache"]
    steps = ["stage.max_steps=4", "stage.save_every=2", "stage.val_every=null", "data.global_batch=4"]
    words = [*paths, *steps, "data.num_workers=0", "+trainer.enable_progress_bar=false", f"stage={stage}"]
    one, two = (tmp_path / "default" / name / stage for name in ("one", "two"))
    for folder in (one, two):
        folder.mkdir(parents=True)
    train(composed([*words, "run=one"]), one)
    with monkeypatch.context() as patch:
        interrupt(patch, 3, signal.SIGTERM)
        with pytest.raises(UserError, match="stopped by SIGTERM behind step 3"):
            train(composed([*words, "run=two"]), two)
    train(composed([*words, "run=two", "resume=true"]), two)
    assert_same_end(two, one)


def test_a_stop_in_the_last_validation_loses_nothing(world, tmp_path, run, monkeypatch):
    def interrupted(self, step, batch_idx):
        if not self.trainer.sanity_checking:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "validation_step", interrupted)
        with pytest.raises(UserError, match="stopped by SIGTERM behind step 4, which is saved"):
            train(config(world, tmp_path), run)
    assert not (run.parent / "deltas").exists()
    metrics = train(config(world, tmp_path, "resume=true"), run)
    whole = tmp_path / "default" / "two"
    whole.mkdir()
    wanted = train(config(world, tmp_path, "run=two"), whole)
    assert metrics == pytest.approx({name: value for name, value in wanted.items() if name.startswith("val/")})
    assert len(metrics) >= 1
    assert (run.parent / "deltas" / "enc_align").is_dir()
    figures = json.loads((run / COST).read_text())
    assert figures["trainable"] == json.loads((whole / COST).read_text())["trainable"]
    assert figures["seconds"]["value"] > 0


def test_a_second_signal_ends_it_at_once():
    stop = StopOnSignal(None)
    stop._hear(signal.SIGINT, None)
    assert stop.heard is signal.SIGINT
    with pytest.raises(KeyboardInterrupt):
        stop._hear(signal.SIGINT, None)
