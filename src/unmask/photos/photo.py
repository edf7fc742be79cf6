"""Photos as they come: read for the networks, written as they were stored."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from unmask.decoding import open_stored, to_rgb
from unmask.errors import UnmaskError
from unmask.files import atomic_path

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
"""What photos are written as, by suffix."""
ORIENTATION = 0x0112
"""EXIF's tag."""
UNDONE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""From upright to as stored, by EXIF orientation."""
KEPT = ("RGB", "RGBA", "L", "LA")
"""Modes that are written as they were read; others become RGB."""
AS_RGB = "Its pixels are stored as {mode}, which cannot be kept; the result is 8-bit RGB in sRGB."


@dataclass(frozen=True)
class Photo:
    """A photo.

    Attributes:
        pixels: (H,W,3) uint8, upright, in sRGB: what the networks see.
        stored: as in the file, neither turned nor converted, in one of the modes `KEPT`.
        orientation: EXIF's number, 1 to 8, of `stored`.
        notes: sentences about what was changed while decoding.
    """

    pixels: np.ndarray
    stored: Image.Image
    orientation: int
    notes: tuple[str, ...]


def read(source: str | Path | Image.Image | np.ndarray) -> Photo:
    """A photo from a file, from Pillow, or from an array (H,W,3) or (H,W) of uint8.

    Raises:
        UnmaskError: the file cannot be read (names it), or the array is no picture.
    """
    if isinstance(source, np.ndarray):
        return _of_picture(_from_array(source), "the array")
    if isinstance(source, Image.Image):
        source.load()
        return _of_picture(source, "the picture")
    return _of_picture(open_stored(Path(source)), str(source))


def save(photo: Photo, pixels: np.ndarray, filled: np.ndarray, path: Path, *, quality: int = 95) -> None:
    """Write `photo` with other pixels where it was filled; see `unmask.photos.UnmaskedPhoto.save`.

    Args:
        pixels: (H,W,3) uint8, upright, in sRGB.
        filled: (H,W) bool; all other pixels are written as they are stored.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UnmaskError(f"{path}: photos are written as {', '.join(sorted(FORMATS))}; name one of these.")
    result = _as_stored(photo, pixels, filled)
    kept = {key: photo.stored.info[key] for key in ("exif", "icc_profile", "dpi") if photo.stored.info.get(key)}
    if kind == "JPEG":
        if result.mode in ("RGBA", "LA"):
            raise UnmaskError(f"{path}: JPEG has no transparency, and the photo has; write a PNG.")
        kept |= {"quality": quality, "subsampling": 0}
    if kind == "WEBP":
        kept.pop("dpi", None)
        kept |= {"quality": quality}
    try:
        with atomic_path(path) as temporary:
            result.save(temporary, kind, **kept)
    except OSError as error:
        raise UnmaskError(f"{path}: cannot be written ({error.strerror or error}).") from error


def _of_picture(stored: Image.Image, name: str) -> Photo:
    orientation = _orientation(stored)
    upright = ImageOps.exif_transpose(stored) if orientation != 1 else stored
    try:
        decoded = to_rgb(upright)
    except UnmaskError as error:
        raise UnmaskError(f"{name}: cannot be read as a picture ({error}).") from error
    notes = decoded.notes
    pixels = np.asarray(decoded.rgb)
    if stored.mode not in KEPT:
        if stored.mode not in ("1", "P", "PA", "RGBX"):
            notes = (*notes, AS_RGB.format(mode=stored.mode))
        exif = stored.info.get("exif")
        stored = _turned(Image.fromarray(pixels), orientation)
        if exif:
            stored.info["exif"] = exif
    return Photo(pixels, stored, orientation, notes)


def _from_array(array: np.ndarray) -> Image.Image:
    fits = array.dtype == np.uint8 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4)))
    if not fits or array.size == 0:
        raise UnmaskError(f"An array of {array.dtype} {array.shape} is not a photo; give (H,W,3) of uint8, RGB.")
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def _orientation(picture: Image.Image) -> int:
    try:
        number = int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF says nothing
        return 1
    return number if 1 <= number <= 8 else 1


def _turned(picture: Image.Image, orientation: int) -> Image.Image:
    """From upright to as stored."""
    return picture if orientation == 1 else picture.transpose(UNDONE[orientation])


def _as_stored(photo: Photo, pixels: np.ndarray, filled: np.ndarray) -> Image.Image:
    """The stored picture, turned and in the colours that it was, with what was filled."""
    stored = photo.stored
    where = np.asarray(_turned(Image.fromarray(filled.astype(np.uint8)), photo.orientation)) > 0
    colours = np.asarray(_in_profile(_turned(Image.fromarray(pixels), photo.orientation), stored))
    result = np.array(stored)
    if result.ndim == 2:
        result[where] = colours[where]
    else:
        count = colours.shape[2] if colours.ndim == 3 else 1
        result[where, :count] = colours[where].reshape(-1, count)
    return Image.fromarray(result, stored.mode) if stored.mode == "LA" else Image.fromarray(result)


def _in_profile(picture: Image.Image, stored: Image.Image) -> Image.Image:
    """sRGB in the channels and colours of `stored`, transparency aside."""
    from PIL import ImageCms

    mode = "L" if stored.mode in ("L", "LA") else "RGB"
    profile = stored.info.get("icc_profile")
    if profile:
        try:
            target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(target):
                source = ImageCms.createProfile("sRGB")
                found = ImageCms.profileToProfile(picture, source, target, outputMode=mode)
                assert found is not None
                return found
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # it could not be applied while reading either, and was told
    return picture.convert(mode)
