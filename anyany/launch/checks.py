"""From what Hydra composed to a plain, checked config. All faults are reported at once."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from anyany.launch.errors import ConfigError
from anyany.launch.jobs import objective_faults
from anyany.launch.parts import named_parts, resolved
from anyany.launch.schema import PARTS, SCHEMAS, schema_faults
from anyany.launch.targets import target_faults

CALLED_WITH = {"trainer": "lightning.Trainer"}  # nodes without a _target_ that are nevertheless a call's arguments


def checked(cfg: DictConfig, conf_dir: Path, name: str = "train") -> dict[str, Any]:
    """The config as plain data, resolved, held against its schema, with the nodes of all named ``parts``.

    Args:
        cfg: what Hydra composed from ``<name>.yaml`` in ``conf_dir``.

    Raises:
        ConfigError: with a line for each fault.
    """
    config = plainly_checked(cfg, conf_dir, name)
    if faults := [*_chosen_faults(config), *_other_part_faults(config)]:
        raise ConfigError(*faults)
    return config


def plainly_checked(cfg: DictConfig, conf_dir: Path, name: str = "train") -> dict[str, Any]:
    """``checked`` without what only the import of a ``_target_`` can tell."""
    config = resolved(cfg)
    if faults := list(schema_faults(config, SCHEMAS[name])) or list(objective_faults(config)):
        raise ConfigError(*faults)
    if "rows" in config:
        config["parts"] = named_parts(cfg, conf_dir)
    return config


def _chosen_faults(config: Mapping[str, Any]) -> Iterator[str]:
    for key in config.keys() - {"parts"}:
        labels = frozenset({"name"}) if key in PARTS else frozenset()
        yield from target_faults(config[key], key, labels, CALLED_WITH.get(key, ""))


def _other_part_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Faults in parts that only a row names; the chosen ones stand under their kind."""
    for kind, nodes in config.get("parts", {}).items():
        for name in nodes.keys() - {(config.get(kind) or {}).get("name")}:
            yield from target_faults(nodes[name], f"{kind}[{name}]")
