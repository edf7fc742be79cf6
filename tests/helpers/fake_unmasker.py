"""An unmasker that finds two faces anywhere and paints what it fills, quickly, and without any network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unmask.errors import UnmaskError
from unmask.photos import FaceResult, FoundFace, FoundFaces, Progress, UnmaskedPhoto
from unmask.photos.photo import read
from unmask.photos.scene import quad_at

PAINT = (10, 200, 30)
STEPS = 10


class FakeUnmasker:
    """Two faces, left and right of the middle, and a third that wears no mask; their lower halves are masks.

    Attributes:
        calls: the arguments of every call, and how it ended.
    """

    def __init__(self, seconds_a_step: float = 0.02) -> None:
        self.seconds_a_step = seconds_a_step
        self.calls: list[dict[str, Any]] = []

    def find(self, image: Any) -> FoundFaces:
        photo = read(image)
        height, width = photo.pixels.shape[:2]
        faces, occlusion = [], np.zeros((height, width), bool)
        for index, x in enumerate((0.2, 0.5, 0.8)):
            box = ((x - 0.1) * width, 0.3 * height, (x + 0.1) * width, 0.7 * height)
            skipped = "It wears no face mask." if index == 2 else None
            quad = quad_at(x * width, 0.5 * height, 0.5 * height).corners
            warnings = ("The network is unsure where the face mask ends.",) if index == 1 else ()
            faces.append(FoundFace(index, box, 0.9, quad, skipped, warnings))
            if skipped is None:
                left, right, bottom = (round(edge) for edge in (box[0], box[2], box[3]))
                occlusion[height // 2 : bottom, left:right] = True
        return FoundFaces(Image.fromarray(photo.pixels), tuple(faces), occlusion)

    def __call__(
        self,
        image: Any,
        *,
        answers: int = 1,
        faces: Sequence[int] | None = None,
        occlusion: Any = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> UnmaskedPhoto:
        call = {"answers": answers, "faces": faces, "occlusion": occlusion, "ended": False}
        self.calls.append(call)
        if faces is not None and len(faces) == 0:
            raise UnmaskError("No face was chosen.")
        photo, found = read(image), self.find(image)
        filled = found.occlusion if occlusion is None else np.asarray(occlusion) > 0
        for step in range(STEPS):
            time.sleep(self.seconds_a_step)
            if on_progress is not None:
                on_progress(Progress(1, 2, 1, answers, (step + 1) / STEPS))
        pictures = []
        for answer in range(answers):
            pixels = photo.pixels.copy()
            pixels[filled] = np.array(PAINT) + 20 * answer
            pictures.append(Image.fromarray(pixels.astype(np.uint8)))
        call["ended"] = True
        results = tuple(FaceResult(face, 0.1) for face in found.faces)
        return UnmaskedPhoto(tuple(pictures), results, filled, (), photo)


def photo_file(folder: Path, width: int = 900, height: int = 600) -> Path:
    """A photo to upload."""
    path = folder / "photo.png"
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([120 + 80 * np.sin(x / 60), 130 + 60 * np.cos(y / 50), 140 + 0 * x], -1)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path
