"""The tiny decoders as an evaluation asks them: the class and the numbers of each stand in conf/decoder alone."""

from pathlib import Path
from typing import Any

NAMES = ("stable_diffusion", "zeroscope", "audioldm")
CONF = Path(__file__).parents[1] / "conf" / "decoder"


def shipped(name: str, folder: Path) -> Any:
    """The decoder whose weights lie in the folder, loaded."""
    from anyany.launch.parts import node_in
    from anyany.launch.targets import build

    decoder = build({**node_in(CONF / f"{name}.yaml"), "folder": str(folder)})
    decoder.load()
    return decoder
