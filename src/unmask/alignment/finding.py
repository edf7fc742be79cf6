"""Every face of a photo of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unmask.alignment.align import rough_frame
from unmask.alignment.crop import crop
from unmask.faceanalysis.detector import DETECTOR_SIZE, Detection, detect_pixels, suppress

PADDINGS = (0.5, 0.25, 0.0)
"""The detector looks at the whole photo with each of these borders: with a wide one it finds faces that fill the photo,
with none the smaller ones."""
FINEST = (0.8, 1.6)
"""Scale of the finest look at a photo, least and most. At 0.8 faces of 48 pixels are 38; of those of 45 the detector
misses one in sixty with a mask, of those of 30 one in ten."""
MOST_PIXELS = 6e6
"""Of the detector's picture, where the finest look is finer than the least."""
STEP = 2.5
"""Each look's scale over that of the one before."""
TILE = 2016
"""Most pixels a side of the detector's picture; large photos are looked at in tiles."""
OVERLAP = 160
"""Of neighbouring tiles, in pixels of the detector's picture. What is larger is found at the coarser scale, where it is
still 64."""
EDGE = 4.0
"""A box this near the edge between tiles, in pixels of the detector's picture, is that of a face cut in two."""
CANDIDATE = 0.2
"""Score above which a second look decides: the best score of a small or turned face with a mask can be as low."""
SURE = 0.65
"""Score above which none is needed."""
CONFIRMED = 0.5
"""Score that the second look must give."""
LOOKS = (1.0, 1.6)
"""Sides of the second look, in sides of the face's rough frame."""
LOOK_SIZE = 320
"""The same in pixels."""
VIEWS = 5
"""Most views of one face that get a second look."""
SAME = 0.4
"""Intersection over union above which two boxes are those of one face."""
INSIDE = 0.7
"""Share of the smaller box in the larger one above which the two are those of one face."""


def find_faces(photo: np.ndarray) -> tuple[Detection, ...]:
    """The faces of a photo, most confident first.

    Args:
        photo: (H,W,3) uint8 RGB.
    Raises:
        UnmaskError: the detector's weights are not there and cannot be fetched.
    """
    halved = _halved(photo)
    seen = [face for look in _looks(photo.shape[0], photo.shape[1]) for face in _seen(photo, halved, look)]
    faces = [one for face in _distinct(seen) if (one := _confirmed(photo, face, seen)) is not None]
    return tuple(sorted(faces, key=lambda face: -face.score))


def _confirmed(photo: np.ndarray, face: Detection, seen: list[Detection]) -> Detection | None:
    """The face, if it is sure or some view of it is confirmed by a second look; its box is then that view's."""
    if face.score >= SURE:
        return face
    views = sorted((one for one in seen if _inside(one.box, face.box) >= INSIDE), key=lambda one: -one.score)
    best = max(((_second_look(photo, view), index) for index, view in enumerate(views[:VIEWS])), default=(0.0, 0))
    if max(best[0], face.score) < CONFIRMED:
        return None
    view = views[best[1]] if best[0] > face.score else face
    return Detection(view.box, max(best[0], face.score), view.points)


@dataclass(frozen=True)
class _Look:
    """A part of the photo, x from `left` to `right`, y from `top` to `bottom`, scaled, with a border of `padding`."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float
    padding: float = 0.0


def _looks(height: int, width: int) -> Iterator[_Look]:
    """The whole photo with each padding, then tiles at ever finer scales."""
    scale = DETECTOR_SIZE / max(height, width)
    for padding in PADDINGS:
        yield _Look(0, 0, width, height, scale / (1 + 2 * padding), padding)
    least, most = FINEST
    finest = float(np.clip(np.sqrt(MOST_PIXELS / (height * width)), least, most))
    while scale < finest:
        scale = min(STEP * scale, finest)
        for top, bottom in _spans(height, scale):
            for left, right in _spans(width, scale):
                yield _Look(left, top, right, bottom, scale)


def _spans(length: int, scale: float) -> list[tuple[int, int]]:
    """As few equal spans as cover 0 to `length`, each overlapping the next, of at most a tile at `scale`."""
    most, overlap = TILE / scale, OVERLAP / scale
    count = max(1, int(np.ceil((length - overlap) / (most - overlap))))
    side = (length + (count - 1) * overlap) / count
    starts = [index * (side - overlap) for index in range(count)]
    return [(round(start), min(round(start + side), length)) for start in starts]


def _halved(photo: np.ndarray) -> np.ndarray:
    import cv2

    size = (max(1, photo.shape[1] // 2), max(1, photo.shape[0] // 2))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA))


def _seen(photo: np.ndarray, halved: np.ndarray, look: _Look) -> Iterator[Detection]:
    """The faces of one look, in pixels of the photo, without those that it cuts."""
    part = photo[look.top : look.bottom, look.left : look.right]
    scale, ratio = look.scale, 1.0
    if scale < 0.5 and part.shape == photo.shape:  # all of a large photo: half of it is quicker to shrink
        part, scale, ratio = halved, photo.shape[1] / halved.shape[1] * look.scale, photo.shape[1] / halved.shape[1]
    margin = EDGE / look.scale
    inner = (
        look.left + margin if look.left else -np.inf,
        look.top + margin if look.top else -np.inf,
        look.right - margin if look.right < photo.shape[1] else np.inf,
        look.bottom - margin if look.bottom < photo.shape[0] else np.inf,
    )
    for face in detect_pixels(part, threshold=CANDIDATE, padding=look.padding, scale=scale):
        box = face.box * ratio + np.array([look.left, look.top] * 2, np.float32)
        if box[0] > inner[0] and box[1] > inner[1] and box[2] < inner[2] and box[3] < inner[3]:
            yield Detection(box, face.score, face.points * ratio + np.array([look.left, look.top], np.float32))


def _distinct(faces: list[Detection]) -> list[Detection]:
    """One of each face, the one with the best score."""
    if not faces:
        return []
    boxes, scores = np.stack([face.box for face in faces]), np.array([face.score for face in faces])
    kept: list[Detection] = []
    for index in suppress(boxes, scores, SAME):
        if all(_inside(faces[index].box, other.box) < INSIDE for other in kept):
            kept.append(faces[index])
    return kept


def _inside(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection of two boxes over the area of the smaller one."""
    common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return float(common / max(min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2])), 1e-9))


def _second_look(photo: np.ndarray, face: Detection) -> float:
    """The best score of the same face where it stands upright and fills the picture."""
    frame, best = rough_frame(face), 0.0
    for factor in LOOKS:
        look = crop(photo, frame.scaled(factor), LOOK_SIZE)
        for padding in PADDINGS[:2]:
            for found in detect_pixels(look, threshold=CANDIDATE, padding=padding):
                middle = (found.box[:2] + found.box[2:]) / 2
                size = float(np.sqrt(max(np.prod(found.box[2:] - found.box[:2]), 0)))
                beside = float(np.abs(middle - LOOK_SIZE / 2).max())
                # the box of a face is about two thirds of its frame
                if beside < 0.25 * LOOK_SIZE / factor and 0.4 < size * factor / LOOK_SIZE < 1.1:
                    best = max(best, found.score)
    return best
