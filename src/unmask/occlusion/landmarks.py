"""Occlusion from the face's landmarks: where a face mask that is worn correctly lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from unmask.alignment import Placement, Quad
from unmask.alignment.align import landmark_look
from unmask.faceanalysis import BRIDGE_106, CONTOUR_106, MOUTH_106, landmarks106, main_face
from unmask.images import to_uint8
from unmask.occlusion.base import FoundOcclusion, OcclusionFinder

CORNER = 3.4
"""Where the upper edge meets the face's contour, counted along its 33 points: level with the lower half of the nose."""
ON_NOSE = 0.43
"""How far down the upper edge crosses the nose, between the second (0) and the third point (1) of its ridge."""
SLACK = 0.025
"""How far the cloth stands off the jaw, in widths of the face."""
OVER_NOSE = ((-0.115, 0.052), (-0.045, 0.010), (0.0, 0.0), (0.045, 0.010), (0.115, 0.052))
"""How far beside the ridge and below the crossing the upper edge passes, from left to right, in widths of the face."""
NO_FACE = "No face was found in the picture, so nothing is changed."


@final
class LandmarkOcclusion(OcclusionFinder):
    """Whatever the face wears, the region that a correctly worn mask would cover; see `outline`.

    It neither sees whether there is a mask nor its true border, and is right where masks are alike.
    """

    def find(self, id: str, masked: Tensor, clean: Tensor | None, placement: Placement | None = None) -> FoundOcclusion:
        face = locate(masked)
        if face is None:
            return FoundOcclusion(torch.zeros_like(masked[:1]), NO_FACE)
        return FoundOcclusion(torch.from_numpy(fill(face.outline, masked.shape[-1]).astype(np.float32))[None])


@dataclass(frozen=True)
class LowerFace:
    """The points of a face that matter to a face mask, in pixels of the picture.

    Attributes:
        contour: (33,2) x,y from the ear at the picture's left over the chin to the other ear.
        bridge: (4,2) the ridge of the nose from between the eyes to the tip.
        mouth: (20,2) the lips.
    """

    contour: np.ndarray
    bridge: np.ndarray
    mouth: np.ndarray

    @classmethod
    def from_106(cls, points: np.ndarray) -> LowerFace:
        """From the (106,2) points of `unmask.faceanalysis.landmarks106`."""
        return cls(points[list(CONTOUR_106)], points[list(BRIDGE_106)], points[list(MOUTH_106)])

    @property
    def width(self) -> float:
        """Distance between the two ends of the contour, in pixels."""
        return float(np.linalg.norm(self.contour[0] - self.contour[-1]))

    @property
    def outline(self) -> np.ndarray:
        """(N,2) the border of a correctly worn mask: jaw and chin, and an edge over the nose that dips beside it."""
        indices = np.linspace(32 - CORNER, CORNER, 53)
        jaw = np.stack([np.interp(indices, np.arange(33), self.contour[:, axis]) for axis in (0, 1)], 1)
        outward = jaw - self.contour.mean(0)
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        # at its upper corners the cloth lies on the cheek
        jaw = jaw + SLACK * self.width * np.sin(np.linspace(0, np.pi, len(jaw)))[:, None] ** 0.5 * outward
        nose = self.bridge[1] * (1 - ON_NOSE) + self.bridge[2] * ON_NOSE
        down = self.contour[16] - self.bridge[0]
        down = down / np.linalg.norm(down)
        right = np.array([-down[1], down[0]])
        if np.dot(right, jaw[0] - jaw[-1]) < 0:
            right = -right
        # the jaw ends at the corner at the picture's left; from there back to the other one
        over = [nose + self.width * (side * right + drop * down) for side, drop in OVER_NOSE]
        return np.concatenate([jaw, np.stack(over)])


def locate(picture: Tensor) -> LowerFace | None:
    """The largest face of a (3,H,W) picture in [-1,1], or None where there is none.

    Raises:
        UnmaskError: the networks' weights cannot be had.
    """
    (face,) = main_face(picture[None])
    return None if face is None else LowerFace.from_106(landmarks106(picture, face).points)


def locate_in_frame(picture: Tensor) -> LowerFace:
    """The face of an aligned (3,H,H) picture in [-1,1] that is known to show one, by where it must be.

    Raises:
        UnmaskError: the network's weights cannot be had.
    """
    size = picture.shape[-1]
    whole = Quad(np.full(2, (size - 1) / 2), np.array([size / 2, 0.0]))
    points, _ = landmark_look(to_uint8(picture), whole)
    return LowerFace.from_106((points + 1) * size / 2 - 0.5)


def fill(polygon: np.ndarray, size: int) -> np.ndarray:
    """(size,size) bool, the inside of a polygon (N,2) in pixels."""
    import cv2

    canvas = np.zeros((size, size), np.uint8)
    # positions in sixteenths of a pixel
    cv2.fillPoly(canvas, [np.rint(polygon * 16).astype(np.int32)], 1, shift=4)
    return canvas > 0
