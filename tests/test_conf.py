"""Every yaml under conf/ is a case: it composes, resolves, and what it describes takes the keys that it gives."""

import json
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from anyany.data.cleaning import as_published
from anyany.data.identity import identity
from anyany.data.records import Record
from anyany.launch.checks import checked
from anyany.launch.command_line import composed, override_faults
from anyany.launch.schema import PARTS
from anyany.launch.sources import PUBLISHED
from anyany.launch.targets import build
from anyany.media.table import MEDIA
from anyany.messages.types import Text, media_of, validate

CONF = Path(__file__).parent.parent / "conf"
PRIMARY = {"train": [], "eval": ["run=outputs/default/some_run"]}
HYDRA_OF = {"hydra/default": "train", "hydra/eval": "eval"}

FILES = sorted(str(path.relative_to(CONF).with_suffix("")) for path in CONF.rglob("*.yaml"))
SOURCES = [path.stem for path in sorted((CONF / "source").glob("*.yaml"))]
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
    if group == "decoder":  # one that no row names is refused
        overrides.append(f"rows.image.decoder={option}")
    config = checked(compose(primary, overrides), CONF, primary)
    if group in PARTS:
        assert config[group]["name"] == option, f"conf/{file}.yaml: its name is not that of its file"
        assert "_target_" in config[group]


@pytest.mark.parametrize("file", FILES)
def test_says_nothing_that_build_decides(file):
    assert "_convert_" not in (CONF / f"{file}.yaml").read_text(), (
        "build() converts every node to plain lists and dicts"
    )


def recipes_of(source):
    """(stage, recipe) of each recipe of a source."""
    nodes = composed([f"source=[{source}]"])["source"][source]["recipes"]
    return [(stage, build(node)) for stage, node in nodes.items()]


def record(key, media, caption):
    """A record with a caption, one medium, and a conversation that asks for it."""
    target = {"type": "image", "member": media, "caption": caption}
    turns = [{"role": "user", "content": "A picture?"}, {"role": "assistant", "content": [target]}]
    data = json.dumps({"messages": turns}).encode()
    return Record("s", "0.tar", 0, key, {"txt": caption.encode(), "json": data}, (media, "txt", "json"))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "caption", ["two goats", "A man is speaking.", "famous trees can be found .", "Is it a {bird}?"]
)
def test_recipes_of_a_source_take_its_records(source, caption, record_property):
    recipes = recipes_of(source)
    record_property("found", f"{len(SOURCES)} sources under conf/source")
    assert recipes
    for stage, recipe in recipes:
        modality = recipe.keywords.get("modality", "image")
        for number in range(50):  # keys pick the phrasings
            messages = recipe(record(str(number), MEDIA[modality].extensions[0], caption))
            validate(messages)
            assert len(list(media_of(messages))) == 1
            if "modality" in recipe.keywords:
                clean = recipe.keywords.get("clean", as_published)
                is_made = any(media_of(messages, "assistant"))
                assert (stage, is_made) in {("enc_align", False), ("dec_align", True), ("instruct", is_made)}
                (side,) = [m for m in messages if m.role == ("user" if is_made else "assistant")]
                assert clean(caption) in "".join(part.text for part in side.content if isinstance(part, Text))
            if stage == "dec_align":
                (target,) = media_of(messages, "assistant")
                assert target.caption == (clean(caption) if "modality" in recipe.keywords else caption)


@pytest.mark.parametrize("source", SOURCES)
def test_stages_of_a_source_clean_alike(source):
    cleanings = {identity(r.keywords["clean"]) for _, r in recipes_of(source) if "clean" in r.keywords}
    assert len(cleanings) <= 1


def test_the_module_that_writes_a_source_is_there():
    modules = {source.partition("_")[0] for source in SOURCES}
    assert modules == {"microworld", *PUBLISHED}
    assert [name for name in modules if not (CONF.parent / "data_prep" / f"{name}.py").is_file()] == []


@pytest.mark.parametrize("file", SWEEPS)
def test_sweeps_over_keys_that_there_are(conf, file):
    params = yaml.safe_load((CONF / f"{file}.yaml").read_text())["hydra"]["sweeper"]["params"]
    assert params
    assert list(override_faults("train", [f"{key}={value}" for key, value in params.items()])) == []
