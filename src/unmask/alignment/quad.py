"""FFHQ's frame in a photo, and pictures on both sides of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Quad:
    """A square in a photo, upright for the face in it.

    Coordinates are pixels x,y where (0,0) is the centre of the first pixel; the corners are those of the square's
    outermost pixels' outer edges.

    Attributes:
        centre: (2,) float64.
        half: (2,) float64, from the centre to the middle of the square's right edge.
    """

    centre: np.ndarray
    half: np.ndarray

    @property
    def side(self) -> float:
        """In pixels of the photo."""
        return 2 * float(np.hypot(*self.half))

    @property
    def turn(self) -> float:
        """Degrees by which the face is turned clockwise, as seen in the picture."""
        return math.degrees(math.atan2(self.half[1], self.half[0]))

    @property
    def corners(self) -> np.ndarray:
        """(4,2) float64: top left, bottom left, bottom right, top right of the face."""
        x, y = self.half, np.array([-self.half[1], self.half[0]])
        return np.stack([self.centre - x - y, self.centre - x + y, self.centre + x + y, self.centre + x - y])

    @staticmethod
    def of_corners(corners: np.ndarray) -> Quad:
        """The square nearest to (4,2) corners in the order of `corners`."""
        top_left, bottom_left, bottom_right, top_right = np.asarray(corners, np.float64)
        across = (top_right - top_left + bottom_right - bottom_left) / 4
        down = (bottom_left - top_left + bottom_right - top_right) / 4
        half = (across + np.array([down[1], -down[0]])) / 2
        return Quad(np.asarray(corners, np.float64).mean(0), half)

    def scaled(self, factor: float) -> Quad:
        """About the same centre."""
        return Quad(self.centre, self.half * factor)

    def to_photo(self, size: int) -> np.ndarray:
        """(2,3) matrix from pixels of the square at `size` to pixels of the photo."""
        a = 2 * self.half / size
        matrix = np.array([[a[0], -a[1], 0.0], [a[1], a[0], 0.0]])
        matrix[:, 2] = self.centre - matrix[:, :2] @ np.full(2, (size - 1) / 2)
        return matrix

    def within(self, inner: Quad) -> Quad:
        """Where `inner`, a square in this one's own coordinates, lies in the photo.

        `inner` is in units of this square's side, 0 at its left and upper edge and 1 at the others.
        """
        a = 2 * complex(*self.half)
        corner = complex(*self.centre) - a * (0.5 + 0.5j)
        centre = corner + a * complex(*inner.centre)
        half = a * complex(*inner.half)
        return Quad(np.array([centre.real, centre.imag]), np.array([half.real, half.imag]))


def corner_error(found: Quad, true: Quad, size: int = 256) -> float:
    """Mean distance between corresponding corners, in pixels of `true` at `size`."""
    return float(np.linalg.norm(found.corners - true.corners, axis=1).mean()) * size / true.side


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (N,2) by a (2,3) matrix."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])
