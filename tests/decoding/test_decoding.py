"""Pictures as people have them, decoded to what a viewer shows."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from unmask import decoding
from unmask.config_dir import sample_root
from unmask.decoding import PICTURE_SUFFIXES, open_picture, to_rgb
from unmask.errors import UnmaskError
from unmask.images import load_image, load_with_notes, to_uint8

SIZE = 16


def picture(mode: str = "RGB") -> Image.Image:
    """Four quarters of different colours: its orientation can be seen."""
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    half = SIZE // 2
    pixels[:half, :half], pixels[:half, half:], pixels[half:, :half] = (200, 40, 40), (40, 200, 40), (40, 40, 200)
    return Image.fromarray(pixels).convert(mode)


def decoded(path: Path) -> np.ndarray:
    return to_uint8(load_image(path))


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES - {".heic", ".heif", ".avif", ".gif", ".webp"}))
@pytest.mark.parametrize("mode", ["RGB", "L", "1"])
def test_plain_pictures_are_what_pillow_makes_of_them(suffix: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    jpeg = suffix in (".jpg", ".jpeg", ".jpe", ".jfif")
    picture("L" if jpeg and mode == "1" else mode).save(path, format="JPEG" if jpeg else None)
    with Image.open(path) as file:
        assert (decoded(path) == np.asarray(file.convert("RGB"))).all()


def test_every_picture_of_the_sample_is_what_pillow_makes_of_it() -> None:
    for path in sorted(Path(sample_root()).rglob("*.jpg"))[::12]:
        with Image.open(path) as file:
            assert (decoded(path) == np.asarray(file.convert("RGB"))).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stored_turned_stands_upright(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns: dict[int, Image.Transpose] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = picture() if orientation == 1 else picture().transpose(turns[orientation])
    for name in ("a.png", "a.tiff", "a.webp"):
        stored.save(tmp_path / name, exif=exif, lossless=True)
        assert (decoded(tmp_path / name) == np.asarray(picture())).all(), name


def test_damaged_exif_does_not_make_a_picture_unreadable(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert (decoded(tmp_path / "a.png") == np.asarray(picture())).all()


def test_sixteen_bits_are_rounded_to_eight(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    noisy = grey.astype(np.int64) * 257 + np.random.default_rng(0).integers(-128, 129, grey.shape)
    deep = np.clip(noisy, 0, 65535).astype(np.uint16)
    for name in ("a.png", "a.tiff"):
        Image.fromarray(deep).save(tmp_path / name)
        assert (decoded(tmp_path / name)[..., 0] == grey).all()
    Image.fromarray((deep / 65535).astype(np.float32)).save(tmp_path / "f.tiff")
    assert (decoded(tmp_path / "f.tiff")[..., 1] == grey).all()
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "nan.tiff")
    with pytest.raises(UnmaskError, match=r"nan\.tiff: cannot be read as a picture .*infinite"):
        load_image(tmp_path / "nan.tiff")


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def wide_profile() -> bytes:
    """A matrix profile whose red primary is sRGB's green and the other way round (an ICC file by hand, ICC.1:2010)."""
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"swap\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),
        b"rXYZ": b"XYZ \0\0\0\0" + struct.pack(">3i", 25238, 46992, 6362),
        b"gXYZ": b"XYZ \0\0\0\0" + struct.pack(">3i", 28576, 14575, 912),
        b"bXYZ": b"XYZ \0\0\0\0" + struct.pack(">3i", 9376, 3970, 46786),
        b"cprt": b"text\0\0\0\0none\0",
    }
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563) + b"\0\0"  # a power of 2.2
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, data, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">2I", start + len(data), len(content))
        data += content
    size = struct.pack(">I", start + len(data))
    head = size + bytes(4) + b"\x02\x10\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    return head + struct.pack(">3i", 63190, 65536, 54061) + bytes(48) + table + data


def test_a_colour_profile_is_applied(tmp_path: Path) -> None:
    picture().save(tmp_path / "srgb.png", icc_profile=srgb())
    assert (decoded(tmp_path / "srgb.png") == np.asarray(picture())).all(), "sRGB's own changes nothing"
    picture().save(tmp_path / "swapped.png", icc_profile=wide_profile())
    red, green = decoded(tmp_path / "swapped.png")[0, 0], decoded(tmp_path / "swapped.png")[0, -1]
    assert np.abs(red.astype(int) - (40, 200, 40)).max() < 12, "what was called red is green"
    assert np.abs(green.astype(int) - (200, 40, 40)).max() < 12
    picture().save(tmp_path / "broken.png", icc_profile=b"not a profile")
    image, notes = load_with_notes(tmp_path / "broken.png")
    assert (to_uint8(image) == np.asarray(picture())).all()
    assert notes == ("broken.png: Its colour profile could not be applied; colours may be off.",)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_white_and_told(mode: str, tmp_path: Path) -> None:
    layered = Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 0))
    layered.paste((90, 90, 90, 255), (0, 0, SIZE, SIZE // 4))
    layered.convert(mode).save(tmp_path / "a.png")
    image, notes = load_with_notes(tmp_path / "a.png")
    pixels = to_uint8(image)
    assert (pixels[: SIZE // 4] == 90).all() and (pixels[SIZE // 4 :] == 255).all()
    assert notes == ("a.png: 75% of the picture is transparent and was filled with white.",)
    Image.new("RGBA", (SIZE, SIZE), (10, 20, 30, 255)).save(tmp_path / "opaque.png")
    assert load_with_notes(tmp_path / "opaque.png")[1] == ()


def test_cmyk(tmp_path: Path) -> None:
    picture("CMYK").save(tmp_path / "a.jpg", quality=100)
    with Image.open(tmp_path / "a.jpg") as file:
        assert (decoded(tmp_path / "a.jpg") == np.asarray(file.convert("RGB"))).all()


def test_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    big = picture().resize((64, 64), Image.Resampling.NEAREST)
    big.save(tmp_path / "a.heic", quality=100)
    assert np.abs(decoded(tmp_path / "a.heic").astype(int) - np.asarray(big)).mean() < 4
    monkeypatch.setattr("unmask.decoding.files._heif", lambda: False)
    with pytest.raises(
        UnmaskError, match=r"a\.heic: reading HEIC needs one more package: pip install 'unmask\[heif\]'"
    ):
        load_image(tmp_path / "a.heic")


def png(width: int, height: int) -> bytes:
    """A PNG that says it is so large and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_001, 13_500, 2**31 - 1])
def test_what_is_too_large_is_named(side: int, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(side, side))
    with pytest.raises(UnmaskError, match=r"a\.png: .*too large.*100 million"):
        load_image(tmp_path / "a.png")


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    picture().save(buffer, "PNG")
    for name, content in {
        "empty.png": b"", "text.jpg": b"hello", "half.png": buffer.getvalue()[:60],
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnmaskError, match=rf"{name}: cannot be read as a picture"):
            load_image(tmp_path / name)
    with pytest.raises(UnmaskError, match="there is no such file"):
        load_image(tmp_path / "none.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UnmaskError, match=r"folder\.png"):
        load_image(tmp_path / "folder.png")


def seeds(tmp_path: Path) -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = []
    for kind, mode, options in (
        ("PNG", "RGB", {"icc_profile": srgb(), "exif": exif}), ("PNG", "P", {}), ("JPEG", "RGB", {"exif": exif}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "L", {"exif": exif}), ("BMP", "RGB", {}),
        ("GIF", "P", {}), ("WEBP", "RGB", {"exif": exif}),
    ):  # fmt: skip
        buffer = io.BytesIO()
        picture(mode).save(buffer, kind, **options)
        contents.append(buffer.getvalue())
    return contents


def test_damaged_files_end_in_one_clear_error(tmp_path: Path) -> None:
    chance = random.Random(0)
    originals, path = seeds(tmp_path), tmp_path / "mutated.png"
    for _ in range(1000):
        content = bytearray(chance.choice(originals))
        for _ in range(chance.choice((1, 2, 8, 32))):
            place = chance.randrange(len(content))
            content[place] = chance.choice((0, 255, 127, 128, chance.randrange(256)))
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        path.write_bytes(content)
        with contextlib.suppress(UnmaskError):
            to_rgb(open_picture(path))


def test_one_place_decodes() -> None:
    """Whoever opens pictures elsewhere misses all of this."""
    package = Path(decoding.__file__).parents[1]
    elsewhere = [
        path for path in package.rglob("*.py") if path.parent.name != "decoding" and "Image.open" in path.read_text()
    ]
    assert elsewhere == []
