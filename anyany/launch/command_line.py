"""Mis-spellings on the command line, found before Hydra composes the job and before anything heavy is imported.

Hydra refuses some of them without saying what was meant, and takes ``+stage.max_stps=3`` for a new key. Here a key must
stand in what the chosen options compose to, or in the signature of the ``_target_`` beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from anyany.launch.checks import CALLED_WITH, checked, plainly_checked
from anyany.launch.errors import ConfigError, no_such
from anyany.launch.targets import META, no_such_argument, parameters_of

CONF = Path(__file__).parents[2] / "conf"


def check_command_line(conf_dir: Path, name: str, arguments: Sequence[str]) -> None:
    """Refuses what cannot be meant, before a folder is made for the run.

    Args:
        conf_dir: the folder of the configs.
        name: of the primary config in it.
        arguments: of the command line, without the program's name.

    Raises:
        ConfigError: with a line for each fault.
    """
    options = get_args_parser().parse_args(list(arguments))
    if options.help or options.hydra_help or options.shell_completion:
        return
    for flag in ("config_dir", "config_path"):
        if getattr(options, flag):
            raise ConfigError(
                f"--{flag.replace('_', '-')}: not taken; put your own options into {conf_dir.name}/, a yaml each"
            )
    name = options.config_name or name
    with _hydra(conf_dir, name):
        _refuse(name, options.overrides)
        parsed = OverridesParser.create().parse_overrides(options.overrides)
        sweeps = any(override.is_sweep_override() for override in parsed)
        if not (sweeps or options.multirun or options.cfg or options.info):
            plainly_checked(compose(name, options.overrides), conf_dir, name)


def composed(overrides: Sequence[str], conf_dir: Path = CONF) -> dict[str, Any]:
    """The checked config that ``train.py`` would run with these overrides, for what is no run: a trace, a test.

    Raises:
        ConfigError: with a line for each fault.
    """
    with _hydra(conf_dir, "train"):
        _refuse("train", overrides)
        return checked(compose("train", overrides=list(overrides)), conf_dir)


def override_faults(name: str, overrides: Sequence[str]) -> Iterator[str]:
    """A line for each override with a misspelt group, option or key; Hydra must be initialised."""
    loader = GlobalHydra.instance().config_loader()
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    groups = [override for override in parsed if _is_group(override, loader)]
    for group in groups:
        known = loader.get_group_options(group.key_or_group)
        if not group.is_delete() and group.value() is None:
            yield f"{group.key_or_group}=null: to choose nothing, write ~{group.key_or_group}"
            return
        for option in _chosen(group, known):
            if option not in known:
                yield no_such(f"{group.key_or_group}={option}", option, known, "option")
                return  # the rest is held against what the options compose to
    compositions = list(_compositions(name, groups, loader))
    for override in parsed:
        for key in [] if override in groups else _keys(override):
            faults = [_key_fault(config, key, loader) for config in compositions]
            if fault := all(faults) and faults[0]:  # in a sweep over options a key of one of them will do
                yield fault


@contextmanager
def _hydra(conf_dir: Path, name: str) -> Iterator[None]:
    """Hydra ready to compose; what it refuses itself is a ConfigError."""
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir.resolve()), job_name=name):
            yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error)) from error


def _refuse(name: str, overrides: Sequence[str]) -> None:
    if faults := list(override_faults(name, overrides)):
        raise ConfigError(*faults)


def _is_group(override: Override, loader: ConfigLoader) -> bool:
    """Hydra's own rule: the name of a group, set to anything but a mapping."""
    is_mapping = not override.is_delete() and isinstance(override.value(), dict)
    return not is_mapping and bool(loader.get_group_options(override.key_or_group, results_filter=None))


def _chosen(group: Override, known: list[str]) -> list[str]:
    """The options that an override names, in a sweep or a list too."""
    value: Any = [] if group.is_delete() else group.value()
    if isinstance(value, Glob):
        return value.filter(known)
    values = value.list if isinstance(value, ChoiceSweep) else value if isinstance(value, list) else [value]
    return [str(option) for option in values]


def _compositions(name: str, groups: Sequence[Override], loader: ConfigLoader) -> Iterator[dict[str, Any]]:
    """What the groups compose to, without any other override; in a sweep over options as often as needed to see all."""
    choices = [
        [f"{_qualified(group)}={option}" for option in _chosen(group, loader.get_group_options(group.key_or_group))]
        if group.is_sweep_override()
        else [str(group.input_line)]
        for group in groups
    ]
    for chosen in zip_longest(*choices) if choices else [()]:
        overrides = [option or options[-1] for option, options in zip(chosen, choices, strict=True)]
        config = OmegaConf.to_container(compose(name, overrides, return_hydra_config=True), resolve=False)
        assert isinstance(config, dict)
        yield {str(key): value for key, value in config.items()}


def _qualified(group: Override) -> str:
    plus = "+" if group.is_add() else ""
    return f"{plus}{group.key_or_group}" + (f"@{group.package}" if group.package else "")


def _keys(override: Override) -> list[str]:
    """The dotted keys that an override sets: several, where its value is a mapping."""
    value = None if override.is_delete() else override.value()
    return list(_leaves(override.key_or_group, value))


def _leaves(where: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping) or not value:
        yield where
        return
    for key, below in value.items():
        yield from _leaves(f"{where}.{key}", below)


def _key_fault(config: Mapping[str, Any], dotted: str, loader: ConfigLoader) -> str | None:
    """What is wrong with the key of an override, if anything."""
    if "/" in dotted:
        folder = dotted.rpartition("/")[0]
        return no_such(dotted, dotted, [f"{folder}/{name}" for name in loader.list_groups(folder)], "group")
    keys = dotted.split(".")
    node: Any = config
    for depth, key in enumerate(keys):
        where = ".".join(keys[: depth + 1])
        if not isinstance(node, Mapping):
            if node is None and keys[0] == "hydra":  # Hydra's own open places, such as hydra.sweeper.params
                return None
            return f"{where}: {'.'.join(keys[:depth])} is {node!r} and has no keys"
        if not node:
            return None  # an empty mapping is open
        if key not in node:
            return _unknown_below(node, key, where) if depth else _unknown(config, key, loader)
        node = node[key]
    return None


def _unknown_below(node: Mapping[str, Any], key: str, where: str) -> str | None:
    known = {str(name) for name in node}
    target = node.get("_target_") or CALLED_WITH.get(where.rpartition(".")[0], "")
    if target:
        hints, takes_any = parameters_of(target)
        if key in hints or key in META or takes_any:
            return None
        known |= set(hints)
    return no_such_argument(where, key, known - META, target)


def _unknown(config: Mapping[str, Any], key: str, loader: ConfigLoader) -> str:
    """What is wrong with the first word of a key; ``config`` tells in Hydra's own node which groups it offers."""
    choices = config["hydra"]["runtime"]["choices"]
    groups = {group: option for group, option in choices.items() if group.partition("/")[0] != "hydra"}
    if key in groups:
        return _nothing_at(key, groups[key], loader.get_group_options(key))
    children = config.keys() - {"hydra"}
    below = {name: config[name] for name in sorted(children) if isinstance(config[name], Mapping)}
    if places := [f"{name}.{key}" for name, node in below.items() if key in node]:
        return f"{key}: no such key; did you mean {' or '.join(places)}?"
    return no_such(key, key, children | groups.keys(), "key or group")


def _nothing_at(group: str, option: str | None, known: Sequence[str]) -> str:
    if option is not None:
        return f"{group}: {group}={option} has no keys of its own; it sets those of other groups"
    if known:
        return f"{group}: no option chosen; first give {group}=<{'|'.join(known)}>"
    return f"{group}: this group has no options yet"
