"""Where an aligned picture lies in the photo that it was cut from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.alignment.align import frame_of
from unmask.alignment.finding import find_faces
from unmask.alignment.quad import Quad
from unmask.alignment.suitable import unsuitable
from unmask.errors import UnmaskError


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
    height, width = photo.shape[:2]
    faces = find_faces(photo)
    reasons = []
    for face in sorted(faces, key=lambda one: -float(np.prod(one.box[2:] - one.box[:2]))):
        quad = frame_of(photo, face)
        reason = unsuitable(face, quad, height, width)
        if reason is None:
            return Placement(quad, height, width)
        reasons.append(reason)
    raise UnmaskError(f"no face that can be unmasked; the largest: {reasons[0]}" if reasons else "no face was found")
