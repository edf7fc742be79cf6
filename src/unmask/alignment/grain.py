"""How sharp and how grainy a photo is, so that what is pasted into it is as sharp and as grainy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CORNERS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
"""Immerkær's filter (1996, "Fast noise variance estimation"): blind to edges, of unit gain for white noise."""
FEWEST = 200
"""Pixels below which nothing is measured."""
BLURS = (0.0, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 2.8, 3.6, 4.6, 6.0)
"""Standard deviations that are tried, in pixels of the photo."""
WINDOW = 384
"""Pixels a side that are enough to tell sharpness and grain from."""
CALM, CALMEST = 9, 0.15
"""Side of the neighbourhoods of which the calmest share tells of grain, in pixels; and that share."""
LEVELS = 2
"""Grain is measured in the photo, and in it halved by means over two by two pixels; coarser spots are freckles."""
HALVED = 0.25
"""Share of a level's variance that is left at the next coarser one."""
ENLARGED = (1.0, 0.357)
"""Share of variance that `CORNERS` finds at each level in white noise that was drawn there and enlarged."""


@dataclass(frozen=True)
class Grain:
    """Noise at several scales, as that of compressed photos is not white.

    Attributes:
        levels: LEVELS covariances (3,3) of the channels, in levels of 255 squared: what is white at each scale, from
            fine to coarse, without what finer ones leave there.
    """

    levels: tuple[np.ndarray, ...]

    @staticmethod
    def of(pixels: np.ndarray, where: np.ndarray) -> Grain:
        """That of (h,w,3) uint8 pixels at `where` (h,w) bool; none at scales with too few pixels."""
        import cv2

        window = _busiest(where)
        values: np.ndarray = pixels[window].astype(np.float32)
        share: np.ndarray = where[window].astype(np.float32)
        levels: list[np.ndarray] = []
        finer = np.zeros((3, 3))
        for _ in range(LEVELS):
            inside = share > 0.99
            if min(inside.shape) < 8 or inside.sum() < FEWEST:
                levels.append(np.zeros((3, 3)))
                continue
            found = _covariance(values, inside)
            levels.append(_positive(found - HALVED * finer))
            finer = found
            half = (inside.shape[1] // 2, inside.shape[0] // 2)
            values = cv2.resize(values, half, interpolation=cv2.INTER_AREA)
            share = cv2.resize(share, half, interpolation=cv2.INTER_AREA)
        return Grain(tuple(levels))

    def less(self, other: Grain) -> Grain:
        """What is missing in `other`."""
        return Grain(tuple(_positive(one - two) for one, two in zip(self.levels, other.levels, strict=True)))

    def drawn(self, height: int, width: int, seed: int) -> np.ndarray:
        """(height,width,3) float32 of noise like this, in levels; the same for the same seed."""
        import cv2

        random = np.random.default_rng(seed)
        noise: np.ndarray = np.zeros((height, width, 3), np.float32)
        for level, (covariance, found) in enumerate(zip(self.levels, ENLARGED, strict=True)):
            if not covariance.any():
                continue
            step = 2**level
            small = (-(-height // step), -(-width // step))
            drawn = random.standard_normal((*small, 3), np.float32) @ _root(covariance / found)
            whole = (small[1] * step, small[0] * step)
            noise += cv2.resize(drawn, whole, interpolation=cv2.INTER_CUBIC)[:height, :width]
        return noise


def matching_blur(render: np.ndarray, photo: np.ndarray, where: np.ndarray, grain: Grain) -> float:
    """The Gaussian's standard deviation that makes `render` as sharp as `photo`, both (h,w,3) uint8, at `where`.

    The blurred render is given the photo's grain before the two are compared, since grain looks sharp, and they are
    compared at several scales, since grain drowns the finest.
    """
    import cv2

    if min(where.shape) < 8 or where.sum() < FEWEST:
        return 0.0
    window = _busiest(where)
    render, photo, where = render[window], photo[window], where[window]
    noise = grain.drawn(where.shape[0], where.shape[1], seed=0).mean(2)
    light = render.astype(np.float32).mean(2)
    wanted = _sharpness(photo.astype(np.float32).mean(2), where)

    def unlike(sigma: float) -> float:
        blurred = light if sigma == 0 else cv2.GaussianBlur(light, (0, 0), sigma)
        found = _sharpness(blurred + noise, where)
        return sum(abs(np.log((one + 0.1) / (two + 0.1))) for one, two in zip(found, wanted, strict=True))

    return min(BLURS, key=unlike)


def _busiest(where: np.ndarray) -> tuple[slice, slice]:
    """The window of at most WINDOW pixels a side with most of what is to be measured in it."""
    import cv2

    height, width = (min(side, WINDOW) for side in where.shape)
    sums = cv2.integral(where.astype(np.uint8))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def _sharpness(grey: np.ndarray, where: np.ndarray) -> list[float]:
    """Root mean squares of the second differences at `where` at each scale, the strongest twentieth left out."""
    import cv2

    share: np.ndarray = where.astype(np.float32)
    found = []
    for _ in range(LEVELS):
        inside = share > 0.99
        if inside.sum() < FEWEST:
            break
        curved = cv2.Laplacian(grey, cv2.CV_32F, ksize=1)[inside] ** 2
        found.append(float(np.sqrt(curved[curved <= np.quantile(curved, 0.95)].mean())))
        half = (inside.shape[1] // 2, inside.shape[0] // 2)
        if min(half) < 8:
            break
        grey = np.asarray(cv2.resize(grey, half, interpolation=cv2.INTER_AREA))
        share = np.asarray(cv2.resize(share, half, interpolation=cv2.INTER_AREA))
    return found


def _covariance(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(3,3) of what `CORNERS` answers, in the calmest neighbourhoods: the rest is texture, not grain."""
    import cv2

    answers = cv2.filter2D(values, cv2.CV_32F, CORNERS)
    share: np.ndarray = where.astype(np.float32)
    energy = cv2.boxFilter((answers**2).sum(2) * share, -1, (CALM, CALM))
    energy = energy / np.maximum(cv2.boxFilter(share, -1, (CALM, CALM)), 1e-3)
    calm = where & (energy <= np.quantile(energy[where], CALMEST))
    chosen = answers[calm]
    return np.asarray(chosen.T @ chosen / max(len(chosen), 1), np.float64)


def _positive(matrix: np.ndarray) -> np.ndarray:
    """The nearest covariance."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)


def _root(covariance: np.ndarray) -> np.ndarray:
    """(3,3) float32 that turns independent noise into such."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((np.sqrt(np.maximum(values, 0)) * vectors).T, np.float32)
