"""From the nodes of a mixture to its sources."""

from collections.abc import Mapping
from typing import Any

from anyany.data.sources import Source, open_source
from anyany.launch.errors import ConfigError, no_such
from anyany.launch.targets import build

# Modules of data_prep for published sets; the names of their sources begin with theirs.
PUBLISHED = ("cc3m", "webvid", "audiocaps", "nextgpt", "alpaca", "llava", "videochat", "t2m", "mosit")


def sources_of(config: Mapping[str, Any], split: str) -> list[Source]:
    """The sources of the config's mixture, with the shards of one split and the recipe of its stage.

    Raises:
        ConfigError: for a source that has no such split, or no recipe for the stage.
    """
    if not config.get("source"):
        raise ConfigError("source: the mixture is empty; choose sources, for instance source=[microworld_image]")
    stage, level = config["stage"]["name"], config["level"]
    return [_source(name, node, split, stage, level) for name, node in config["source"].items()]


def _source(name: str, node: Mapping[str, Any], split: str, stage: str, level: str) -> Source:
    if split not in node["shards"]:
        raise ConfigError(no_such(f"source.{name}.shards.{split}", split, node["shards"], "split"))
    if stage not in node["recipes"]:
        raise ConfigError(
            f"source.{name} has no recipe for stage {stage}, only for {', '.join(node['recipes'])}; "
            f"choose another source, or add source.{name}.recipes.{stage}"
        )
    try:
        recipe = build(node["recipes"][stage])
        return open_source(name, node["shards"][split], recipe, node["weight"], node.get("drop_list"))
    except FileNotFoundError as error:
        raise ConfigError(f"source.{name}: {error}{_written_by(name, level)}") from error


def _written_by(source: str, level: str) -> str:
    """What writes the shards of a source, as the end of an error."""
    module = source.partition("_")[0]
    if module == "microworld":
        return f"; `python -m data_prep.microworld --level {level}` writes its shards"
    return f"; `python -m data_prep.{module}` writes its shards: see docs/data.md" if module in PUBLISHED else ""
