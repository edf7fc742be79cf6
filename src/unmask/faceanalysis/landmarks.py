"""106 landmarks of a detected face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from unmask.faceanalysis.detector import Detection
from unmask.faceanalysis.sessions import pictures, run

CROP_SIZE = 192
CROP_MARGIN = 1.5
"""Side of the square crop over the longer side of the detector's box, as the network was trained."""
CONTOUR_106 = (1, *range(9, 17), *range(2, 9), 0, *range(24, 17, -1), *range(32, 24, -1), 17)
"""Indices of the 106 points along the face's edge: ear, cheek, jaw, chin and up the other side."""
BRIDGE_106 = (72, 73, 74, 86)
"""Indices along the ridge of the nose, from between the eyes to the tip."""
MOUTH_106 = tuple(range(52, 72))
"""Indices of the lips."""


@dataclass(frozen=True)
class Landmarks:
    """Points of one face.

    Attributes:
        points: (106,2) float32 x,y in pixels of the picture, in the order of insightface's 2d106 mark-up:
            0-32 contour of the face (0 the chin), 33-42 and 87-96 eyes, 43-51 and 97-105 brows, 52-71 mouth,
            72-86 nose.
    """

    points: np.ndarray


def landmarks106(image: Tensor, face: Detection) -> Landmarks:
    """The landmarks of one face of a (3,H,W) RGB picture in [-1,1].

    Raises:
        UnmaskError: the network's weights are not there and cannot be fetched.
    """
    import cv2

    (picture,) = pictures(image)
    centre = (face.box[:2] + face.box[2:]) / 2
    scale = CROP_SIZE / (CROP_MARGIN * float((face.box[2:] - face.box[:2]).max()))
    matrix = np.array(
        [
            [scale, 0.0, CROP_SIZE / 2 - scale * centre[0]],
            [0.0, scale, CROP_SIZE / 2 - scale * centre[1]],
        ]
    )
    points = landmarks_in(cv2.warpAffine(picture, matrix, (CROP_SIZE, CROP_SIZE)))
    return Landmarks(((points - matrix[:, 2]) / scale).astype(np.float32))


def landmarks_in(crop: np.ndarray) -> np.ndarray:
    """The landmarks (106,2) float32 of the face that fills a (CROP_SIZE,CROP_SIZE,3) uint8 crop, in its pixels."""
    assert crop.shape == (CROP_SIZE, CROP_SIZE, 3), f"expected {CROP_SIZE} pixels, got {crop.shape}"
    # the graph begins with (x - 127.5) / 128 itself, so it takes levels 0..255
    (output,) = run("landmarks106", crop.astype(np.float32).transpose(2, 0, 1)[None])
    return np.asarray((output.reshape(-1, 2)[-106:] + 1.0) * (CROP_SIZE / 2))
