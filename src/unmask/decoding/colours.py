"""From any mode of Pillow's to 8-bit sRGB."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from unmask.errors import UnmaskError

BACKGROUND = (255, 255, 255)
"""What is seen through transparent pixels; what lies below them in the file nobody was meant to see, mostly black."""


@dataclass(frozen=True)
class Decoded:
    """A picture.

    Attributes:
        rgb: of mode RGB, in sRGB, upright.
        notes: sentences for the user about what was changed on the way, or could not be.
    """

    rgb: Image.Image
    notes: tuple[str, ...] = ()


def to_rgb(picture: Image.Image) -> Decoded:
    """`picture` in 8-bit sRGB: 16 bits are rounded, a colour profile is applied, transparency is filled with white.

    Raises:
        UnmaskError: its numbers are not those of a picture.
    """
    notes = []
    profile = picture.info.get("icc_profile")
    if is_deep(picture):
        picture = _rounded(picture)
    if picture.has_transparency_data:
        picture, share = _on_background(picture)
        if share > 0:
            notes.append(f"{share:.0%} of the picture is transparent and was filled with white.")
    if profile:
        converted = _in_srgb(picture, profile)
        if converted is None:
            notes.append("Its colour profile could not be applied; colours may be off.")
        else:
            picture = converted
    return Decoded(picture if picture.mode == "RGB" else picture.convert("RGB"), tuple(notes))


def is_deep(picture: Image.Image) -> bool:
    """Whether a pixel has more than 8 bits a channel."""
    return picture.mode in ("I", "F") or picture.mode.startswith("I;")


def deep_range(values: np.ndarray) -> float:
    """The largest value that numbers (H,W) like these may have: 1, 255, 65535 or 2³²−1.

    Raises:
        UnmaskError: they are not finite, or negative.
    """
    if not np.isfinite(values).all() or values.min() < 0:
        raise UnmaskError("its pixels hold negative or infinite numbers")
    if np.issubdtype(values.dtype, np.floating) and values.max() <= 1.0:
        return 1.0
    if np.issubdtype(values.dtype, np.floating) and values.max() <= 255.0:
        return 255.0
    return 65535.0 if values.max() <= 65535 else 2.0**32 - 1


def _rounded(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture)
    scaled = values.astype(np.float64) * (255.0 / deep_range(values))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _on_background(picture: Image.Image) -> tuple[Image.Image, float]:
    """Without transparency, and the share of pixels that had some."""
    grey = picture.mode in ("LA", "La")
    layered = picture.convert("RGBA")
    alpha = layered.getchannel("A")
    share = float((np.asarray(alpha) < 255).mean())
    flat = layered.convert("RGB")
    if share > 0:
        background = Image.new("RGB", layered.size, BACKGROUND)
        background.paste(flat, mask=alpha)
        flat = background
    return (flat.convert("L") if grey else flat), share


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image | None:
    """The colours that `profile` says they are; None where it cannot be applied."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return picture
        if picture.mode not in ("RGB", "L", "CMYK", "LAB"):
            picture = picture.convert("RGB")
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
