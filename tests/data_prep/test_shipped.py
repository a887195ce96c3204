import pytest

from anyany.launch.errors import ConfigError
from data_prep import shipped
from data_prep.parts import PARTS

HERE = [name for name in shipped.NAMES if (PARTS / name).is_dir()]


def test_every_decoder_that_can_ship_has_a_yaml():
    assert set(shipped.NAMES) <= {path.stem for path in shipped.CONF.glob("*.yaml")}


@pytest.mark.parametrize("name", HERE)
def test_a_decoder_has_the_numbers_of_its_yaml(name, tmp_path, monkeypatch):
    text = (shipped.CONF / f"{name}.yaml").read_text()
    steps = next(line for line in text.splitlines() if line.startswith("num_steps:"))
    (tmp_path / f"{name}.yaml").write_text(text.replace(steps, "num_steps: 7"))
    assert f"num_steps: {shipped.shipped(name, PARTS / name).num_steps}" == steps
    monkeypatch.setattr(shipped, "CONF", tmp_path)
    changed = shipped.shipped(name, PARTS / name)
    assert changed.num_steps == 7
    assert changed.folder == PARTS / name
    assert not changed.unet.training


def test_a_number_that_the_class_does_not_take_is_refused(tmp_path, monkeypatch):
    text = "name: a\n_target_: tests.data_prep.painter.Picture\nfolder: x\nnum_stpes: 3\n"
    (tmp_path / "a.yaml").write_text(text)
    monkeypatch.setattr(shipped, "CONF", tmp_path)
    with pytest.raises(ConfigError, match="num_stpes"):
        shipped.shipped("a", tmp_path)
