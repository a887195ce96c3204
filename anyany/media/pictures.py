"""Pictures: bytes <-> uint8 tensors, RGB. H, W: height and width in pixels."""

import io

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from anyany.media.table import MediaFault

MAX_PIXELS = 64_000_000  # more than any camera's picture a data set holds; a bomb's header asks for far more


def decode_picture(data: bytes) -> Tensor:
    """The picture as a person sees it: uint8 [3, H, W].

    Turned as its EXIF says, the first frame of an animation, transparency over white, 16 bits a channel scaled to 8.

    Raises:
        MediaFault: ``broken_image`` for bytes that do not decode to the end, ``huge_image`` above ``MAX_PIXELS``.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height <= MAX_PIXELS:
                return _to_tensor(_to_rgb(ImageOps.exif_transpose(image)))
            size = f"{image.width} x {image.height}"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaFault("huge_image", f"picture of {len(data)} bytes: {error}; scale it down") from error
    except Exception as error:  # Pillow's readers raise a dozen kinds, depending on where the bytes are wrong
        raise MediaFault("broken_image", f"picture of {len(data)} bytes does not decode: {error}") from error
    raise MediaFault("huge_image", f"picture of {size} pixels; at most {MAX_PIXELS:,} are read, scale it down")


def encode_jpeg(picture: Tensor, quality: int = 95) -> bytes:
    """JPEG bytes of a uint8 [3, H, W], chroma at full resolution; the same picture gives the same bytes."""
    return _encode(picture, format="JPEG", quality=quality, subsampling=0)


def encode_png(picture: Tensor) -> bytes:
    """PNG bytes of a uint8 [3, H, W], lossless; the same picture gives the same bytes."""
    return _encode(picture, format="PNG")


def _encode(picture: Tensor, **options: object) -> bytes:
    if picture.dtype != torch.uint8 or picture.ndim != 3 or picture.shape[0] != 3:
        raise ValueError(f"picture is {picture.dtype} {list(picture.shape)}; give uint8 [3, H, W]")
    buffer = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        image.load()
        return image
    if image.mode.startswith(("I", "F")):
        return _from_deep(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    """Grey of 16 bits (which Pillow would clip at 255), or of floats between 0 and 1."""
    full = 1.0 if image.mode == "F" else 65_535.0
    grey_HW = np.asarray(image, dtype=np.float64) / full
    return Image.fromarray((np.clip(grey_HW, 0, 1) * 255 + 0.5).astype(np.uint8)).convert("RGB")


def _to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
