"""Media that a model made, as files."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from anyany.files import whole
from anyany.media.clips import encode_mp4
from anyany.media.pictures import encode_png
from anyany.media.sounds import encode_wav

FILES: dict[str, tuple[str, Callable[[Tensor, float], bytes]]] = {
    "image": ("png", lambda pixels, rate_hz: encode_png(pixels)),
    "video": ("mp4", encode_mp4),
    "audio": ("wav", lambda samples, rate_hz: encode_wav(samples, round(rate_hz))),
}


def written(modality: str, tensor: Tensor, rate_hz: float, folder: Path, number: int) -> Path:
    """Writes the medium under the first free name that begins with its number and modality.

    Args:
        rate_hz: of the decoder that made it.
    """
    extension, encode = FILES[modality]
    folder.mkdir(parents=True, exist_ok=True)
    path, again = folder / f"{number}-{modality}.{extension}", 1
    while path.exists():
        path, again = folder / f"{number}-{modality}-{again}.{extension}", again + 1
    with whole(path) as temporary:
        temporary.write_bytes(encode(tensor, rate_hz))
    return path
