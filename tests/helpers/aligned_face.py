"""The landmarks of a face as FFHQ places it."""

from __future__ import annotations

import numpy as np

from unmask.faceanalysis import BRIDGE_106, CONTOUR_106


def aligned_points() -> np.ndarray:
    """(106,2) landmarks of an upright frontal face as FFHQ places it, as shares of the picture's side."""
    points = np.full((106, 2), 0.5, np.float32)
    points[[*range(33, 43), *range(87, 97)], 1] = 0.47
    points[list(range(52, 72)), 1] = 0.70
    angle = np.linspace(np.pi, 0, 33)
    points[list(CONTOUR_106)] = np.stack([0.5 + 0.26 * np.cos(angle), 0.46 + 0.42 * np.sin(angle)], 1)
    points[list(BRIDGE_106)] = np.stack([np.full(4, 0.5), np.linspace(0.48, 0.62, 4)], 1)
    return points
