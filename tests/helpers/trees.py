"""Made-up folders of pictures for the tests of data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_picture(path: Path, size: int = 64, seed: int = 0) -> Path:
    """A smooth coloured picture; the same seed gives the same one at any size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(40, 215, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(path)
    return path


def write_masked(path: Path, size: int = 64, seed: int = 0) -> Path:
    """The picture of `write_picture` with a light blue rectangle in its lower half."""
    write_picture(path, size, seed)
    with Image.open(path) as file:
        picture = file.convert("RGB")
    picture.paste((120, 220, 250), (size // 4, size // 2, 3 * size // 4, 7 * size // 8))
    picture.save(path, **({"quality": 95} if path.suffix.lower() in (".jpg", ".jpeg") else {}))
    return path


def write_occlusion(path: Path, size: int = 64) -> Path:
    """White where `write_masked` puts its rectangle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("L", (size, size))
    picture.paste(255, (size // 4, size // 2, 3 * size // 4, 7 * size // 8))
    picture.save(path)
    return path


def folder_of(id: str) -> str:
    """FFHQ's folder of an id: rounded down to thousands."""
    return f"{int(id) // 1000 * 1000:05d}"


def write_tree(root: Path, ids: list[str], size: int = 64) -> Path:
    """FFHQ's and MaskedFace-Net's layout with painted occlusions."""
    for id in ids:
        folder = folder_of(id)
        write_picture(root / "ffhq" / folder / f"{id}.png", size, int(id))
        write_masked(root / "cmfd" / folder / f"{id}_Mask.jpg", size, int(id))
        write_occlusion(root / "occlusion" / folder / f"{id}.png", size)
    return root
