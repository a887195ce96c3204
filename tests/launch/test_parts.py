"""Rows name parts: one node for each name, wherever it comes from."""

from pathlib import Path
from shutil import copytree

import pytest
from hydra import compose, initialize_config_dir

from anyany.launch.checks import checked
from anyany.launch.errors import ConfigError
from anyany.launch.parts import named_parts

TRAIN = """
defaults:
  - encoder: small
  - input_projector: linear
  - llm: tiny
  - rows: two
  - _self_
  - decoder: null
width: 5
"""
FILES = {
    "encoder/small": "name: small\n_target_: tests.launch.toys.Toy\nwidth: 1\n",
    "encoder/large": "defaults: [small, _self_]\nname: large\nwidth: ${width}\nkind: square\n",
    "input_projector/linear": "name: linear\n_target_: tests.launch.toys.Toy\nwidth: 2\n",
    "input_projector/mlp": "name: mlp\n_target_: tests.launch.toys.Toy\nwidth: 3\nrate: 0.25\n",
    "input_projector/wrong": "name: wrong\n_target_: tests.launch.toys.Toy\nwidht: 3\n",
    "decoder/draw": "name: draw\n_target_: tests.launch.toys.Toy\nwidth: ???\n",
    "llm/tiny": "name: tiny\n_target_: tests.launch.toys.Toy\nwidth: 4\n",
    "rows/two": """
image: {encoder: "${encoder.name}", input_projector: "${input_projector.name}", connection: null, decoder: null}
video: {encoder: "${encoder.name}", input_projector: "${input_projector.name}", connection: null, decoder: null}
""",
}
TOY = "tests.launch.toys.Toy"


@pytest.fixture
def conf(tmp_path):
    for name, text in {"train": TRAIN, **FILES}.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def parts(conf, *overrides):
    with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
        cfg = compose("train", list(overrides))
    return named_parts(cfg, conf)


def test_a_part_that_two_rows_name_is_one_node(conf):
    found = parts(conf)
    assert found["encoder"] == {"small": {"_target_": TOY, "width": 1}}
    assert found["input_projector"] == {"linear": {"_target_": TOY, "width": 2}}
    assert found["llm"] == {"tiny": {"_target_": TOY, "width": 4}}
    assert found["connection"] == found["output_projector"] == found["decoder"] == {}


def test_the_chosen_option_serves_all_rows_with_its_overrides(conf):
    found = parts(conf, "input_projector=mlp", "input_projector.width=9")
    assert found["input_projector"] == {"mlp": {"_target_": TOY, "width": 9, "rate": 0.25}}


def test_one_row_may_name_another_part(conf):
    found = parts(conf, "rows.video.input_projector=mlp", "input_projector.width=9")
    assert found["input_projector"] == {
        "linear": {"_target_": TOY, "width": 9},  # the override is the chosen part's
        "mlp": {"_target_": TOY, "width": 3, "rate": 0.25},
    }


def test_parts_are_found_within_a_run_of_hydra(conf):
    with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
        cfg = compose("train", ["rows.video.input_projector=mlp"])
        assert set(named_parts(cfg, conf)["input_projector"]) == {"linear", "mlp"}
        assert compose("train").rows.video.input_projector == "linear"  # the run is still there


def test_a_part_from_its_file_is_composed_and_finds_the_rest_of_the_config(conf):
    found = parts(conf, "rows.video.encoder=large", "width=6")
    assert found["encoder"]["large"] == {"_target_": TOY, "width": 6, "kind": "square"}


def test_every_unknown_name_is_refused_with_its_row_and_the_nearest(conf):
    with pytest.raises(ConfigError) as error:
        parts(conf, "rows.video.input_projector=mpl", "rows.image.encoder=lagre", "rows.image.decoder=x")
    assert error.value.faults == (
        "rows.image.encoder=lagre: no such encoder; did you mean large?",
        "rows.image.decoder=x: no such decoder; there is draw",
        "rows.video.input_projector=mpl: no such input_projector; did you mean mlp?",
    )


def test_a_decoder_that_no_row_names_is_refused(conf):
    with pytest.raises(ConfigError, match=r"decoder=draw: no row names it.*rows.image.decoder=draw or rows.video.dec"):
        parts(conf, "decoder=draw", "decoder.width=3")
    found = parts(conf, "decoder=draw", "decoder.width=3", "rows.image.decoder=draw")
    assert found["decoder"]["draw"]["width"] == 3


def test_a_missing_value_names_its_part(conf):
    with pytest.raises(ConfigError, match=r"decoder\.width: Missing mandatory value"):
        parts(conf, "rows.image.decoder=draw")


def test_faults_in_a_part_that_only_a_row_names_are_found(project_conf):
    (project_conf / "input_projector" / "wrong.yaml").write_text(FILES["input_projector/wrong"])
    with initialize_config_dir(version_base="1.3", config_dir=str(project_conf)):
        cfg = compose("train", ["rows.video.input_projector=wrong"])
    with pytest.raises(ConfigError) as error:
        checked(cfg, project_conf)
    assert error.value.faults == ("input_projector[wrong].widht: no such argument of Toy; did you mean width?",)


@pytest.fixture
def project_conf(tmp_path):
    return Path(copytree(Path(__file__).parents[2] / "conf", tmp_path / "conf"))
