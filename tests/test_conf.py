"""Every yaml under conf/ is a case: it composes, resolves, and what it describes takes the keys that it gives."""

from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from anyany.launch.checks import checked
from anyany.launch.command_line import override_faults
from anyany.launch.schema import PARTS

CONF = Path(__file__).parent.parent / "conf"
PRIMARY = {"train": [], "eval": ["run=outputs/default/some_run"]}
HYDRA_OF = {"hydra/default": "train", "hydra/eval": "eval"}

FILES = sorted(str(path.relative_to(CONF).with_suffix("")) for path in CONF.rglob("*.yaml"))
SWEEPS = [name for name in FILES if name.startswith("sweep/")]


@pytest.fixture
def conf():
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        yield


def test_every_file_is_a_case(record_property):
    record_property("found", f"{len(FILES)} yaml files under conf")
    assert {"train", "eval", "experiment/debug"} <= set(FILES)
    assert [path for path in CONF.rglob("*") if path.is_file() and path.suffix != ".yaml"] == []


@pytest.mark.parametrize("file", FILES)
def test_composes_resolves_and_fits_its_targets(conf, file):
    group, _, option = file.rpartition("/")
    primary = HYDRA_OF.get(file, file if file in PRIMARY else "train")
    overrides = [*PRIMARY[primary], *([f"{group}={option}"] if group and file not in HYDRA_OF else [])]
    config = checked(compose(primary, overrides), CONF, primary)
    if group in PARTS:
        assert config[group]["name"] == option, f"conf/{file}.yaml: its name is not that of its file"
        assert "_target_" in config[group]


@pytest.mark.parametrize("file", FILES)
def test_says_nothing_that_build_decides(file):
    assert "_convert_" not in (CONF / f"{file}.yaml").read_text(), (
        "build() converts every node to plain lists and dicts"
    )


@pytest.mark.parametrize("file", SWEEPS)
def test_sweeps_over_keys_that_there_are(conf, file):
    params = yaml.safe_load((CONF / f"{file}.yaml").read_text())["hydra"]["sweeper"]["params"]
    assert params
    assert list(override_faults("train", [f"{key}={value}" for key, value in params.items()])) == []
