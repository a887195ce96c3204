import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest

from anyany.launch.errors import ConfigError
from anyany.launch.targets import ELSEWHERE, build, parameters_of, target_faults

TOY = "tests.launch.toys.Toy"


def faults(**keys):
    return list(target_faults({"_target_": TOY, **keys}, "part"))


def test_builds_with_plain_lists_and_dicts():
    toy = build({"_target_": TOY, "width": 3, "inner": {"_target_": TOY, "width": 1, "sizes": [4, 5]}})
    assert (toy.width, toy.sizes) == (3, (1, 2))
    assert (toy.inner.sizes, type(toy.inner.sizes)) == ([4, 5], list)
    free = build({"_target_": "tests.launch.toys.Open", "some": {"deep": [1]}}).anything["some"]
    assert (type(free), type(free["deep"])) == (dict, list)


def test_builds_with_arguments_that_no_yaml_holds():
    assert build({"_target_": TOY, "rate": 0.1}, width=7).width == 7


def test_builds_functions_and_partials():
    assert build({"_target_": "tests.launch.toys.doubled", "value": 4}) == 8
    assert build({"_target_": "tests.launch.toys.doubled", "_partial_": True, "factor": 3})(5) == 15


CHANGED = "tests.launch.toys.changed"
DOUBLED = "tests.launch.toys.doubled"


def test_a_function_is_given_to_a_partial_function():
    inner = {"_target_": DOUBLED, "_partial_": True, "factor": 3}
    made = build({"_target_": CHANGED, "_partial_": True, "change": inner})
    assert made(5) == 15
    assert pickle.loads(pickle.dumps(made))(5) == 15  # data workers get such functions


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("doubled", "part.change: found 'doubled'; give the _target_ of a function, with _partial_: true"),
        (
            {"_target_": DOUBLED, "factor": 3},
            "part.change: doubled needs value; give value, or _partial_: true to call it later",
        ),
        ({"_target_": DOUBLED, "_partial_": True, "fctor": 3}, "part.change.fctor: no such argument of doubled; did"),
        ({"_target_": "tests.launch.toys.dubled"}, "part.change._target_: tests.launch.toys.dubled: no such class or"),
    ],
)
def test_refuses_what_is_no_function(change, message):
    (fault,) = target_faults({"_target_": CHANGED, "_partial_": True, "change": change}, "part")
    assert fault.startswith(message)


def test_build_refuses_unknown_keys():
    with pytest.raises(ConfigError, match=r"widht: no such argument of Toy; did you mean width\?"):
        build({"_target_": TOY, "widht": 3})


@pytest.mark.parametrize(
    "keys",
    [
        {"width": 3, "rate": 1},  # an int is a float
        {"width": 3, "sizes": [1, 2, 3]},  # a list fills a tuple
        {"width": 3, "folder": "a/b"},
        {"width": 3, "folder": None},
        {"width": 3, "kind": "square"},
        {"width": 3, "betas": [0.9, 1]},
        {"width": 3, "names": ["a"]},
        {"width": 3, "unknown": "anything"},  # a type that only checkers know is left alone
        {"width": 3, "inner": {"_target_": TOY, "width": 1}},
    ],
)
def test_takes_what_fits(keys):
    assert faults(**keys) == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"width": "abc"}, "part.width: found 'abc'; give a valid integer"),
        ({"width": "3"}, "part.width: found '3'; give a valid integer"),
        ({"width": 2.5}, "part.width: found 2.5; give a valid integer"),
        ({"rate": True}, "part.rate: found True; give a valid number"),
        ({"sizes": [1, "x"]}, "part.sizes: found [1, 'x']; give a valid integer"),
        ({"kind": "flat"}, "part.kind: found 'flat'; give 'round' or 'square'"),
        ({"step": "fast"}, "part.step: found 'fast'; give a valid number"),
        ({"betas": [0.9, "x"]}, "part.betas: found [0.9, 'x']; give a valid number"),
        ({"names": "abc"}, "part.names: found 'abc'; give a list"),
        ({"inner": {"_target_": TOY, "widt": 1}}, "part.inner.widt: no such argument of Toy; did you mean width?"),
        ({"_convert_": "none"}, "part._convert_: leave it out; every node is built with plain lists and dicts"),
        (
            {"_partal_": True},
            "part._partal_: no such argument of Toy; there is betas, folder, inner, kind, names, rate, ",
        ),
    ],
)
def test_refuses_with_place_and_remedy(keys, message):
    (fault,) = faults(**keys)
    assert fault.startswith(message)


def test_finds_targets_in_lists_and_plain_mappings():
    node = {"some": [{"_target_": TOY, "width": 1}, {"_target_": TOY, "witdh": 1}]}
    assert list(target_faults(node, "callbacks")) == [
        "callbacks.some[1].witdh: no such argument of Toy; did you mean width?"
    ]


def test_labels_and_outside_targets():
    assert list(target_faults({"name": "a", "width": 1}, "part", frozenset({"name"}), TOY)) == []
    (fault,) = target_faults({"name": "a"}, "part", target=TOY)
    assert fault.startswith("part.name: no such argument of Toy")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("tests.launch.toys.Ty", r"no such class or module; did you mean Toy\?"),
        ("tests.launch.toy_s.Toy", r"no such class or module; did you mean toys\?"),
        ("tests.launch.toys.NOT_CALLABLE", "is a int; name a class or a function"),
        ("tests.launch.broken.Part", "cannot import tests.launch.broken: No module named 'nowhere_to_be_found'"),
    ],
)
def test_refuses_targets_that_are_not_there(target, message, tmp_path, monkeypatch):
    import tests.launch

    (tmp_path / "broken.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.setattr(tests.launch, "__path__", [*tests.launch.__path__, str(tmp_path)])
    with pytest.raises(ConfigError, match=message):
        parameters_of(target)


def test_a_target_that_takes_any_name_cannot_be_checked():
    assert parameters_of("tests.launch.toys.Open") == ({}, True)
    assert list(target_faults({"_target_": "tests.launch.toys.Open", "whatever": 1}, "part")) == []


def test_what_fit_gives_to_the_trainer_is_taken_from_nobody_else(monkeypatch):
    from anyany.training import fit as fit_module

    given = set()

    class Told(Exception):
        pass

    def trainer(**options):
        given.update(options)
        raise Told

    monkeypatch.setattr(fit_module, "Trainer", trainer)
    for val_every in (None, 2):
        with pytest.raises(Told):
            fit_module.fit(None, SimpleNamespace(num_steps=4), Path("run"), {}, val_every=val_every)
    elsewhere = ELSEWHERE["lightning.Trainer"]
    may_give_too = {"enable_model_summary", "log_every_n_steps", "strategy"}  # a config
    assert given - elsewhere.keys() == may_give_too
    by_us = {"accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"}  # the loader, and our steps
    assert elsewhere.keys() - given == by_us


def test_places_of_arguments_are_those_of_real_ones():
    import inspect

    import lightning

    assert ELSEWHERE.keys() == {"lightning.Trainer"}
    assert ELSEWHERE["lightning.Trainer"].keys() <= inspect.signature(lightning.Trainer).parameters.keys()
    assert not ELSEWHERE["lightning.Trainer"].keys() & parameters_of("lightning.Trainer")[0].keys()
