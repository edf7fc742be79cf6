"""Pictures that `train_occlusion.py` learns from: masks of any shape and colour on faces, and what photographs suffer.

Pictures are (SIZE,SIZE,3) float32 RGB in [0,1] here and labels (SIZE,SIZE) float32, the share of a pixel that a face
mask covers. Lengths are in shares of SIZE. Everything random comes from the generator that is passed.
"""

from __future__ import annotations

import colorsys
from dataclasses import replace

import cv2
import numpy as np

from occlusion_kinds import printed
from unmask.data.facemask import FaceShape
from unmask.occlusion.network import SIZE

FINER = 4
"""Edges are drawn on a canvas this many times finer."""
Picture = np.ndarray
Random = np.random.Generator


def lowered(face: FaceShape, random: Random) -> FaceShape:
    """The face as a mask sees it that is worn too low: under the nose, or under the mouth."""
    down = face.contour[16] - face.bridge[2]
    top = face.bridge[2] + down * random.uniform(0.05, 0.6)
    axis = face.bridge[2] - face.bridge[0]
    # fit_outline hangs the upper edge between the second and the third point of the ridge
    bridge = np.stack([top - axis, top - 0.03 * axis, top + 0.03 * axis, top + 0.2 * axis])
    start = random.uniform(0.0, 7.0)
    places = np.concatenate([np.linspace(start, 16, 17), np.linspace(16, 32 - start, 17)[1:]])
    indices = np.arange(33)
    contour = np.stack([np.interp(places, indices, face.contour[:, axis]) for axis in (0, 1)], 1)
    return replace(face, contour=contour, bridge=bridge)


def flat_mask(clean: Picture, face: FaceShape, texture: Picture, random: Random) -> tuple[Picture, np.ndarray]:
    """A mask unlike the project's renderer's: another outline, any colours, bands or none."""
    polygon = _outline(face, random)
    alpha = _fill(polygon)
    albedo = cloth_of(texture, random) * _folds(polygon, random)[..., None]
    if random.random() < 0.3:
        albedo = albedo * _centre_seam(polygon, random)[..., None]
    light = cv2.GaussianBlur(clean.mean(2), (0, 0), 0.05 * SIZE)
    light /= max(float((light * alpha).sum() / max(alpha.sum(), 1)), 0.05)
    albedo = albedo * np.clip(light, 0.5, 1.6)[..., None] ** random.uniform(0, 0.9)
    albedo = _hemmed(albedo, alpha, random)
    masked, label = clean, alpha
    if random.random() < 0.6:
        bands = _bands(polygon, face, random)
        colour = _hue(random) if random.random() < 0.3 else np.full(3, random.choice([0.1, 0.95, 0.95]))
        masked = masked + bands[..., None] * (colour - masked)
        label = np.maximum(label, bands)
    masked = masked + alpha[..., None] * (np.clip(albedo, 0, 1) - masked)
    return masked.astype(np.float32), label.astype(np.float32)


def recoloured(masked: Picture, label: np.ndarray, texture: Picture, random: Random) -> Picture:
    """The same mask, with its folds and its light, in another colour or pattern."""
    light = masked.mean(2)
    mean = max(float((light * label).sum() / max(label.sum(), 1)), 0.05)
    shade = np.clip(light / mean, 0.2, 1.6) ** random.uniform(0.5, 1.5)
    cloth = np.clip(_hemmed(cloth_of(texture, random) * shade[..., None], label, random), 0, 1)
    return (masked + label[..., None] * (cloth - masked)).astype(np.float32)


def cut(label: np.ndarray, random: Random) -> np.ndarray:
    """The label without what lies on one side of a line: a chin or a cheek left free."""
    rows, columns = np.nonzero(label > 0.5)
    if len(rows) < 0.003 * SIZE**2:
        return label
    angle = random.uniform(-0.5, 0.5)
    place = np.quantile(rows, random.uniform(0.6, 0.95)), np.median(columns)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    beyond = (y - place[0]) + np.tan(angle) * (x - place[1])
    return (label * np.clip(0.5 - beyond, 0, 1)).astype(np.float32)


def with_distractions(picture: Picture, random: Random) -> Picture:
    """Cloth, blobs and bars of any colour where no face mask is: clothes, hats, signs, glasses."""
    for _ in range(int(random.integers(1, 4))):
        centre = random.uniform(0, SIZE, 2)
        kind = random.random()
        if kind < 0.4:  # clothes: the lower border, as a mask's cloth would look
            top = random.uniform(0.84, 1.0) * SIZE
            polygon = np.array(
                [
                    [0, top + random.uniform(-0.08, 0.08) * SIZE],
                    [SIZE / 2, top],
                    [SIZE, top],
                    [SIZE, 1.2 * SIZE],
                    [0, 1.2 * SIZE],
                ]
            )
        elif kind < 0.6:  # hat or hair band
            low = random.uniform(0.05, 0.22) * SIZE
            polygon = np.array(
                [[0, low], [SIZE / 2, low - random.uniform(-0.04, 0.08) * SIZE], [SIZE, low], [SIZE, -9], [0, -9]]
            )
        else:
            side = centre[0] < SIZE / 2
            centre[0] = random.uniform(0, 0.14) * SIZE if side else random.uniform(0.86, 1) * SIZE
            angle = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(4, 10))))
            reach = random.uniform(0.03, 0.16) * SIZE * random.uniform(0.6, 1.2, len(angle))
            polygon = centre + np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None]
        alpha = _fill(polygon)
        colour = _pattern(_hue(random), random) * _folds(polygon, random)[..., None]
        picture = picture + alpha[..., None] * (np.clip(colour, 0, 1) - picture)
    return picture.astype(np.float32)


def moved(picture: Picture, label: np.ndarray, random: Random) -> tuple[Picture, np.ndarray]:
    """Both turned, scaled, shifted and mirrored alike; one picture in six as if it were not aligned."""
    loose = random.random() < 1 / 6
    scale = random.uniform(0.5, 1.3) if loose else random.uniform(0.88, 1.14)
    angle = random.normal(0, 12 if loose else 5)
    matrix = np.asarray(cv2.getRotationMatrix2D((SIZE / 2 - 0.5, SIZE / 2 - 0.5), angle, scale), np.float64)
    matrix[:, 2] += random.normal(0, 0.08 if loose else 0.024, 2) * SIZE
    if random.random() < 0.5:
        matrix = matrix @ np.array([[-1, 0, SIZE - 1], [0, 1, 0], [0, 0, 1]])
    border = cv2.BORDER_REPLICATE  # a mirrored face mask would teach that they grow on necks
    picture = cv2.warpAffine(picture, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=border)
    return picture, cv2.warpAffine(label, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=border)


def photographed(picture: Picture, random: Random) -> np.ndarray:
    """Light, colour, blur, noise and JPEG of a photograph -> (SIZE,SIZE,3) uint8."""
    if random.random() < 0.7:
        picture = (picture - 0.5) * random.uniform(0.7, 1.35) + 0.5 + random.normal(0, 0.08)
        picture = picture * random.uniform(0.85, 1.15, 3).astype(np.float32)
    if random.random() < 0.2:
        picture = picture.mean(2, keepdims=True) + random.uniform(0, 1) * (picture - picture.mean(2, keepdims=True))
    picture = np.clip(picture, 0, 1)
    if random.random() < 0.3:
        picture = picture ** random.uniform(0.6, 1.7)
    if random.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.0015, 0.006) * SIZE)
    if random.random() < 0.3:
        picture = picture + random.standard_normal(picture.shape, np.float32) * random.uniform(0.005, 0.04)
    levels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if random.random() < 0.5:
        quality = int(random.integers(35, 96))
        coded = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        levels = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return levels


def _outline(face: FaceShape, random: Random) -> np.ndarray:
    """(N,2) polygon in pixels: along the jaw, or a rounded box over the mouth."""
    chin, nose = face.contour[16], face.bridge[2]
    low = random.random() < 0.35  # worn wrongly
    places = face.bridge[1] + (face.bridge[3] - face.bridge[1]) * random.uniform(-0.3, 0.9)
    top = nose + (chin - nose) * random.uniform(0.1, 0.6) if low else places
    if random.random() < 0.6:
        corner = random.uniform(3, 9) if low else random.uniform(1.5, 6)
        indices = np.linspace(32 - corner, corner, 25)
        jaw = np.stack([np.interp(indices, np.arange(33), face.contour[:, axis]) for axis in (0, 1)], 1)
        centre = face.contour.mean(0)
        slack = 1 + random.uniform(-0.03, 0.12) * np.sin(np.linspace(0, np.pi, 25)) ** random.uniform(0.3, 2)
        jaw = centre + (jaw - centre) * slack[:, None]
        share = np.linspace(0, 1, 21)[1:-1, None]
        line = jaw[-1] * (1 - share) + jaw[0] * share
        bow = (np.sin(np.pi * share) ** random.uniform(0.5, 3)) * (top - (jaw[0] + jaw[-1]) / 2)
        polygon = np.concatenate([jaw, line + bow])
    else:
        bottom = chin + (chin - nose) * random.uniform(-0.25, 0.3)
        centre, height = (top + bottom) / 2, np.linalg.norm(bottom - top)
        width = face.width * random.uniform(0.55, 0.95)
        angle = np.linspace(0, 2 * np.pi, 49)[:-1]
        power = random.uniform(0.3, 1.0)
        x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power * width / 2
        y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power * height / 2
        x = x * (1 + random.uniform(-0.2, 0.1) * y / height)
        y = y - random.uniform(-0.06, 0.15) * height * (1 - (2 * x / width) ** 2) * (y < 0)
        across = np.array([face.down[1], -face.down[0]])
        polygon = centre + x[:, None] * across + y[:, None] * face.down
    turn = cv2.getRotationMatrix2D((float(nose[0]), float(nose[1])), random.normal(0, 3), random.uniform(0.94, 1.06))
    return np.asarray(polygon @ turn[:, :2].T + turn[:, 2] + random.normal(0, 0.008, 2) * SIZE)


def _fill(polygon: np.ndarray) -> np.ndarray:
    """(SIZE,SIZE) coverage of a polygon, with soft edges."""
    canvas = np.zeros((FINER * SIZE, FINER * SIZE), np.uint8)
    cv2.fillPoly(canvas, [np.rint(FINER * polygon + (FINER - 1) / 2).astype(np.int32)], 255)
    return np.asarray(cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255)


def _bands(polygon: np.ndarray, face: FaceShape, random: Random) -> np.ndarray:
    """(SIZE,SIZE) coverage of the ear loops."""
    canvas = np.zeros((FINER * SIZE, FINER * SIZE), np.uint8)
    thickness = max(2, round(FINER * face.width * random.uniform(0.008, 0.02)))
    for sign, ear in ((-1, face.contour[0]), (1, face.contour[-1])):
        side = polygon[np.argsort(sign * polygon[:, 0])[-8:]]
        upper, lower = side[side[:, 1].argmin()], side[side[:, 1].argmax()]
        out = ear + np.array([sign * random.uniform(0, 0.12), random.uniform(-0.1, 0.15)]) * face.width
        t = np.linspace(0, 1, 25)[:, None]
        middle = 1.5 * out - 0.25 * (upper + lower)  # the curve passes near `out`
        curve = (1 - t) ** 2 * upper + 2 * t * (1 - t) * middle + t**2 * lower
        cv2.polylines(canvas, [np.rint(FINER * curve + (FINER - 1) / 2).astype(np.int32)], False, 255, thickness)
    return np.asarray(cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255)


def _hue(random: Random) -> np.ndarray:
    """A colour of cloth: any, but greys, white and black often."""
    saturation = random.uniform(0, 0.12) if random.random() < 0.35 else random.uniform(0.1, 1)
    return np.array(colorsys.hsv_to_rgb(random.random(), saturation, random.uniform(0.06, 1.0)), np.float32)


def cloth_of(texture: Picture, random: Random, pale: float = 0.0) -> Picture:
    """(SIZE,SIZE,3) cloth of any colour: plain, woven or printed; now and then black, white, or the colour of skin.

    Args:
        texture: any picture, part of which is printed now and then.
        pale: how often it is white or grey and plain, as a share.
    """
    if random.random() < pale:
        return np.broadcast_to(np.float32(random.uniform(0.6, 1.0)), (SIZE, SIZE, 3)) * _tint(random)
    kind = random.random()
    if kind < 0.14:  # black
        return np.broadcast_to(np.float32(random.uniform(0.02, 0.16)), (SIZE, SIZE, 3)) * _tint(random)
    if kind < 0.2:  # white
        return np.broadcast_to(np.float32(random.uniform(0.8, 1.0)), (SIZE, SIZE, 3)) * _tint(random)
    if kind < 0.24:  # skin
        tone = random.uniform(0.35, 0.95) * np.array([1.0, random.uniform(0.7, 0.85), random.uniform(0.55, 0.75)])
        return np.broadcast_to(tone.astype(np.float32), (SIZE, SIZE, 3))
    if kind < 0.54:
        return printed(_hue(random), _hue(random), texture, random)
    return _pattern(_hue(random), random)


def _tint(random: Random) -> np.ndarray:
    return random.uniform(0.94, 1.06, 3).astype(np.float32)


def _centre_seam(polygon: np.ndarray, random: Random) -> np.ndarray:
    """(SIZE,SIZE) brightness of a seam down the middle of shaped cloth, one half darker than the other."""
    low, high = polygon.min(0), polygon.max(0)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    down = np.clip((y - low[1]) / max(high[1] - low[1], 1), 0, 1)
    line = (low[0] + high[0]) / 2 + random.normal(0, 0.03) * SIZE
    line = line + random.normal(0, 0.04) * SIZE * np.sin(np.pi * down)
    seam = np.exp(-(((x - line) / (0.01 * SIZE)) ** 2))
    return np.asarray(1 - random.uniform(0, 0.4) * seam + random.uniform(-0.12, 0.12) * np.sign(x - line), np.float32)


def _pattern(colour: np.ndarray, random: Random) -> Picture:
    """(SIZE,SIZE,3) cloth of that colour: plain, striped, dotted, checked or printed."""
    kind = random.random()
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    if kind < 0.5:
        slope = (x / SIZE - 0.5) * random.normal(0, 0.4) + (y / SIZE - 0.5) * random.normal(0, 0.4)
        return np.asarray(colour * (1 + slope)[..., None])
    other = _hue(random)
    period, angle = random.uniform(0.02, 0.16) * SIZE, random.uniform(0, np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    across = -np.sin(angle) * x + np.cos(angle) * y
    if kind < 0.65:
        share = np.cos(2 * np.pi * along / period)
    elif kind < 0.8:
        share = np.cos(2 * np.pi * along / period) * np.cos(2 * np.pi * across / period)
    else:
        coarse = int(random.integers(4, 24))
        share = cv2.resize(
            random.standard_normal((coarse, coarse), np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC
        )
    share = 1 / (1 + np.exp(-(share - random.uniform(-0.5, 0.8)) * random.uniform(2, 15)))
    return np.asarray(colour + share[..., None] * (other - colour))


def _hemmed(cloth: Picture, alpha: np.ndarray, random: Random) -> Picture:
    """Half of all masks have a hem of another colour: all around, or along the upper edge alone."""
    if random.random() < 0.5:
        return cloth
    inside = (alpha > 0.5).astype(np.uint8)
    if random.random() < 0.7:  # from above
        depth = np.cumsum(inside, 0, dtype=np.float32)
    else:
        depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 3), np.float32)
    hem = np.clip(random.uniform(0.008, 0.035) * SIZE + 0.5 - depth, 0, 1) * random.uniform(0.3, 1)
    colour = np.ones(3, np.float32) if random.random() < 0.6 else _hue(random)
    return np.asarray(cloth + hem[..., None] * (colour - cloth), np.float32)


def _folds(polygon: np.ndarray, random: Random) -> np.ndarray:
    """(SIZE,SIZE) brightness of folds across the cloth and of its roundness."""
    low, high = polygon.min(0), polygon.max(0)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    across = np.clip(2 * (x - low[0]) / max(high[0] - low[0], 1) - 1, -1.2, 1.2)
    down = (y - low[1]) / max(high[1] - low[1], 1)
    shade = 1 - random.uniform(0, 0.35) * np.abs(across) ** random.uniform(1.5, 3)
    for _ in range(int(random.integers(0, 5))):
        line = random.uniform(0.1, 0.9) + random.uniform(-0.15, 0.15) * across**2 + random.normal(0, 0.05) * across
        below = (down - line) / random.uniform(0.01, 0.06)
        shade = shade - random.uniform(-0.1, 0.25) * np.exp(-np.maximum(below, 0)) * (below > -0.3)
    return np.asarray(shade)
