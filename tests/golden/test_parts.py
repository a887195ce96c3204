import pytest

from tests.golden import parts_series


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("pools")


def test_every_training_of_a_shipped_part_has_a_series(record_property):
    names = parts_series.shipped()
    record_property("found", f"{len(names)} trainings of shipped parts: {', '.join(names)}")
    assert sorted(parts_series.read()) == sorted(names)


@pytest.mark.parametrize("name", parts_series.shipped())
def test_losses_are_those_committed(name, work):
    found, committed = parts_series.losses(name, work), parts_series.read()[name]
    assert len(found) == len(committed) == parts_series.STEPS
    assert found == pytest.approx(committed, abs=1e-4)
