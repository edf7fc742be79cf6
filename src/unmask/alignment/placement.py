"""Where an aligned picture lies in the photo that it was cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmask.alignment.align import frame_of
from unmask.alignment.finding import find_faces
from unmask.alignment.quad import Quad
from unmask.alignment.suitable import unsuitable
from unmask.errors import UnmaskError
from unmask.faceanalysis import Detection

ALIKE = 0.8
"""Height of the second largest face, in heights of the largest, above which nobody can say whom a photo is of."""


@dataclass(frozen=True)
class Placement:
    """
    Attributes:
        quad: the frame.
        height, width: of the photo, in pixels.
    """

    quad: Quad
    height: int
    width: int


def place_main_face(photo: np.ndarray) -> Placement:
    """The frame of the largest face that can be unmasked.

    Args:
        photo: (H,W,3) uint8 RGB.
    Raises:
        UnmaskError: there is none; says why without naming the photo.
    """
    return _largest(photo, find_faces(photo))


@dataclass(frozen=True)
class Portrait:
    """
    Attributes:
        placement: of the largest face that can be used.
        others: how many more faces the photo shows.
    """

    placement: Placement
    others: int


def place_person(photo: np.ndarray) -> Portrait:
    """The frame of the face that a photograph of one person is about; others may be in the background.

    Args:
        photo: (H,W,3) uint8 RGB.
    Raises:
        UnmaskError: there is no face that can be used, or another one is about as large; does not name the photo.
    """
    faces = find_faces(photo)
    placement = _largest(photo, faces)
    heights = sorted((float(face.box[3] - face.box[1]) for face in faces), reverse=True)
    if len(heights) > 1 and heights[1] >= ALIKE * heights[0]:
        raise UnmaskError(f"{len(faces)} faces, two of them about as large: cut the photograph down to the person")
    return Portrait(placement, len(faces) - 1)


def _largest(photo: np.ndarray, faces: Sequence[Detection]) -> Placement:
    """The frame of the largest of these faces that can be unmasked; errors as `place_main_face`."""
    height, width = photo.shape[:2]
    reasons = []
    for face in sorted(faces, key=lambda one: -float(np.prod(one.box[2:] - one.box[:2]))):
        quad = frame_of(photo, face)
        reason = unsuitable(face, quad, height, width)
        if reason is None:
            return Placement(quad, height, width)
        reasons.append(reason)
    raise UnmaskError(f"no face that can be unmasked; the largest: {reasons[0]}" if reasons else "no face was found")
