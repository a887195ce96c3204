"""What the digest of a length table sees of a recipe."""

import importlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from anyany.data import recipes
from anyany.data.cleaning import as_published, nextgpt, tidy
from anyany.data.identity import identity

READ = partial(recipes.read_media, modality="image")
RECIPES = {
    "as_it_is": recipes.as_it_is,
    "read": READ,
    "read audio": partial(recipes.read_media, modality="audio"),
    "make": partial(recipes.make_media, modality="image"),
    "one prompt": partial(READ, prompts=("What?",)),
    "other prompt": partial(READ, prompts=("What!",)),
    "tidy": partial(READ, clean=tidy),
    "nextgpt": partial(READ, clean=nextgpt),
}


def test_recipes_that_differ_are_told_apart():
    assert len({identity(recipe) for recipe in RECIPES.values()}) == len(RECIPES)


@pytest.mark.parametrize(
    "same",
    [
        partial(recipes.read_media, modality="image"),
        partial(READ, clean=as_published),  # the default
        partial(READ, clean=partial(as_published)),
        partial(READ, prompts=list(recipes.READ_PROMPTS)),  # a yaml holds lists
    ],
)
def test_one_recipe_written_in_other_words_is_one(same):
    assert identity(same) == identity(READ)


def test_every_process_tells_the_same():
    code = (
        "from tests.data.test_identity import RECIPES, identity\n"
        "import sys; sys.stdout.write('|'.join(map(identity, RECIPES.values())))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=root
    )
    assert run.stdout.split("|") == [identity(recipe) for recipe in RECIPES.values()]


def test_an_edited_function_is_another(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "own_cleaning.py"
    file.write_text("def clean(caption):\n    return caption.strip()\n")
    module = importlib.import_module("own_cleaning")
    own = partial(READ, clean=partial(module.clean))
    before = identity(own)
    assert identity(own) == before
    file.write_text("def clean(caption):\n    return caption.strip('. ')\n")
    assert identity(own) != before
    assert identity(own).split("clean=")[0] == before.split("clean=")[0]  # nothing else has changed


@pytest.mark.parametrize("value", [object(), b"bytes", str.strip, partial(str.strip), {"a": [object()]}])
def test_what_has_no_lasting_name_is_refused(value):
    with pytest.raises(ValueError, match=r"has no lasting name; give functions|no Python source"):
        identity(partial(READ, clean=value))
