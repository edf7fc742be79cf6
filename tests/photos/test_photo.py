"""Photos are read upright and in sRGB, and written as they were stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from unmask.errors import UnmaskError
from unmask.photos.photo import ORIENTATION, read, save


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    tags[0x010F] = "A camera"
    return tags.tobytes()


def unmasked(photo_pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Other pixels in a region that is not symmetric, and the region."""
    pixels, filled = photo_pixels.copy(), np.zeros(photo_pixels.shape[:2], bool)
    filled[3:9, 5:25] = True
    pixels[filled] = (200, 100, 50)
    return pixels, filled


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_orientation_exif_and_pixels_are_kept(tmp_path: Path, orientation: int, suffix: str) -> None:
    given, out = tmp_path / f"in{suffix}", tmp_path / "out.png"
    Image.fromarray(picture()).save(given, exif=exif(orientation), lossless=True)
    photo = read(given)
    pixels, filled = unmasked(photo.pixels)
    save(photo, pixels, filled, out)
    with Image.open(given) as before, Image.open(out) as after:
        assert after.getexif()[0x010F] == "A camera"
        if suffix != ".tif":  # which Pillow turns while it reads
            assert after.size == before.size
            assert dict(after.getexif()) == dict(before.getexif())
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(before)), photo.pixels)
        upright = np.asarray(ImageOps.exif_transpose(after))
    np.testing.assert_array_equal(upright[~filled], photo.pixels[~filled])
    np.testing.assert_array_equal(upright[filled], pixels[filled])


def test_a_jpeg_s_own_pixels_are_kept_in_a_png(tmp_path: Path) -> None:
    given, out = tmp_path / "in.jpg", tmp_path / "out.png"
    Image.fromarray(picture()).save(given, quality=80, exif=exif(6))
    photo = read(given)
    pixels, filled = unmasked(photo.pixels)
    save(photo, pixels, filled, out)
    with Image.open(given) as before, Image.open(out) as after:
        same = (np.asarray(before) == np.asarray(after)).all(-1)
    assert same.sum() >= (~filled).sum()
    assert not same.all()


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_grey_stays_grey_and_transparency_stays(tmp_path: Path, mode: str) -> None:
    given, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(picture()).convert(mode).save(given)
    if mode != "L":
        with Image.open(given) as opened:
            clear = opened.copy()
        clear.putalpha(Image.fromarray(picture()[..., 0]))
        clear.save(given)
    photo = read(given)
    pixels, filled = unmasked(photo.pixels)
    save(photo, pixels, filled, out)
    with Image.open(given) as before, Image.open(out) as after:
        assert after.mode == mode
        one, two = np.asarray(before), np.asarray(after)
    np.testing.assert_array_equal(one[~filled], two[~filled])
    if mode != "L":
        np.testing.assert_array_equal(one[..., -1], two[..., -1])


def test_a_profile_is_kept_and_what_is_filled_is_in_its_colours(tmp_path: Path) -> None:
    """A linear RGB profile: mid-grey in sRGB is about a fifth in linear light."""
    given, out = tmp_path / "in.png", tmp_path / "out.png"
    profile = linear_profile()
    Image.fromarray(np.full((40, 60, 3), 55, np.uint8)).save(given, icc_profile=profile)
    photo = read(given)
    assert photo.pixels.mean() > 100  # brighter in sRGB's curve
    pixels, filled = photo.pixels.copy(), np.zeros((40, 60), bool)
    filled[:10] = True
    save(photo, pixels, filled, out)
    with Image.open(out) as after:
        assert after.info["icc_profile"] == profile
        assert np.abs(np.asarray(after).astype(int) - 55).max() <= 1


def linear_profile() -> bytes:
    """sRGB's primaries without its curve, made from Pillow's own sRGB profile: the curves are replaced by 1.0."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    for entry in range(count):
        at = 132 + 12 * entry
        name, offset = bytes(data[at : at + 4]), int.from_bytes(data[at + 4 : at + 8], "big")
        if name in (b"rTRC", b"gTRC", b"bTRC"):  # a curve of no points is the identity
            data[offset : offset + 12] = b"curv" + bytes(8)
        if name == b"desc":
            length = int.from_bytes(data[at + 8 : at + 12], "big")
            text = bytes(data[offset : offset + length])
            data[offset : offset + length] = text.replace(b"s\0R\0G\0B", b"l\0i\0n\0e").replace(b"\0s\0R", b"\0l\0i")
    return bytes(data)


def test_depth_and_colours_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    given, out = tmp_path / "in.tif", tmp_path / "out.png"
    Image.fromarray(picture()).convert("CMYK").save(given)
    photo = read(given)
    assert "CMYK" in " ".join(photo.notes)
    pixels, filled = unmasked(photo.pixels)
    save(photo, pixels, filled, out)
    with Image.open(out) as after:
        assert after.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(after)[~filled], photo.pixels[~filled])


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif"])
def test_other_formats_keep_exif(tmp_path: Path, suffix: str) -> None:
    given = tmp_path / "in.jpg"
    Image.fromarray(picture()).save(given, exif=exif(6))
    photo = read(given)
    save(photo, *unmasked(photo.pixels), tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as after:
        assert after.getexif()[ORIENTATION] == 6


def test_arrays_and_pictures(tmp_path: Path) -> None:
    array = picture()
    np.testing.assert_array_equal(read(array).pixels, array)
    np.testing.assert_array_equal(read(Image.fromarray(array)).pixels, array)
    assert read(array[..., 0]).pixels.shape == (40, 60, 3)
    for wrong in (array.astype(np.float32), array[..., :2], array[:0], array[0, 0]):
        with pytest.raises(UnmaskError, match="is not a photo"):
            read(wrong)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    photo = read(picture())
    nothing = np.zeros((40, 60), bool)
    with pytest.raises(UnmaskError, match=r"\.gif: photos are written as"):
        save(photo, photo.pixels, nothing, tmp_path / "out.gif")
    clear = read(Image.fromarray(picture()).convert("RGBA"))
    with pytest.raises(UnmaskError, match="no transparency"):
        save(clear, clear.pixels, nothing, tmp_path / "out.jpg")
    with pytest.raises(UnmaskError, match="there is no such file"):
        read(tmp_path / "nothing.jpg")
