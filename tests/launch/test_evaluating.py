"""A run from training to its scoreboard."""

import json
import shutil

import pytest

from anyany.evaluation import evaluator
from anyany.evaluation.evaluator import NAMED, TURNS
from anyany.evaluation.scores import as_json
from anyany.faults import UserError
from anyany.launch.command_line import composed
from anyany.launch.evaluating import REPORT, SCOREBOARD, evaluate_run, show
from anyany.launch.experiment import train
from anyany.launch.running import generator_of
from anyany.microworld.scenes import SCENES
from anyany.runs import CONFIG, STAGES
from tests.launch.test_experiment import config, world  # noqa: F401

PICTURES = ["rows.image.decoder=stable_diffusion", "rows.image.output_projector=transformer"]


@pytest.fixture
def trained(world, tmp_path):  # noqa: F811
    run = tmp_path / "default" / "one"
    for stage in ("enc_align", "dec_align"):
        (run / stage).mkdir(parents=True)
        train(
            config(world, tmp_path, f"stage={stage}", "stage.max_steps=2", "stage.val_every=null", *PICTURES),
            run / stage,
        )
    return run


def figures_in(tree):
    if isinstance(tree, dict) and tree.keys() == {"value", "low", "high", "n"}:
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from figures_in(value)


@pytest.mark.slow
def test_a_run_is_measured_and_its_scoreboard_and_report_are_left(trained, monkeypatch, capsys):
    monkeypatch.setattr(evaluator, "TURNS", ())
    show(evaluate_run(trained, 2, 0, processes=2))
    printed = capsys.readouterr().out
    board = json.loads((trained / SCOREBOARD).read_text())
    assert board.keys() == {"understanding", "control", "generation", "routing", "forgotten", "cost"}
    assert board["understanding"].keys() == set(SCENES)
    assert board["generation"].keys() == {"image"}
    for split in ("test", "test_novel"):
        assert {"all_right", "ceiling", "floor"} <= board["generation"]["image"][split].keys()
        assert board["generation"]["image"][split]["ceiling"]["value"] > 0.4  # of two items
    assert list(board["forgotten"]) == ["before", "enc_align", "dec_align"]
    assert board["cost"].keys() == {"enc_align", "dec_align"}
    for cost in board["cost"].values():
        assert {"seconds", "samples_per_s", "peak_mib", "trainable", "total"} <= cost.keys()
    for figure in figures_in(board):
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["n"] >= 1
    assert "generation.image.test.ceiling" in printed
    assert "understanding.audio.test_novel.exact_match" in printed
    page = (trained / REPORT).read_text()
    assert "<h2>Generation</h2>" in page
    assert "generation.image.test_novel" in page
    alone = evaluate_run(trained, 2, 0, processes=1)
    assert as_json(alone)["understanding"] == board["understanding"]
    assert as_json(alone)["generation"] == board["generation"]


@pytest.mark.slow
def test_an_untrained_run_is_measured_and_a_stage_that_has_not_ended_is_told(world, tmp_path, caplog):  # noqa: F811
    run = tmp_path / "default" / "one"
    for stage in ("enc_align", "instruct"):
        (run / stage).mkdir(parents=True)
    train(config(world, tmp_path, "stage=enc_align", "stage.max_steps=0"), run / "enc_align")
    shutil.copy(run / "enc_align" / CONFIG, run / "instruct" / CONFIG)
    figures = evaluate_run(run, 2, 0, processes=1)
    assert [figures["understanding"][name]["test"]["exact_match"].value for name in SCENES] == [0, 0, 0]
    assert list(figures["forgotten"]) == ["before", "enc_align"]
    assert figures["forgotten"]["before"] == figures["forgotten"]["enc_align"]
    assert "instruct was begun and has not ended" in caplog.text
    assert "stages: enc_align. Begun and not ended: instruct." in (run / REPORT).read_text()


@pytest.mark.slow
def test_the_model_that_ships_goes_through_all_stages_and_is_asked_everything(world, tmp_path):  # noqa: F811
    run = tmp_path / "default" / "whole"
    paths = [f"paths.data={world}", f"paths.outputs={tmp_path}", f"paths.cache={tmp_path}/cache", "run=whole"]
    few = ["stage.max_steps=2", "stage.val_every=null", "data.num_workers=0", "+trainer.enable_progress_bar=false"]
    for stage in STAGES:
        train(composed([*paths, *few, f"stage={stage}"]), run / stage)
    figures = evaluate_run(run, 2, 0, processes=1)
    assert figures.keys() == {"understanding", "generation", "dialogues", "control", "routing", "forgotten", "cost"}
    assert figures["understanding"].keys() == figures["generation"].keys() == set(SCENES)
    assert list(figures["dialogues"]) == [*NAMED, *TURNS]
    assert list(figures["forgotten"]) == ["before", *STAGES]
    assert list(figures["cost"]) == list(STAGES)
    for modality in SCENES:
        assert all(figures["generation"][modality][split]["ceiling"].n == 2 for split in ("test", "test_novel"))
    page = (run / REPORT).read_text()
    assert all(f"data:{kind};" in page for kind in ("image/png", "image/webp", "audio/wav"))


@pytest.mark.slow
def test_a_model_of_the_run_answers_and_another_vocabulary_is_refused(trained, caplog):
    generator = generator_of(trained)
    assert list(generator.decoders) == ["image"]
    assert not caplog.records
    assert list(generator_of(trained / "enc_align").decoders) == ["image"]  # one of its stages will do
    assert not caplog.records
    with pytest.raises(UserError, match="did you mean one"):
        generator_of(trained.parent / "noe")
