"""ImageBind: one joint space for pictures, clips, sounds, text, depth, heat and motion."""

from anyany.models.encoders.imagebind.config import Audio, Depth, Imu, Text, Thermal, Vision
from anyany.models.encoders.imagebind.model import ImageBind
from anyany.models.encoders.imagebind.pretrained import PretrainedImageBind

__all__ = ["Audio", "Depth", "ImageBind", "Imu", "PretrainedImageBind", "Text", "Thermal", "Vision"]
