import json

import pytest

from anyany.launch import proof
from anyany.launch.experiment import train
from anyany.runs import LEDGER
from tests.launch.test_experiment import config, run, world  # noqa: F401 - fixtures


@pytest.fixture
def trained(world, tmp_path, run):  # noqa: F811
    train(config(world, tmp_path), run)
    return run


def test_a_whole_run_is_proved(trained, capsys):
    assert proof.main([str(trained)]) == 0
    told = capsys.readouterr().out
    assert "4 steps" in told
    assert "every planned sample exactly once" in told
    held, num_steps = proof.proof_of(trained)
    assert (num_steps, held.num_counted) == (4, held.num_planned)
    assert held.num_planned >= 4 * 4


def test_a_lost_and_a_repeated_sample_are_named(trained, capsys):
    (path,) = (trained / LEDGER).glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lost, repeated = lines[1]["samples"].pop(), lines[2]["samples"][0]
    lines[2]["samples"].append(repeated)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert proof.main([str(trained)]) == 1
    told = capsys.readouterr().out
    assert f"lost     1 ({'/'.join(lost)})" in told
    assert f"repeated 1 ({'/'.join(repeated)})" in told
    assert "NOT every planned sample" in told


def test_what_is_no_trained_run_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no such run"):
        proof.main([str(tmp_path / "nothing")])
    with pytest.raises(SystemExit, match="holds no config"):
        proof.main([str(tmp_path)])
