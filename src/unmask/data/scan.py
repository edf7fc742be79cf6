"""Pictures in a folder, by id.

FFHQ (Karras et al. 2019) names its pictures ``NNNNN.png`` in folders of a thousand; MaskedFace-Net (Cabani et
al. 2020) names them ``NNNNN_Mask.jpg`` where the mask is worn correctly (CMFD) and
``NNNNN_Mask_Mouth_Chin.jpg``, ``NNNNN_Mask_Nose_Mouth.jpg``, ``NNNNN_Mask_Chin.jpg`` where it is not (IMFD).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
PAINT_SUFFIXES = frozenset({".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
_MASKED_STEM = re.compile(r"(?P<id>.+?)_mask(?:_(?:nose|mouth|chin))*", re.IGNORECASE)


def find_files(
    folder: Path, suffixes: frozenset[str], id_of: Callable[[str], str | None]
) -> tuple[dict[str, Path], list[Path]]:
    """Map ids to files below `folder`; a second file of an id (by path, ascending) goes to the list."""
    files: dict[str, Path] = {}
    duplicates: list[Path] = []
    for directory, below, names in os.walk(folder, followlinks=True):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            path = Path(directory, name)
            id = id_of(path.stem)
            if path.suffix.lower() not in suffixes or id is None or name.startswith("."):
                continue
            if id in files:
                duplicates.append(path)
            else:
                files[id] = path
    return files, duplicates


def suffixed_id(stem: str) -> str | None:
    """The id of a file named in MaskedFace-Net's way, None for any other name."""
    match = _MASKED_STEM.fullmatch(stem)
    return match["id"] if match else None


def masked_id(stem: str) -> str:
    """The id of a file in a folder of masked pictures: without MaskedFace-Net's suffix, if it has one."""
    return suffixed_id(stem) or stem


def clean_id(stem: str) -> str | None:
    """The id of a clean file; masked pictures that lie in the same folder are none."""
    return None if suffixed_id(stem) else stem
