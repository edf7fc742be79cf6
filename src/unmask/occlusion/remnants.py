"""What is left of a face mask beyond its map: a light bar above the nose, pieces that adjoin the map.

Found by colour alone, in the masked picture. The skin around a pixel is the median of the picture with the map filled
by its surroundings; the face mask's colours are a few centres of those near the map's border (k-means). The constants
were chosen on half of 120 pairs of FFHQ and MaskedFace-Net, and hold on the other half (docs/results.md).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unmask.images import to_uint8

SKIN_WINDOW = 25
"""Side of the median's window; this and all distances in pixels at 256."""
FILLED_AROUND = 3.0
"""The map is not trusted to this distance, where the skin is concerned."""
BAND = 10.0
"""The face mask's colours are those of the map to this depth."""
COLOURS = 4

BAR_REACH = 14.0
"""How far above the map a bar may lie that has no connection with it."""
BAR_HEIGHT, BAR_SHAPE, BAR_AREA = 7.0, 1.5, 8.0
"""A bar's most height, least width as a multiple of it, and least area."""
LIGHTER = (-12, 8, 22)
"""How much lighter than the skin its pixels are at least, in red, green and blue of 255: skin has least blue."""
BAR_BLUE = 40
"""And all of them on average, in blue."""
BAR_SATURATION = 50
"""Most range over the channels: bars are white or grey."""
BAR_CONTRAST, BAR_UNLIKE = 60.0, 70.0
"""Least distance in RGB from the skin, and most from the face mask's nearest colour."""

PIECE_REACH = 10.0
"""How far a piece may reach that adjoins the map."""
PIECE_FROM = 2.0
"""What is nearer is filled anyway (`occlusion.seam`)."""
PIECE_CONTRAST, PIECE_UNLIKE, PIECE_RATIO = 50.0, 50.0, 0.7
"""As for bars; and how much nearer its colour is to the face mask's than to the skin's."""
MOST_GROWN = 0.08
"""Share of the map above which what was found is something else, a scarf or a collar of the mask's colour."""


def grown(masked: Tensor, occlusion: Tensor) -> Tensor:
    """The occlusion together with what is left of the face mask near it.

    Args:
        masked: (3,H,W) in [-1,1].
        occlusion: (1,H,W) of 0 and 1.
    Returns:
        (1,H,W) of 0 and 1; `occlusion` itself where nothing was found.
    """
    region = occlusion[0].cpu().numpy() > 0.5
    if not region.any():
        return occlusion
    found = _remnants(to_uint8(masked), region)
    if not found.any() or found.sum() > MOST_GROWN * region.sum():
        return occlusion
    return torch.from_numpy((region | found).astype(np.float32))[None]


def _remnants(picture: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(H,W,3) uint8, (H,W) bool -> (H,W) bool, outside the region."""
    import cv2

    scale = len(region) / 256.0
    away = cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / scale
    unknown = away <= FILLED_AROUND
    if unknown.all():
        return np.zeros_like(region)
    change = picture.astype(int) - _skin(picture, unknown, scale)
    colours = _colours(picture, region, scale)
    bars = _bars(picture, change, colours, _above(region, away, scale), scale)
    return (bars | _pieces(picture, change, colours, region, away)) & ~region


def _skin(picture: np.ndarray, unknown: np.ndarray, scale: float) -> np.ndarray:
    """(H,W,3) int: the local median, `unknown` pixels taken to be as the nearest known one."""
    import cv2

    kind = cv2.DIST_LABEL_PIXEL
    _, labels = cv2.distanceTransformWithLabels(unknown.astype(np.uint8), cv2.DIST_L2, 5, labelType=kind)
    place = np.zeros(labels.max() + 1, int)
    place[labels[~unknown]] = np.flatnonzero(~unknown)
    filled = picture.reshape(-1, 3)[place[labels]].reshape(picture.shape)
    return cv2.medianBlur(filled, round(SKIN_WINDOW * scale) | 1).astype(int)


def _colours(picture: np.ndarray, region: np.ndarray, scale: float) -> np.ndarray:
    """(K,3) float: the face mask's main colours near its border."""
    import cv2

    depth = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / scale
    pixels = picture[region & (depth <= BAND)].astype(np.float32)
    pixels = pixels[:: max(1, len(pixels) // 2000)]
    count = min(COLOURS, len(pixels))
    cv2.setRNGSeed(0)
    ends = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    return cv2.kmeans(pixels, count, np.empty(0), ends, 1, cv2.KMEANS_PP_CENTERS)[2]


def _above(region: np.ndarray, away: np.ndarray, scale: float) -> np.ndarray:
    """(H,W) bool: near the map, and above it in its column."""
    top = np.where(region.any(0), region.argmax(0), -1)
    height = (top[None] - np.arange(len(region))[:, None]) / scale
    return (away > 0) & (away <= BAR_REACH) & (top[None] >= 0) & (height > 0) & (height <= 1.5 * BAR_REACH)


def _bars(picture: np.ndarray, change: np.ndarray, colours: np.ndarray, where: np.ndarray, scale: float) -> np.ndarray:
    """Flat light pieces of the face mask's colours."""
    import cv2

    light = where & (change >= LIGHTER).all(-1) & (np.ptp(picture.astype(int), axis=-1) < BAR_SATURATION)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(light.astype(np.uint8), connectivity=8)
    found = np.zeros_like(where)
    for index in range(1, count):
        _, _, width, height, area = facts[index]
        if height > BAR_HEIGHT * scale or width < BAR_SHAPE * height or area < BAR_AREA * scale**2:
            continue
        piece = labels == index
        contrast, unlike = change[piece].mean(0), _distance(picture[piece].mean(0)[None], colours)[0]
        strong = contrast[2] >= BAR_BLUE and np.linalg.norm(contrast) >= BAR_CONTRAST
        if strong and unlike <= BAR_UNLIKE and unlike < np.linalg.norm(contrast):
            found |= piece
    return found


def _pieces(
    picture: np.ndarray, change: np.ndarray, colours: np.ndarray, region: np.ndarray, away: np.ndarray
) -> np.ndarray:
    """What adjoins the map and has the face mask's colours rather than the skin's."""
    import cv2

    rows, columns = np.nonzero((away > 0) & (away <= PIECE_REACH))
    contrast = np.linalg.norm(change[rows, columns], axis=-1)
    unlike = _distance(picture[rows, columns], colours)
    own = (unlike <= PIECE_UNLIKE) & (contrast >= PIECE_CONTRAST) & (unlike < PIECE_RATIO * contrast)
    found = np.zeros_like(region)
    found[rows[own], columns[own]] = True
    two = np.ones((2, 2), np.uint8)
    core = cv2.erode(found.astype(np.uint8), two, anchor=(1, 1))
    found = cv2.dilate(core, two, anchor=(0, 0)) > 0  # opened; OpenCV's own opening moves by a pixel
    _, labels = cv2.connectedComponents((found | region).astype(np.uint8), connectivity=8)
    return found & np.isin(labels, np.unique(labels[region])) & (away > PIECE_FROM)


def _distance(pixels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """(N,3) -> (N,), in RGB to the nearest of the colours."""
    return np.linalg.norm(pixels[:, None].astype(np.float32) - colours[None], axis=-1).min(1)
