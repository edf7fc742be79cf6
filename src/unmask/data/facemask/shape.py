"""Where a face mask lies on a face: outline, ear loops and the cloth's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.faceanalysis import BRIDGE_106, CONTOUR_106


@dataclass(frozen=True)
class FaceShape:
    """The points a face mask hangs on, x,y in pixels of the picture.

    Attributes:
        contour: (33,2), the face's edge from the ear at the picture's left over the chin (index 16) to the
        other ear. bridge: (4,2), the ridge of the nose from between the eyes to the tip, evenly spread.
    """

    contour: np.ndarray
    bridge: np.ndarray

    @staticmethod
    def from_106(points: np.ndarray) -> FaceShape:
        """From the (106,2) landmarks of `unmask.faceanalysis.landmarks106`."""
        assert points.shape == (106, 2), f"expected 106 points, got {points.shape}"
        return FaceShape(points[list(CONTOUR_106)].astype(np.float64), points[list(BRIDGE_106)].astype(np.float64))

    @property
    def width(self) -> float:
        """Distance between the two ears' ends of the contour, in pixels: the unit of all lengths drawn."""
        return float(np.linalg.norm(self.contour[0] - self.contour[-1]))

    @property
    def down(self) -> np.ndarray:
        """(2,) unit vector from the nose's root to the chin."""
        axis = self.contour[16] - self.bridge[0]
        return axis / np.linalg.norm(axis)


@dataclass(frozen=True)
class Outline:
    """The four edges of the cloth as curves of N points, and the ear loops.

    Attributes:
        top, bottom: (N,2) from the picture's left to its right.
        left, right: (N,2) from top to bottom; they share their ends with `top` and `bottom`.
        loops: curves (M,2) from the cloth to the ears.
    """

    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray
    loops: tuple[np.ndarray, ...]

    @property
    def polygon(self) -> np.ndarray:
        """(4N,2), once around."""
        return np.concatenate([self.top, self.right, self.bottom[::-1], self.left[::-1]])


def fit_outline(face: FaceShape, generator: np.random.Generator, samples: int = 65) -> Outline:
    """Lay the cloth on the face; `generator` varies height, fit and slack a little."""
    unit, down = face.width, face.down
    height = generator.uniform(0.25, 0.62)  # on the nose, between the second and the third point of its ridge
    nose = face.bridge[1] * (1 - height) + face.bridge[2] * height
    corner = generator.uniform(3.0, 3.8)  # index along the contour: level with the lower half of the nose
    jaw = generator.uniform(10.2, 11.2)
    slack = generator.uniform(0.015, 0.035) * unit

    dense = _along(face.contour, np.linspace(0, 32, 321))
    centre = face.contour.mean(0)
    left_top, right_top = _at(dense, corner), _at(dense, 32 - corner)
    left_jaw = _outward(_at(dense, jaw), centre, slack)
    right_jaw = _outward(_at(dense, 32 - jaw), centre, slack)
    # under the chin the cloth stands off a little more than at the cheeks
    chin = face.contour[16] + down * (slack + 0.02 * unit)

    top = _edge_over_nose(left_top, nose, right_top, down, unit, generator.uniform(0.006, 0.022), samples)
    under = [_outward(_at(dense, position), centre, slack) for position in (13.0, 19.0)]
    bottom = _spline(np.stack([left_jaw, under[0], chin, under[1], right_jaw]), samples)
    left = _side(left_top, left_jaw, dense, corner, jaw, centre, slack, samples)
    right = _side(right_top, right_jaw, dense, 32 - corner, 32 - jaw, centre, slack, samples)
    return Outline(top, bottom, left, right, _loops(face, left, right, generator))


def surface(outline: Outline) -> np.ndarray:
    """(N,N,2) positions of the cloth at even u (second axis, left to right) and v (first axis, top to
    bottom).

    A Coons patch (Coons 1967): the sum of the two ruled surfaces between opposite edges less the bilinear
    one.
    """
    count = len(outline.top)
    u = np.linspace(0, 1, count)[None, :, None]
    v = np.linspace(0, 1, count)[:, None, None]
    across = (1 - u) * outline.left[:, None] + u * outline.right[:, None]
    along = (1 - v) * outline.top[None] + v * outline.bottom[None]
    corners = (1 - v) * ((1 - u) * outline.top[0] + u * outline.top[-1]) + v * (
        (1 - u) * outline.bottom[0] + u * outline.bottom[-1]
    )
    return across + along - corners


def _edge_over_nose(
    left: np.ndarray,
    nose: np.ndarray,
    right: np.ndarray,
    down: np.ndarray,
    unit: float,
    dip: float,
    samples: int,
) -> np.ndarray:
    """The upper edge: up over the nose, down into the corners beside it, out to the cheeks."""
    side = np.array([-down[1], down[0]])
    if np.dot(side, right - left) < 0:
        side = -side
    points = [left]
    for towards, sign in ((left, -1.0), (right, 1.0)):
        foot = nose + sign * side * 0.115 * unit + down * 0.052 * unit
        cheek = 0.5 * (foot + towards) + down * dip * unit
        shoulder = nose + sign * side * 0.045 * unit + down * 0.010 * unit
        points += [cheek, foot, shoulder] if sign < 0 else [shoulder, foot, cheek]
        if sign < 0:
            points.append(nose)
    return _spline(np.stack([*points, right]), samples)


def _side(
    top: np.ndarray,
    jaw: np.ndarray,
    dense: np.ndarray,
    start: float,
    stop: float,
    centre: np.ndarray,
    slack: float,
    samples: int,
) -> np.ndarray:
    """A side edge: between the straight line and the face's contour, for cloth is stiffer than a cheek."""
    share = np.linspace(0, 1, samples)[:, None]
    straight = (1 - share) * top + share * jaw
    contour = np.stack([_at(dense, start + (stop - start) * t) for t in np.linspace(0, 1, samples)])
    contour = np.stack([_outward(point, centre, slack * t) for point, t in zip(contour, share[:, 0], strict=True)])
    curve = 0.35 * straight + 0.65 * contour
    curve[0], curve[-1] = top, jaw
    return curve


def _loops(
    face: FaceShape, left: np.ndarray, right: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Two bands a side, to the upper and the lower end of the ear; none where the head is turned away."""
    unit, down = face.width, face.down
    nose = face.bridge[2]
    reach = [abs(float(np.dot(end - nose, _across(face)))) for end in (face.contour[3], face.contour[29])]
    loops = []
    spread = generator.uniform(0.045, 0.06) * unit
    for index, (edge, upper, lower, sign) in enumerate(
        ((left, face.contour[1], face.contour[4], -1.0), (right, face.contour[31], face.contour[28], 1.0))
    ):
        if reach[index] < 0.55 * reach[1 - index]:
            continue
        out = sign * _across(face)
        ear_top = upper + out * spread
        ear_low = lower + out * 0.75 * spread
        for start, end, sag in ((edge[1], ear_top, 0.0), (edge[round(0.86 * len(edge))], ear_low, 0.015)):
            middle = 0.5 * (start + end) + down * sag * unit + out * sag * unit
            loops.append(_bezier(start, middle, end, 33))
    return tuple(loops)


def _across(face: FaceShape) -> np.ndarray:
    """(2,) unit vector from the picture's left to its right, square to the face's axis."""
    side = np.array([-face.down[1], face.down[0]])
    return side if np.dot(side, face.contour[-1] - face.contour[0]) > 0 else -side


def _along(points: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Smooth curve through `points` at fractional indices."""
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(np.arange(len(points)), points)(positions))


def _spline(points: np.ndarray, samples: int) -> np.ndarray:
    """Smooth curve through `points` without overshoot; each half is evenly sampled by length.

    The middle point stays the middle of the cloth, so that the far half of a turned head is foreshortened.
    """
    from scipy.interpolate import PchipInterpolator

    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    middle = length[len(points) // 2]
    halves = np.concatenate(
        [
            np.linspace(0, middle, samples // 2 + 1),
            np.linspace(middle, length[-1], samples - samples // 2)[1:],
        ]
    )
    return np.asarray(PchipInterpolator(length, points)(halves))


def _at(dense: np.ndarray, index: float) -> np.ndarray:
    """The point of the ten times finer contour at an index of the coarse one."""
    return dense[round(index * 10)]


def _outward(point: np.ndarray, centre: np.ndarray, distance: float) -> np.ndarray:
    offset = point - centre
    return point + offset / np.linalg.norm(offset) * distance


def _bezier(start: np.ndarray, middle: np.ndarray, end: np.ndarray, samples: int) -> np.ndarray:
    t = np.linspace(0, 1, samples)[:, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
