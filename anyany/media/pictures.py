"""Pictures: bytes <-> uint8 tensors, RGB. H, W: height and width in pixels."""

import io
import logging

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.GifImagePlugin import GifImageFile
from torch import Tensor

from anyany.media.table import MediaFault

MAX_PIXELS = 64_000_000  # more than any camera's picture a data set holds; a bomb's header asks for far more
# Of the readers that Pillow has, those that need no other program: for EPS it would start one.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "JPEG2000", "AVIF")
_TURNS = {  # by orientation: TIFF 6.0, tag 274
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

log = logging.getLogger(__name__)


def decode_picture(data: bytes) -> Tensor:
    """The picture as a person sees it: uint8 [3, H, W].

    Turned as its EXIF says, the first frame of an animation, the first picture of several, transparency over white, 16
    bits a channel scaled to 8. CMYK is converted by the plain formula (1 - ink)(1 - black), and no ICC profile is
    applied, as Pillow's ``convert`` has it.

    Raises:
        MediaFault: ``broken_image`` for bytes that do not decode to the end, ``huge_image`` above ``MAX_PIXELS``.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height <= MAX_PIXELS:
                return _to_tensor(_upright(image))
            size = f"{image.width} x {image.height}"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaFault("huge_image", f"picture of {len(data)} bytes: {error}; scale it down") from error
    except UnidentifiedImageError as error:
        found = f"picture of {len(data)} bytes that begins with {data[:16]!r}"
        message = f"{found} cannot be read as {', '.join(FORMATS)}; fetch it again or save it as one of these"
        raise MediaFault("broken_image", message) from error
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


def over_white(image: Image.Image) -> Image.Image:
    """RGB of a picture with transparency."""
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    rgb = _from_gif(image) if isinstance(image, GifImageFile) else _to_rgb(image)
    turn = _TURNS.get(_orientation(image))  # asked after loading: Pillow then has turned a TIFF itself
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # of as many kinds; viewers show such a picture as it is stored
        log.debug("EXIF does not decode, the picture stays as it is stored: %s", error)
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        image.load()
        return image
    if image.mode.startswith(("I", "F")):
        return _from_deep(image)
    return over_white(image) if image.has_transparency_data else image.convert("RGB")


def _from_gif(image: GifImageFile) -> Image.Image:
    """White where the first frame does not cover the canvas; Pillow gives that the first colour of the palette."""
    box = image.tile[0].extents
    rgb = _to_rgb(image)
    if box in (None, (0, 0, *image.size)):
        return rgb
    white = Image.new("RGB", image.size, "white")
    white.paste(rgb.crop(box), box)
    return white


def _from_deep(image: Image.Image) -> Image.Image:
    """Grey of 12 or 16 bits (which Pillow would clip at 255), or of floats between 0 and 1."""
    tags = getattr(image, "tag_v2", {})  # TIFF 6.0: 258 bits a sample, 262 is 0 where 0 is white
    if image.mode == "I" and tags:
        raise ValueError("its 32-bit or signed samples do not say which value is white; save it with 16 bits")
    full = 1.0 if image.mode == "F" else 2.0 ** tags.get(258, (16,))[0] - 1
    values_HW = np.asarray(image, dtype=np.float32)
    if not np.isfinite(values_HW).all():
        raise ValueError("it holds NaN or infinite samples")
    grey_HW = np.clip(values_HW / full, 0, 1)
    if tags.get(262) == 0:
        grey_HW = 1 - grey_HW
    if "transparency" in image.info:
        grey_HW[values_HW == image.info["transparency"]] = 1
    return Image.fromarray((grey_HW * 255 + 0.5).astype(np.uint8)).convert("RGB")


def _to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
