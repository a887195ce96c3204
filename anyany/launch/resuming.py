"""What a run that goes on must have as it was: a checkpoint would give back the old value, or not fit the new one."""

from collections.abc import Iterator, Mapping
from typing import Any

from anyany.launch.errors import ConfigError

FIXED = ("seed", "rows", "parts", "optimizer", "stage.trains")


def check_unchanged(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """
    Args:
        then: the config that was stored with the run.

    Raises:
        ConfigError: with a line for each key of what is fixed that has another value now.
    """
    before, after = (dict(_leaves(config, "")) for config in (then, now))
    keys = [key for key in (before | after) if any(f"{key}.".startswith(f"{fixed}.") for fixed in FIXED)]
    if changed := [key for key in keys if before.get(key) != after.get(key)]:
        told = (f"{key} was {before.get(key)} and is {after.get(key)} now" for key in changed)
        raise ConfigError(*told, "resume=true goes on with what the run began with; give it, or another run=<name>")


def _leaves(node: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{where}.{key}" if where else str(key))
    else:
        yield where, node
