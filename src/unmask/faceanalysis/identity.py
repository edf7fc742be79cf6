"""ArcFace embeddings: how much two pictures show the same person."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from unmask.faceanalysis.sessions import pictures, run

ARCFACE_SIZE = 112
ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)
"""Where the five points belong in the 112x112 crop: x,y in the order of `Detection.points`."""


def embed(images: Tensor, points: np.ndarray) -> np.ndarray:
    """Embeddings (B,512), of unit length, of the faces at `points`.

    Args:
        images: (B,3,H,W) or (3,H,W) RGB in [-1,1].
        points: (B,5,2) or (5,2) x,y in pixels, in the order of `Detection.points`.
    Raises:
        UnmaskError: the network's weights are not there and cannot be fetched.
    """
    vectors = []
    batch = pictures(images)
    for picture, five in zip(batch, points.reshape(-1, 5, 2), strict=True):
        crop = align(picture, five)
        (output,) = run("arcface", ((crop.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None])
        vectors.append(output[0] / np.linalg.norm(output[0]))
    return np.stack(vectors)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two embeddings (512,): 1 the same picture, about 0 strangers."""
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def align(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The (112,112,3) crop of an (H,W,3) uint8 picture in which the five `points` fall on the template."""
    import cv2

    return np.asarray(cv2.warpAffine(picture, similarity(points, ARCFACE_TEMPLATE), (ARCFACE_SIZE, ARCFACE_SIZE)))


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The (2,3) similarity (scale, turn, shift; no mirroring) that takes points (N,2) closest to others
    (N,2).

    With points as complex numbers it is z -> a z + b, so least squares has the closed form below.
    """
    z, w = source @ np.array([1, 1j]), target @ np.array([1, 1j])
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
