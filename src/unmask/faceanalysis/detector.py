"""SCRFD: faces as boxes with five points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from unmask.faceanalysis.sessions import pictures, run

STRIDES = (8, 16, 32)
ANCHORS_PER_CELL = 2
DETECTOR_SIZE = 640
"""Side of the square the padded picture is scaled to, in pixels: the size the network was trained for."""


@dataclass(frozen=True)
class Detection:
    """One face.

    Attributes:
        box: (4,) float32, left, top, right, bottom, in pixels of the picture; may reach past its border.
        score: confidence in [0,1].
        points: (5,2) float32 x,y in pixels: the eye at the picture's left, the other eye, tip of the nose,
            the corner of the mouth at the picture's left, the other corner.
    """

    box: np.ndarray
    score: float
    points: np.ndarray


def detect(
    images: Tensor, *, threshold: float = 0.5, padding: float = 0.5, overlap: float = 0.4
) -> tuple[tuple[Detection, ...], ...]:
    """The faces of each picture, most confident first.

    Args:
        images: (B,3,H,W) or (3,H,W) RGB in [-1,1].
        threshold: least confidence.
        padding: black border put around the picture on each side, as a share of its longer side. Without one the
            network misses faces that fill the frame, such as those of FFHQ.
        overlap: two boxes whose intersection over union is larger count as one face.
    Raises:
        UnmaskError: the detector's weights are not there and cannot be fetched.
    """
    return tuple(
        detect_pixels(picture, threshold=threshold, padding=padding, overlap=overlap) for picture in pictures(images)
    )


def main_face(images: Tensor) -> tuple[Detection | None, ...]:
    """The largest face of each picture, or None where there is none; arguments as of `detect`.

    An aligned picture is about one person, and anybody else in it is smaller.
    """
    return tuple(max(faces, key=_area, default=None) for faces in detect(images))


def _area(face: Detection) -> float:
    width, height = face.box[2:] - face.box[:2]
    return float(width * height)


def detect_pixels(
    picture: np.ndarray,
    *,
    threshold: float = 0.5,
    padding: float = 0.5,
    overlap: float = 0.4,
    scale: float | None = None,
) -> tuple[Detection, ...]:
    """The same for one picture (H,W,3) uint8 RGB.

    Args:
        scale: what the picture is scaled by; None: so that it just fits the size the network was trained for.
    """
    import cv2

    height, width = picture.shape[:2]
    border = round(padding * max(height, width))
    if scale is None:
        scale = DETECTOR_SIZE / (max(height, width) + 2 * border)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    offset = round(border * scale)
    canvas = np.zeros((_whole(inner[1] + offset), _whole(inner[0] + offset), 3), np.uint8)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(picture, inner, interpolation=interpolation)
    canvas[offset : offset + inner[1], offset : offset + inner[0]] = scaled
    outputs = run("scrfd", cv2.dnn.blobFromImage(canvas, 1 / 128.0, mean=(127.5, 127.5, 127.5)))
    scores, boxes, points = _decode(outputs, canvas.shape[:2], threshold)
    # back from the canvas to pixels of the picture
    ratio = np.array([inner[0] / width, inner[1] / height], np.float32)
    boxes = ((boxes.reshape(-1, 2, 2) - offset) / ratio).reshape(-1, 4)
    points = (points - offset) / ratio
    kept = suppress(boxes, scores, overlap)
    return tuple(Detection(boxes[i], float(scores[i]), points[i]) for i in kept)


def _whole(length: int) -> int:
    """At least the size the network was trained for, in whole cells of the coarsest level."""
    return max(DETECTOR_SIZE, -(-length // STRIDES[-1]) * STRIDES[-1])


def _decode(
    outputs: list[np.ndarray], size: tuple[int, int], threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (N,), boxes (N,4) and points (N,5,2) in pixels of a canvas of `size` of the anchors above `threshold`.

    Boxes are distances from the anchor's centre to the four sides and points are offsets from it, both in
    strides.
    """
    scores, boxes, points = [], [], []
    for level, stride in enumerate(STRIDES):
        score = outputs[level].reshape(-1)
        distance = outputs[level + 3].reshape(-1, 4) * stride
        offsets = outputs[level + 6].reshape(-1, 5, 2) * stride
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        centres = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(np.float32) * stride
        centres = np.repeat(centres, ANCHORS_PER_CELL, axis=0)
        good = score >= threshold
        scores.append(score[good])
        boxes.append(np.concatenate([centres - distance[:, :2], centres + distance[:, 2:]], axis=1)[good])
        points.append((centres[:, None] + offsets)[good])
    return np.concatenate(scores), np.concatenate(boxes), np.concatenate(points)


def suppress(boxes: np.ndarray, scores: np.ndarray, overlap: float) -> list[int]:
    """Indices that greedy non-maximum suppression keeps, best score first.

    Args:
        boxes: (N,4) left, top, right, bottom.
        scores: (N,).
        overlap: of two boxes whose intersection over union is larger the one with the lower score goes.
    """
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = np.prod(np.maximum(high - low, 0), axis=1)
        union = areas[best] + areas[rest] - common
        order = rest[common <= overlap * np.maximum(union, 1e-9)]
    return kept
