"""Faults in yaml files, which no check of the command line sees."""

from pathlib import Path
from shutil import copytree
from typing import get_args

import pytest
from hydra import compose, initialize_config_dir

from anyany.launch.checks import checked
from anyany.launch.errors import ConfigError
from anyany.launch.schema import Train
from anyany.microworld.levels import LEVELS

PLANTED = {
    "stage:\n  max_stps: 3\n": "stage.max_stps: no such key; did you mean max_steps?",
    "stage:\n  max_steps: many\n": "stage.max_steps: found 'many'; give a valid integer",
    "sede: 3\n": "sede: no such key; did you mean seed?",
    "rows:\n  image:\n    plceholder: x\n": "rows.image.plceholder: no such key; did you mean placeholder?",
    "encoder:\n  weigths: x\n": "encoder.weigths: no such argument of PretrainedImageBind; did you mean weights?",
    "llm:\n  lora_rank: four\n": "llm.lora_rank: found 'four'; give a valid integer",
    "trainer:\n  devcies: 2\n": "trainer.devcies: no such argument of Trainer; did you mean devices?",
    "trainer:\n  max_steps: 3\n": "trainer.max_steps: belongs to the stage: stage.max_steps",
    "trainer:\n  max_stps: 3\n": "trainer.max_stps: no such argument of Trainer; max_steps belongs to the stage: ",
    "level: esay\n": "level=esay: no such option; did you mean easy?",
    "level: 3\n": "level=3: no such option; there is easy, hard, standard",
    "stage:\n  name: enc_algn\n": "stage.name=enc_algn: no such option; did you mean enc_align?",
    "optimizer:\n  _target_: torch.optim.AdmW\n": "optimizer._target_: torch.optim.AdmW: no such class or module; "
    "did you mean AdamW?",
    "callbacks:\n  one:\n    every: 3\n": "callbacks.one: found {'every': 3}; give the _target_ of a class",
    "seed: ${sede}\n": "seed: Interpolation key 'sede' not found",
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_fault_planted_in_an_experiment_is_found(tmp_path, planted):
    conf = Path(copytree(Path(__file__).parents[2] / "conf", tmp_path / "conf"))
    (conf / "experiment" / "planted.yaml").write_text(f"# @package _global_\n{planted}")
    with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
        cfg = compose("train", ["experiment=planted"])
    with pytest.raises(ConfigError) as error:
        checked(cfg, conf)
    assert len(error.value.faults) == 1
    assert error.value.faults[0].startswith(PLANTED[planted])


def test_levels_are_those_of_the_microworld():
    assert get_args(Train.model_fields["level"].annotation) == tuple(LEVELS)
