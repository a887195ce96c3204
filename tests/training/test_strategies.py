import subprocess
import sys

import pytest
import torch

from tests.training.shard_run import gradients


@pytest.mark.parametrize("micro", [1, 2])
def test_a_model_that_is_shared_out_has_the_gradients_of_one_process(tmp_path, micro, record_property):
    command = [sys.executable, "-m", "tests.training.shard_run", str(tmp_path)]
    processes = [subprocess.Popen([*command, str(rank), str(micro)]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    found, wanted = torch.load(tmp_path / "gradients.pt", weights_only=True), gradients(1, 0, 1)
    record_property("found", f"{len(wanted)} gradients of a model that is shared out")
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-4, msg=lambda text, n=name: f"{n}: {text}")
