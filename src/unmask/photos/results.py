"""What is found in a photo, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from unmask.photos.photo import Photo, save


@dataclass(frozen=True)
class FoundFace:
    """A face in a photo.

    Attributes:
        index: its number in the photo, from 0, left to right.
        box: left, top, right, bottom in pixels of the upright photo; may reach past its border.
        score: the detector's confidence, 0 to 1.
        quad: (4,2) float64 x,y of the corners of FFHQ's frame in the photo: top left, bottom left, bottom right, top
            right of the face; (0,0) is the centre of the photo's first pixel.
        skipped: why it is left alone, as a sentence; None where it is to be unmasked.
        warnings: sentences for the user.
    """

    index: int
    box: tuple[float, float, float, float]
    score: float
    quad: np.ndarray
    skipped: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class FoundFaces:
    """All faces of a photo.

    Attributes:
        photo: upright, in sRGB.
        faces: those found, left to right.
        occlusion: (H,W) bool, where face masks hide faces that are to be unmasked.
    """

    photo: Image.Image
    faces: tuple[FoundFace, ...]
    occlusion: np.ndarray


@dataclass(frozen=True)
class FaceResult:
    """What was made of one face; for one that was left alone the pictures are missing.

    Attributes:
        found: the face.
        seconds: spent on it.
        masked: (256,256,3) uint8, the face in FFHQ's frame.
        occlusion: (256,256) bool, where the face mask hides it there.
        answers: K pictures (256,256,3) uint8 of the whole frame as the method generated them.
    """

    found: FoundFace
    seconds: float
    masked: np.ndarray | None = None
    occlusion: np.ndarray | None = None
    answers: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class UnmaskedPhoto:
    """A photo with the hidden parts of its faces generated: guesses, not what the people look like.

    Attributes:
        answers: K whole photos, upright, in sRGB. Every pixel outside `filled` is the photo's own.
        faces: left to right, those left alone among them.
        filled: (H,W) bool, what was generated.
        warnings: sentences for the user, about the photo and about all faces.
        photo: what was given.
    """

    answers: tuple[Image.Image, ...]
    faces: tuple[FaceResult, ...]
    filled: np.ndarray
    warnings: tuple[str, ...]
    photo: Photo

    @property
    def image(self) -> Image.Image:
        """The first answer."""
        return self.answers[0]

    def save(self, path: str | Path, answer: int = 0, *, quality: int = 95) -> None:
        """Write an answer as the photo was stored: turned alike, with its colour profile, EXIF and transparency.

        Pixels that were not filled are those of the file to the bit, if `path` is a PNG.

        Args:
            path: where to; the suffix names the format, PNG, JPEG, WebP or TIFF.
            answer: which one.
            quality: of JPEG and WebP, 1 to 100.
        Raises:
            UnmaskError: the format is none of these, or the file cannot be written.
        """
        save(self.photo, np.asarray(self.answers[answer]), self.filled, Path(path), quality=quality)
