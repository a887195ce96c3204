import pytest

from tests.golden import series

DROPS = {"enc_align": "text", "dec_align": "image/align", "instruct": "image/align"}  # what each stage learns first


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return series.write_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("stage", series.STAGES)
def test_losses_are_those_committed(stage, world, tmp_path, record_property):
    found, committed = series.losses(stage, world, tmp_path), series.read()[stage]
    record_property("found", f"{series.STEPS} steps of {stage}: {', '.join(committed)}")
    assert found.keys() == committed.keys()
    assert len(committed["text"]) == series.STEPS  # the others only where something is asked for
    for name, values in committed.items():
        assert found[name] == pytest.approx(values, abs=1e-4)
    first, last = (sum(some) for some in (found[DROPS[stage]][:5], found[DROPS[stage]][-5:]))
    assert last < 0.95 * first  # it learns at all
