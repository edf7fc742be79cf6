"""A surgical mask on a clean face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unmask.data.facemask import light
from unmask.data.facemask.cloth import weave
from unmask.data.facemask.colours import COLOURS
from unmask.data.facemask.inversion import invert_grid
from unmask.data.facemask.shape import FaceShape, Outline, fit_outline, surface
from unmask.errors import UnmaskError
from unmask.images import from_uint8, to_uint8

LOOP_WIDTH = 0.013
"""Width of the ear loops, as a share of the face's width."""
FINER = 4
"""Edges are drawn on a canvas this many times finer, so that they come out soft."""


@dataclass(frozen=True)
class DrawnMask:
    """A face with a mask drawn on it.

    Attributes:
        masked: (3,H,W) float32 RGB in [-1,1], on the grid of 8-bit levels.
        occlusion: (1,H,W) float32, 1 on cloth and ear loops including their soft edges; elsewhere `masked` is
            the clean picture, bit for bit.
    """

    masked: Tensor
    occlusion: Tensor


def draw_mask(clean: Tensor, face: FaceShape, *, colour: str = "light_blue", seed: int = 0) -> DrawnMask:
    """Draw a pleated surgical mask with ear loops, lit as the face is.

    Args:
        clean: (3,H,W) RGB in [-1,1].
        face: where the face is, in pixels of `clean`.
        colour: a key of `COLOURS`.
        seed: the same picture, points and seed give the same mask, to the bit.
    Raises:
        UnmaskError: unknown colour, or a face without extent within the picture.
    """
    if colour not in COLOURS:
        raise UnmaskError(f"No face mask of colour {colour}; there are {', '.join(COLOURS)}.")
    generator = np.random.default_rng(seed)
    pixels = to_uint8(clean)
    picture = pixels.astype(np.float64) / 255.0
    outline = fit_outline(face, generator)
    height, width = picture.shape[:2]
    cloth_alpha = _cloth_alpha(outline, height, width)
    if (cloth_alpha > 0.5).mean() < 0.005:
        raise UnmaskError("The landmarks leave no room for a face mask in the picture; is the face aligned?")

    gain, tint = light.face_light(picture, cloth_alpha, face.width)
    from_right = light.side_light(picture, cloth_alpha)
    u, v, (top, left) = _cloth_coordinates(outline, height, width)
    box = np.s_[top : top + u.shape[0], left : left + u.shape[1]]
    cloth = weave(u, v, COLOURS[colour], int(generator.integers(2**31)))
    brightness = cloth.shade * light.shade_relief(cloth.relief, from_right, face.width) * _dome(u, v, from_right)

    loop_alpha, loop_tone = _draw_loops(outline, face.width, height, width)
    loop_colour = np.asarray(COLOURS["black" if colour == "black" else "white"])
    drawn = picture + loop_alpha[..., None] * ((loop_tone * gain)[..., None] * loop_colour * tint - picture)
    lit = _soft_limit(cloth.albedo * (brightness * gain[box])[..., None] * tint)
    drawn[box] += cloth_alpha[box][..., None] * (lit - drawn[box])

    occlusion = (cloth_alpha > 0) | (loop_alpha > 0)
    levels = np.where(occlusion[..., None], np.rint(255.0 * np.clip(drawn, 0, 1)), pixels).astype(np.uint8)
    return DrawnMask(from_uint8(levels), torch.from_numpy(occlusion.astype(np.float32))[None])


def lay_mask(face: FaceShape, size: int, seed: int) -> Tensor:
    """Where `draw_mask` with the same seed would draw on a picture of `size` pixels: (1,size,size) float32, 0 or 1."""
    outline = fit_outline(face, np.random.default_rng(seed))
    loop_alpha, _ = _draw_loops(outline, face.width, size, size)
    covered = (_cloth_alpha(outline, size, size) > 0) | (loop_alpha > 0)
    return torch.from_numpy(covered.astype(np.float32))[None]


def _cloth_alpha(outline: Outline, height: int, width: int) -> np.ndarray:
    """(H,W) float64 coverage by the cloth."""
    import cv2

    canvas = np.zeros((FINER * height, FINER * width), np.uint8)
    return _coverage(cv2.fillPoly(canvas, [_fine(outline.polygon)], 255))


def _draw_loops(outline: Outline, unit: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Coverage (H,W) by the loops, and their brightness: a round band, darker at its edges."""
    import cv2

    curves = [_fine(loop) for loop in outline.loops]

    def band(share: float) -> np.ndarray:
        thickness = max(1, round(share * FINER * LOOP_WIDTH * unit))
        canvas = np.zeros((FINER * height, FINER * width), np.uint8)
        return _coverage(cv2.polylines(canvas, curves, False, 255, thickness))

    return band(1.0), 0.72 + 0.26 * band(0.55)


def _coverage(canvas: np.ndarray) -> np.ndarray:
    """A canvas `FINER` times finer, 0 or 255 -> (H,W) float64 share of each pixel that is drawn."""
    import cv2

    height, width = canvas.shape
    small = cv2.resize(canvas, (width // FINER, height // FINER), interpolation=cv2.INTER_AREA)
    return small.astype(np.float64) / 255.0


def _fine(points: np.ndarray) -> np.ndarray:
    """Pixels -> integer positions on the finer canvas, pixel centres aligned."""
    return np.rint(FINER * points + (FINER - 1) / 2).astype(np.int32)


def _cloth_coordinates(outline: Outline, height: int, width: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """u and v (h,w) of each pixel in the cloth's bounding box, and the box's top left corner (y,x)."""
    grid = surface(outline)
    low = np.maximum(np.floor(grid.min((0, 1))).astype(int) - 1, 0)
    high = np.minimum(np.ceil(grid.max((0, 1))).astype(int) + 2, [width, height])
    places = invert_grid(grid - low, int(high[1] - low[1]), int(high[0] - low[0])) / (len(grid) - 1)
    return places[..., 0], places[..., 1], (int(low[1]), int(low[0]))


def _dome(u: np.ndarray, v: np.ndarray, from_right: float) -> np.ndarray:
    """Brightness of the whole mask as a dome: falling off to the sides and below, with the nose's ridge."""
    across = 2 * u - 1
    fall = 1 - 0.20 * np.abs(across) ** 2.6 - 0.14 * np.clip(v - 0.6, 0, 1) ** 1.5 / 0.4**1.5
    nose = np.exp(-((across / 0.22) ** 2)) * np.exp(-((v / 0.42) ** 2))
    flank = across / 0.22 * nose
    return (fall + 0.05 * nose + 0.07 * from_right * (across + flank)) * 1.04


def _soft_limit(values: np.ndarray) -> np.ndarray:
    """Leave values below 0.9 alone and bend the rest under 1, so that white cloth keeps its folds."""
    over = np.maximum(values - 0.9, 0)
    return np.minimum(values, 0.9) + 0.1 * (1 - np.exp(-over / 0.1))
