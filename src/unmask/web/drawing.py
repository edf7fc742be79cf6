"""Pictures for the page: a photo small enough for a browser, its mask as a layer, its faces as numbered boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unmask.photos import FoundFace

LONG_SIDE = 1024
"""Most pixels a side that the browser is sent for painting; maps are brought back to the photo's size."""
LAYER = (255, 0, 110, 150)
"""Colour and opacity of the mask's layer: no face and no face mask has this pink."""
CHOSEN, LEFT_ALONE, UNCHOSEN = (0, 200, 120), (150, 150, 150), (255, 190, 0)
"""Colours of boxes."""


def preview(photo: Image.Image) -> Image.Image:
    """The photo, or a smaller copy."""
    scale = LONG_SIDE / max(photo.size)
    if scale >= 1:
        return photo
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return photo.resize(size, Image.Resampling.LANCZOS)


def layer_of(occlusion: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A map (H,W) bool as a transparent layer of `size`, width and height."""
    small = Image.fromarray(occlusion.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    marked = np.asarray(small) > 127
    layer = np.zeros((size[1], size[0], 4), np.uint8)
    layer[marked] = LAYER
    return Image.fromarray(layer)


def map_of(layers: Sequence[Image.Image], size: tuple[int, int]) -> np.ndarray:
    """What is painted in any of the layers, as a map (H,W) bool of `size`, width and height."""
    opacity = np.zeros((size[1], size[0]), np.uint8)
    for layer in layers:
        alpha = layer.convert("RGBA").getchannel("A").resize(size, Image.Resampling.BILINEAR)
        opacity = np.maximum(opacity, np.asarray(alpha))
    return opacity > LAYER[3] // 2


def with_boxes(
    photo: Image.Image, size: tuple[int, int], faces: Sequence[FoundFace], chosen: Sequence[int]
) -> Image.Image:
    """The photo as it is shown, with a numbered box around each face; faces are counted from 1 on the page.

    Args:
        photo: as shown.
        size: width and height of the photo that the boxes belong to.
    """
    result = photo.copy()
    draw = ImageDraw.Draw(result)
    scale = photo.width / size[0]
    width = max(2, round(max(photo.size) / 250))
    letters = max(12, round(max(photo.size) / 38))
    font = ImageFont.load_default(size=letters)
    for face in faces:
        colour = LEFT_ALONE if face.skipped else CHOSEN if face.index in chosen else UNCHOSEN
        box = [edge * scale for edge in face.box]
        draw.rectangle(box, outline=colour, width=width)
        name = f" {face.index + 1} "
        place = (box[0], max(0.0, box[1] - 1.35 * letters))
        draw.rectangle(draw.textbbox(place, name, font=font), fill=colour)
        draw.text(place, name, fill=(0, 0, 0), font=font)
    return result


def face_at(x: float, y: float, faces: Sequence[FoundFace]) -> FoundFace | None:
    """The smallest face whose box holds the point, in pixels of the photo; None where there is none."""
    under = [face for face in faces if face.box[0] <= x <= face.box[2] and face.box[1] <= y <= face.box[3]]
    return min(under, key=lambda face: (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]), default=None)
