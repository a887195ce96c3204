"""Rows refer to parts by name: which nodes those names stand for.

The part chosen by a group (``input_projector=mlp``) is in the config, with its overrides; one that only a row names
(``rows.video.input_projector=perceiver``) is read from its file. So each named part is one node, built once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from anyany.launch.errors import ConfigError, no_such
from anyany.launch.schema import ROW_PARTS

Nodes = dict[str, dict[str, Any]]  # name of a part -> its node, resolved, without the name


def named_parts(cfg: DictConfig, conf_dir: Path) -> dict[str, Nodes]:
    """Each part that any row names, and the LLM, by kind.

    Raises:
        ConfigError: for each name without a file, with the row and the nearest right name, and for a decoder that is
            chosen and that no row names.
    """
    faults: list[str] = []
    parts: dict[str, Nodes] = {kind: {} for kind in ROW_PARTS}
    for row, kind, name in _names(cfg):
        if name in parts[kind]:
            continue
        node = _node_of(cfg, kind, name, conf_dir)
        if node is None:
            faults.append(no_such(f"rows.{row}.{kind}={name}", name, _options(cfg, kind, conf_dir), kind))
        else:
            parts[kind][name] = node
    if cfg.get("decoder") is not None and cfg.decoder.name not in parts["decoder"]:
        rows = " or ".join(f"rows.{row}.decoder={cfg.decoder.name}" for row in cfg.rows)
        faults.append(f"decoder={cfg.decoder.name}: no row names it, so it would do nothing; give {rows} too")
    if faults:
        raise ConfigError(*faults)
    return {**parts, "llm": dict([_named(cfg.llm)])}


def node_in(file: Path) -> dict[str, Any]:
    """A part's node as its file has it, without the name."""
    node = OmegaConf.load(file)
    assert isinstance(node, DictConfig)
    return _named(node)[1]


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain data.

    Raises:
        ConfigError: for an interpolation that finds nothing and for a value that was left open.
    """
    try:
        config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def _names(cfg: DictConfig) -> Iterator[tuple[str, str, str]]:
    """(row, kind, name) of each part that a row names."""
    for row, parts in cfg.rows.items():
        yield from ((str(row), kind, parts[kind]) for kind in ROW_PARTS if parts.get(kind) is not None)


def _node_of(cfg: DictConfig, kind: str, name: str, conf_dir: Path) -> dict[str, Any] | None:
    chosen = cfg.get(kind)
    if chosen is not None and chosen.name == name:
        return _named(chosen)[1]
    if not (conf_dir / kind / f"{name}.yaml").is_file():
        return None
    with _set_aside(), initialize_config_dir(version_base="1.3", config_dir=str(conf_dir.resolve())):
        node = compose(f"{kind}/{name}")[kind]
    whole = deepcopy(cfg)  # so that the node's interpolations find the rest of the config
    OmegaConf.update(whole, kind, node, merge=False, force_add=True)
    return _named(whole[kind])[1]


@contextmanager
def _set_aside() -> Iterator[None]:
    """Room for a second Hydra: within a run of the first, which is there again afterwards."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().clear()  # another instance: Hydra puts a copy in its place
        if running is not None:
            GlobalHydra.instance().initialize(running)


def _named(part: DictConfig) -> tuple[str, dict[str, Any]]:
    node = resolved(part)
    return node.pop("name"), node


def _options(cfg: DictConfig, kind: str, conf_dir: Path) -> set[str]:
    files = {path.stem for path in (conf_dir / kind).glob("*.yaml")}
    return files if cfg.get(kind) is None else files | {cfg[kind].name}
