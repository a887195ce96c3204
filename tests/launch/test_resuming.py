from copy import deepcopy

import pytest

from anyany.launch.command_line import composed
from anyany.launch.errors import ConfigError
from anyany.launch.resuming import check_unchanged

MAY = ["stage.max_steps=7", "trainer=ddp", "stage.val_every=null", "data.num_workers=0", "run=b", "resume=true"]
MAY_NOT = {
    "seed=3": "seed was 0 and is 3 now",
    "stage.learning_rate=0.5": "stage.trains.input_projectors.learning_rate was 0.01 and is 0.5 now",
    "stage.trains.input_projectors.from_step=9": "stage.trains.input_projectors.from_step was 0 and is 9 now",
    "llm.lora_rank=3": "parts.llm.llama.lora_rank was 8 and is 3 now",
    "optimizer=sgd": "optimizer._target_ was ",
    "rows.image.num_signal_tokens=2": "rows.image.num_signal_tokens was 4 and is 2 now",
    "input_projector=mlp": "rows.image.input_projector was linear and is mlp now",
}


@pytest.fixture(scope="module")
def stored():
    return composed(["run=a"])


def test_what_does_not_decide_the_weights_may_change(stored):
    check_unchanged(stored, composed(MAY))


@pytest.mark.parametrize("word", MAY_NOT)
def test_what_a_checkpoint_holds_may_not(stored, word):
    before = deepcopy(stored)
    with pytest.raises(ConfigError) as error:
        check_unchanged(stored, composed(["run=a", word]))
    assert any(fault.startswith(MAY_NOT[word]) for fault in error.value.faults), error.value.faults
    assert error.value.faults[-1].startswith("resume=true goes on with what the run began with")
    assert stored == before
