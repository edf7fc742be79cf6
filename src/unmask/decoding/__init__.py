"""The one place where files become pictures: formats, size, orientation, depth, colours, transparency."""

from unmask.decoding.colours import Decoded, deep_range, is_deep, to_rgb
from unmask.decoding.files import MOST_PIXELS, PICTURE_SUFFIXES, open_picture, open_stored

__all__ = [
    "MOST_PIXELS",
    "PICTURE_SUFFIXES",
    "Decoded",
    "deep_range",
    "is_deep",
    "open_picture",
    "open_stored",
    "to_rgb",
]
