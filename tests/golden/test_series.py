import pytest

from tests.golden import series


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return series.write_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("stage", series.STAGES)
def test_losses_are_those_committed(stage, world, tmp_path, record_property):
    found, committed = series.losses(stage, world, tmp_path), series.read()[stage]
    record_property("found", f"{len(committed)} steps of {stage}")
    assert len(found) == len(committed) == series.STEPS
    assert found == pytest.approx(committed, abs=1e-4)
    assert found[-1] < found[0] - 0.1  # it learns at all
