"""From a file to an upright picture in memory."""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from pathlib import Path

from PIL import Image, ImageFile, ImageOps

from unmask.errors import UnmaskError

assert not ImageFile.LOAD_TRUNCATED_IMAGES, "truncated pictures must fail, not turn grey"

HEIF_SUFFIXES = frozenset({".heic", ".heif"})
PICTURE_SUFFIXES = HEIF_SUFFIXES | {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif",
}  # fmt: skip
"""Names of files that are read; what is in them is told by their first bytes."""
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF")
"""Pillow's names of what may be in a file. Others it would hand to interpreters of whole languages (EPS)."""
TIFF_LAYOUT = (
    254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 347,
)  # fmt: skip
"""Tags that say how a TIFF stores its pixels, and nothing about the photo."""
MOST_PIXELS = 100_000_000
"""A picture of more is refused: it would take half a gigabyte, and 13 are enough for a face of a thousand pixels."""


def open_picture(path: Path) -> Image.Image:
    """The first frame of a picture, decoded, turned as its EXIF orientation says, in whatever mode it is stored.

    Raises:
        UnmaskError: missing, damaged, no picture, too large, or of a format whose reader is not installed; names the
            file.
    """
    return _upright(open_stored(path))


def open_stored(path: Path) -> Image.Image:
    """The same as it is stored, not turned; what EXIF says of the photo is in its `info`."""
    if path.suffix.lower() in HEIF_SUFFIXES and not _heif():
        raise UnmaskError(f"{path}: reading HEIC needs one more package: pip install 'unmask[heif]'.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about size (ours is stricter) and about odd metadata
            with Image.open(path, formats=_formats()) as file:
                if file.width * file.height > MOST_PIXELS:
                    raise UnmaskError(_too_large(path, f"{file.width}x{file.height} pixels are"))
                file.load()
                return _with_exif(file)
    except UnmaskError:
        raise
    except Image.DecompressionBombError as error:
        raise UnmaskError(_too_large(path, "It is")) from error
    except FileNotFoundError as error:
        raise UnmaskError(f"{path}: there is no such file.") from error
    except MemoryError as error:
        raise UnmaskError(_too_large(path, "It is")) from error
    except Exception as error:  # a damaged file makes Pillow's readers raise about anything
        raise UnmaskError(f"{path}: cannot be read as a picture ({_told(error, path)}).") from error


def _too_large(path: Path, what: str) -> str:
    return f"{path}: {what} too large to be read; at most {MOST_PIXELS // 1_000_000} million pixels are. Shrink it."


def _with_exif(file: Image.Image) -> Image.Image:
    """A picture in memory, whose EXIF no longer hangs on the file."""
    picture = file.copy()
    try:
        exif = file.getexif()
        for tag in TIFF_LAYOUT:
            exif.pop(tag, None)
        if len(exif):
            picture.info["exif"] = exif.tobytes()
    except Exception:  # damaged EXIF says nothing
        picture.info.pop("exif", None)
    return picture


def _upright(file: Image.Image) -> Image.Image:
    """As EXIF says; damaged EXIF says nothing."""
    try:
        turned = ImageOps.exif_transpose(file)
    except Exception:  # metadata that cannot be read do not make a picture unreadable
        turned = None
    return file if turned is None else turned


def _told(error: Exception, path: Path) -> str:
    """The error in a few words, without the path again."""
    text = str(error).replace(f"{str(path)!r}", "it").strip() or type(error).__name__
    return text.splitlines()[0][:200]


@cache
def _formats() -> tuple[str, ...]:
    _heif()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def _heif() -> bool:
    try:
        plugin = importlib.import_module("pillow_heif")
    except ImportError:
        return False
    plugin.register_heif_opener()
    return True
