"""Mis-spellings are refused with what was meant, in the words of the project's own configs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anyany.launch.command_line import check_command_line, composed
from anyany.launch.errors import ConfigError

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"

REFUSED = {
    # groups
    "stge=enc_align": "stge: no such key or group; did you mean stage?",
    "+experimnt=debug": "experimnt: no such key or group; did you mean experiment?",
    "hydra/launchr=basic": "hydra/launchr: no such group; did you mean hydra/launcher?",
    # options
    "stage=enc_algn": "stage=enc_algn: no such option; did you mean enc_align?",
    "experiment=debgu": "experiment=debgu: no such option; did you mean debug?",
    "+experiment=debgu": "experiment=debgu: no such option; did you mean debug?",
    "trainer=cpu,dpp": "trainer=dpp: no such option; did you mean ddp?",
    "trainer=choice(cpu,dpp)": "trainer=dpp: no such option; did you mean ddp?",
    "trainer=quantum": "trainer=quantum: no such option; there is cpu, ddp, fsdp, gpu",
    "logger=null": "logger=null: to choose nothing, write ~logger",
    # keys of the fixed part
    "sed=1": "sed: no such key or group; did you mean seed?",
    "+sed=1": "sed: no such key or group; did you mean seed?",
    "stage.max_stps=3": "stage.max_stps: no such key; did you mean max_steps?",
    "+stage.max_stps=3": "stage.max_stps: no such key; did you mean max_steps?",
    "++stage.max_stps=3": "stage.max_stps: no such key; did you mean max_steps?",
    "~stage.max_stps": "stage.max_stps: no such key; did you mean max_steps?",
    "stage.max_stps=1,2": "stage.max_stps: no such key; did you mean max_steps?",
    "stage={max_stps:3}": "stage.max_stps: no such key; did you mean max_steps?",
    "stge.max_steps=3": "stge: no such key or group; did you mean stage?",
    "max_steps=3": "max_steps: no such key; did you mean schedule.max_steps or stage.max_steps?",
    "stage.max_steps.low=3": "stage.max_steps.low: stage.max_steps is ",
    "rows.vidoe.encoder=patches": "rows.vidoe: no such key; did you mean video?",
    "+rows.video.input_projectr=linear": "rows.video.input_projectr: no such key; did you mean input_projector?",
    "hydra.run.dri=x": "hydra.run.dri: no such key; did you mean dir?",
    # keys inside parts and calls, which the signature of the target tells
    "encoder.weigths=x": "encoder.weigths: no such key; did you mean weights?",
    "+encoder.weigths=x": "encoder.weigths: no such key; did you mean weights?",
    "+llm.lora_targts=[q_proj]": "llm.lora_targts: no such key; did you mean lora_targets?",
    "+optimizer.amsgrd=true": "optimizer.amsgrd: no such key; did you mean amsgrad?",
    "trainer.devcies=2": "trainer.devcies: no such key; did you mean devices?",
    # arguments of calls that the code gives itself
    "+trainer.max_steps=3": "trainer.max_steps: belongs to the stage: stage.max_steps",
    "+trainer.max_epochs=2": "trainer.max_epochs: belongs to the stage: stage.max_epochs",
    "+trainer.max_epochz=2": "trainer.max_epochz: no such key; max_epochs belongs to the stage: stage.max_epochs",
    "++trainer.val_check_interval=2": "trainer.val_check_interval: belongs to the stage: stage.val_every",
    "+trainer.logger=false": "trainer.logger: is a group: logger=<option>",
    "+trainer.callbacks=null": "trainer.callbacks: is a group: callbacks=<option>",
    "+trainer.accumulate_grad_batches=2": "trainer.accumulate_grad_batches: belongs to the data: data.num_micro",
    # groups of which nothing is chosen
    "callbacks.learning_rate.log_momentum=true": "callbacks: no option chosen; first give callbacks=<learning_rate>",
    "sweep.params=1": "sweep: no option chosen; first give sweep=<seeds>",
    "decoder.x=1": "decoder: no option chosen; first give decoder=<",
    "output_projector=mlp": "output_projector=mlp: no such option; there is ",
    "callbaks=learning_rate": "callbaks: no such key or group; did you mean callbacks?",
    "output_subdir=x": "output_subdir: no such key or group; there is ",  # Hydra's own keys are not offered
    # names of parts and of modalities
    "rows.video.encoder=ptches": "rows.video.encoder=ptches: no such encoder; did you mean patches?",
    "+rows={vidoe:{encoder:null}}": "rows.vidoe: no such key; did you mean video?",
    # types and values
    "stage.max_steps=abc": "stage.max_steps: found 'abc'; give a valid integer",
    "stage.max_steps=-1": "stage.max_steps: found -1; give greater than or equal to 0",
    "rows.video=null": "rows.video: found None; give a mapping",
    "level=esay": "level=esay: no such option; did you mean easy?",
    "objective=val/txt": "objective=val/txt: no such metric; did you mean val/text?",
    "seed=-1": "seed: found -1; give greater than or equal to 0",
    "seed=???": "seed: Missing mandatory value: seed",
    "rows.image.num_signal_tokens=few": "rows.image.num_signal_tokens: found 'few'; give a valid integer",
    "~optimizer._target_": "optimizer: found {'_partial_': True, ",
    "+encoder.weights=x": "Could not append to config. An item is already at 'encoder.weights'.",
    # what Hydra says best itself, without its traceback
    "stage.max_steps": "Error parsing override 'stage.max_steps'",
    "--config-dir=mine": "--config-dir: not taken; put your own options into conf/, a yaml each",
}

REFUSED_BY_EVAL = {
    "losse=test": "losse: no such key or group; did you mean losses?",
    "+losse=test": "losse: no such key or group; did you mean losses?",
    "rn=outputs/default/one": "rn: no such key or group; did you mean run?",
    # a group of train.py
    "stage.max_steps=3": "stage: no such key or group; there is losses, number, precision, processes, run, seed",
    "number.name=test": "number.name: number is 200 and has no keys",
    "level=easy": "level: no such key or group; there is losses, number, precision, processes, run, seed",
}

TAKEN = [
    [],
    ["stage.max_steps=3"],
    ["+llm.lora_targets=[q_proj]"],  # in the signature alone
    ["++optimizer.amsgrad=true"],
    ["+trainer.profiler=null"],
    ["callbacks=learning_rate", "+callbacks.learning_rate.logging_interval=step"],
    ["objective=train/text", "stage.val_every=null"],
    ["rows.video.input_projector=linear"],
    ["~rows.video"],
    ["experiment=debug", "stage.max_steps=2"],
    ["experiment=from_scratch"],
    ["schedule=warmup_cosine", "schedule.warmup_steps=2"],
    ["~logger"],
    ["-m", "seed=0,1", "trainer=cpu,ddp"],
    ["-m", "trainer=glob(*)", "stage.learning_rate=range(1,3)"],
    ["-m", "schedule=constant,warmup_cosine", "schedule.warmup_steps=2"],  # a key of one option: the job decides
    ["+hydra.job.env_set.SOME=1"],
    ["hydra.verbose=true"],
    ["--cfg", "job", "seed=???"],
    ["--help", "stge=enc_align"],
]


def test_number_of_cases(record_property):
    refused = len(REFUSED) + len(REFUSED_BY_EVAL)
    record_property("found", f"{refused} mis-spelt and {len(TAKEN)} right command lines")


@pytest.mark.parametrize("argument", REFUSED)
def test_refused_with_what_was_meant(argument):
    with pytest.raises(ConfigError) as error:
        check_command_line(CONF, "train", [argument])
    assert error.value.faults[0].startswith(REFUSED[argument])
    assert len(error.value.faults) == 1


@pytest.mark.parametrize("argument", REFUSED_BY_EVAL)
@pytest.mark.parametrize("more", [[], ["run=outputs/default/one"]], ids=["", "run=..."])
def test_eval_refuses_with_what_was_meant(argument, more):
    with pytest.raises(ConfigError) as error:
        check_command_line(CONF, "eval", [*more, argument])
    assert error.value.faults == (REFUSED_BY_EVAL[argument],)


@pytest.mark.parametrize("override", ["sed=1", "+trainer.max_steps=3", "stage=enc_algn", "sweep.params=1"])
def test_what_is_no_run_is_composed_with_the_same_checks(override):
    with pytest.raises(ConfigError) as error:
        composed([override])
    assert error.value.faults == (REFUSED[override],)


def test_what_hydra_refuses_in_what_is_no_run_is_a_config_error_too():
    with pytest.raises(ConfigError, match=r"Error parsing override 'stage\.max_steps'"):
        composed(["stage.max_steps"])


@pytest.mark.parametrize("arguments", TAKEN, ids=" ".join)
def test_taken(arguments):
    check_command_line(CONF, "train", arguments)


def test_all_faults_at_once():
    with pytest.raises(ConfigError) as error:
        check_command_line(CONF, "train", ["sed=1", "seed=2", "stage.max_stps=3"])
    assert [fault.split(":")[0] for fault in error.value.faults] == ["sed", "stage.max_stps"]


def best_of_three(*arguments):
    env = {**os.environ, "ANYANY_OUTPUTS": "never_written"}
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        seconds.append(time.perf_counter() - start)
    return min(seconds), done


@pytest.mark.parametrize(
    ("arguments", "limit_s", "shows"),
    [
        (["train.py", "--help"], 2, "input_projector: linear"),
        (["train.py", "--cfg", "job"], 4, "max_steps: "),
        (["eval.py", "--help"], 2, "number: 200"),
    ],
    ids=["train --help", "train --cfg job", "eval --help"],
)
def test_answers_at_once(arguments, limit_s, shows):
    seconds, done = best_of_three(*arguments)
    assert done.returncode == 0, done.stderr
    assert shows in done.stdout
    assert seconds < limit_s


def test_a_refused_command_leaves_no_folder_and_no_traceback(tmp_path):
    command = [sys.executable, str(ROOT / "train.py"), "stage.max_stps=3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "stage.max_stps: no such key; did you mean max_steps?\n"
    assert list(tmp_path.iterdir()) == []
