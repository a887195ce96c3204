"""The tiny decoders as an evaluation asks them: the class and the numbers of each stand in conf/decoder alone."""

from pathlib import Path
from typing import Any

NAMES = ("stable_diffusion", "zeroscope", "audioldm")
CONF = Path(__file__).parents[1] / "conf" / "decoder"


def shipped(name: str, folder: Path) -> Any:
    """The decoder whose weights lie in the folder, loaded."""
    from omegaconf import OmegaConf

    from anyany.launch.targets import build

    node = OmegaConf.load(CONF / f"{name}.yaml")
    numbers = {str(key): value for key, value in node.items() if key != "name"}
    decoder = build({**numbers, "folder": str(folder)})
    decoder.load()
    return decoder
