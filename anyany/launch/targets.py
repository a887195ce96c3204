"""Nodes with ``_target_``: their keys are held against the signature of what they name, then it is called.

Importing a target may be slow, so nothing here runs for ``--help`` and ``--cfg``.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from anyany.launch.errors import ConfigError, nearest, no_such, wanted

META = frozenset({"_target_", "_partial_", "_args_", "_recursive_"})
# Arguments that no node gives, because the code gives them itself: by target, with the place that they come from.
ELSEWHERE = {
    "lightning.Trainer": {
        "max_steps": "belongs to the stage: stage.max_steps",
        "max_epochs": "belongs to the stage: stage.max_epochs",
        "val_check_interval": "belongs to the stage: stage.val_every",
        "check_val_every_n_epoch": "belongs to the stage: stage.val_every",
        "limit_val_batches": "belongs to the stage: stage.val_every, null to validate nothing",
        "gradient_clip_val": "belongs to the stage: stage.max_grad_norm",
        "gradient_clip_algorithm": "is the norm: stage.max_grad_norm",
        "accumulate_grad_batches": "belongs to the data: data.num_micro",
        "default_root_dir": "is the folder of the run: run=<name>, paths.outputs=<folder>",
        "logger": "is a group: logger=<option>",
        "callbacks": "is a group: callbacks=<option>",
        "plugins": "is not taken: training writes its checkpoints with a plugin of its own",
    },
}
_SCALARS = (bool, int, float, str, Path, NoneType, Any, ...)
_CONTAINERS = (list, tuple, dict, Sequence, Mapping)


def build(node: Mapping[str, Any], **more: Any) -> Any:
    """What a node of a checked config describes; lists and mappings reach it as plain ones, however deep they stand.

    Args:
        more: arguments that no yaml can hold.

    Raises:
        ConfigError: for keys that the target does not take.
    """
    from hydra.utils import instantiate

    if faults := list(target_faults(node, "")):
        raise ConfigError(*faults)
    if not more:
        return instantiate(node, _convert_="all")
    # Given along, Hydra would take them for a part of the node and turn a dataclass into a mapping.
    return instantiate({**node, "_partial_": True}, _convert_="all")(**more)


def target_faults(node: Any, where: str, labels: frozenset[str] = frozenset(), target: str = "") -> Iterator[str]:
    """Each wrong key or value in or below ``node``.

    Args:
        labels: keys that the node may hold beside the arguments of its target.
        target: what is called with the node, where the node does not say so itself.
    """
    if isinstance(node, list):
        for index, value in enumerate(node):
            yield from target_faults(value, f"{where}[{index}]")
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        yield from target_faults(value, _join(where, key))
    if target := node.get("_target_", target):
        yield from _argument_faults(node, where, labels, target)


def parameters_of(target: str) -> tuple[dict[str, Any], bool]:
    """Names and type hints of what a node may give to ``target``, and whether it takes any other name too.

    Raises:
        ConfigError: if there is no such class or function.
    """
    called = _locate(target)
    code = called.__init__ if inspect.isclass(called) else called
    kinds = inspect.Parameter
    parameters = [p for p in inspect.signature(called).parameters.values() if p.kind is not kinds.VAR_POSITIONAL]
    hints = {p.name: _resolved(p.annotation, code) for p in parameters if p.kind is not kinds.VAR_KEYWORD}
    given = {name: hint for name, hint in hints.items() if name not in ELSEWHERE.get(target, {})}
    return given, any(p.kind is kinds.VAR_KEYWORD for p in parameters)


def no_such_argument(where: str, found: str, known: Iterable[str], target: str, kind: str = "key") -> str:
    """The refusal of what ``target`` takes from no node, with the nearest name or the place of what was meant."""
    places = ELSEWHERE.get(target, {})
    meant = nearest(found, {*known, *places})
    if meant not in places:
        return no_such(where, found, known, kind)
    return f"{where}: {'' if meant == found else f'no such {kind}; {meant} '}{places[meant]}"


def _argument_faults(node: Mapping[str, Any], where: str, labels: frozenset[str], target: str) -> Iterator[str]:
    if "_convert_" in node:
        yield f"{_join(where, '_convert_')}: leave it out; every node is built with plain lists and dicts"
    try:
        hints, takes_any = parameters_of(target)
    except ConfigError as error:
        yield f"{_join(where, '_target_')}: {error}"
        return
    for key in sorted(node.keys() - META - {"_convert_"}):
        if key in hints:
            yield from _type_faults(node[key], hints[key], _join(where, key))
            yield from _missing_faults(node[key], _join(where, key))
        elif key not in labels and not takes_any:
            yield no_such_argument(_join(where, key), key, hints, target, f"argument of {target.rpartition('.')[2]}")


def _missing_faults(node: Any, where: str) -> Iterator[str]:
    """Arguments that nobody gives to a node within a node; to an outer one the code may give more."""
    if not isinstance(node, Mapping) or "_target_" not in node or node.get("_partial_") or "_args_" in node:
        return
    try:
        parameters = inspect.signature(_locate(node["_target_"])).parameters
    except ConfigError:  # told where the node itself is looked at
        return
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = {n for n, p in parameters.items() if p.default is p.empty and p.kind not in rest} - node.keys()
    unknown = node.keys() - META - parameters.keys()  # told where they stand; one may be what is missing
    if needed and not unknown:
        names, called = ", ".join(sorted(needed)), node["_target_"].rpartition(".")[2]
        yield f"{where}: {called} needs {names}; give {names}, or _partial_: true to call it later"


def _type_faults(value: Any, hint: Any, where: str) -> Iterator[str]:
    if _holds_target(value):
        return
    plain = _plain(hint)
    if plain is None:
        if get_origin(hint) is Callable:
            yield f"{where}: found {value!r}; give the _target_ of a function, with _partial_: true"
        return
    try:
        TypeAdapter(plain).validate_json(json.dumps(value), strict=True)  # strict JSON: a list may fill a tuple
    except ValidationError as error:
        give = dict.fromkeys(wanted(fault["msg"]) for fault in error.errors())
        yield f"{where}: found {value!r}; give {', or '.join(give)}"


def _plain(hint: Any) -> Any:
    """The part of a type hint that a yaml can fill, or None where there is no such part."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _SCALARS or hint in _CONTAINERS or origin is Literal:
        return hint
    if origin in (Union, UnionType):
        members = tuple(member for member in map(_plain, arguments) if member is not None)
        return Union[members] if members else None  # noqa: UP007 - the members are known at run time only
    if origin in _CONTAINERS and None not in (members := tuple(map(_plain, arguments))):
        return origin[members]
    return None


def _holds_target(value: Any) -> bool:
    values = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return (isinstance(value, Mapping) and "_target_" in value) or any(map(_holds_target, values))


def _resolved(annotation: Any, code: Any) -> Any:
    """The type behind an annotation; ``Any`` where there is none or its name is known to type checkers only."""
    if annotation is inspect.Parameter.empty:
        return Any
    names = getattr(inspect.unwrap(code), "__globals__", {})
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": annotation}), globalns=names)["it"]
    except NameError:
        return Any


def _locate(target: str) -> Any:
    """The class or function at a dotted path."""
    parts = target.split(".")
    found: Any = None
    for depth, part in enumerate(parts):
        path = ".".join(parts[: depth + 1])
        if found is not None and hasattr(found, part):
            found = getattr(found, part)
            continue
        try:
            found = import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:  # the module is there, what it imports is not
                raise ConfigError(f"cannot import {path}: {error}") from error
            raise ConfigError(no_such(target, part, _inside(found), "class or module")) from None
    if not callable(found):
        raise ConfigError(f"{target} is a {type(found).__name__}; name a class or a function")
    return found


def _inside(module: Any) -> list[str]:
    from pkgutil import iter_modules

    modules = [info.name for info in iter_modules(getattr(module, "__path__", []))]
    return modules + [name for name in dir(module) if not name.startswith("_")]


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)
