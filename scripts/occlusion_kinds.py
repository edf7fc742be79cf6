"""Kinds of face masks and of what lies over and beside them, for `occlusion_pictures.py`, which has the conventions.

Respirators (FFP2, N95) with seams, valve and straps; printed cloth; hands; beards.
"""

from __future__ import annotations

import cv2
import numpy as np

from unmask.data.facemask import FaceShape
from unmask.occlusion.network import SIZE

FINER = 4
"""Edges are drawn on a canvas this many times finer."""
FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)
Picture = np.ndarray
Random = np.random.Generator


def coverage(draw: list[np.ndarray], thickness: float | None = None) -> np.ndarray:
    """(SIZE,SIZE) share of each pixel covered by polygons, or by lines of a `thickness` in pixels, with soft edges."""
    canvas = np.zeros((FINER * SIZE, FINER * SIZE), np.uint8)
    points = [np.rint(FINER * one + (FINER - 1) / 2).astype(np.int32) for one in draw]
    if thickness is None:
        cv2.fillPoly(canvas, points, 255)
    else:
        cv2.polylines(canvas, points, False, 255, max(1, round(FINER * thickness)))
    return np.asarray(cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255)


def printed(colour: np.ndarray, other: np.ndarray, texture: Picture, random: Random) -> Picture:
    """(SIZE,SIZE,3) cloth with something printed on it: checks, dots, flowers, camouflage, a word, a picture.

    Args:
        colour, other: (3,) of the cloth and of the print.
        texture: (SIZE,SIZE,3) any picture, part of which is printed now and then.
    """
    kind = int(random.integers(6))
    cloth: np.ndarray = np.broadcast_to(colour, (SIZE, SIZE, 3)).astype(np.float32)
    if kind == 0:  # checks
        period, angle = random.uniform(0.03, 0.12) * SIZE, random.uniform(0, np.pi)
        y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
        along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
        duty = random.uniform(-0.3, 0.6)
        bars = (np.cos(2 * np.pi * along / period) > duty).astype(np.float32)
        bars = 0.5 * bars + 0.5 * (np.cos(2 * np.pi * across / period) > duty)
        return cloth + cv2.GaussianBlur(bars, (0, 0), 0.6)[..., None] * (other - cloth)
    if kind == 1:  # dots, evenly or anywhere
        step = random.uniform(0.05, 0.14) * SIZE
        centres = np.stack(np.meshgrid(np.arange(0, SIZE, step), np.arange(0, SIZE, step)), -1).reshape(-1, 2)
        centres = centres + random.normal(0, random.choice([0.0, 0.3]) * step, centres.shape)
        shapes = [_star(centre, random.uniform(0.2, 0.4) * step, 0.0, 0, random) for centre in centres]
        return cloth + coverage(shapes)[..., None] * (other - cloth)
    if kind == 2:  # flowers and leaves of several colours
        for _ in range(int(random.integers(2, 5))):
            hue = np.clip(other + random.normal(0, 0.3, 3), 0, 1)
            places = random.uniform(0, SIZE, (int(random.integers(6, 24)), 2))
            size = random.uniform(0.02, 0.07) * SIZE
            petals = int(random.integers(4, 8))
            shapes = [_star(place, size * random.uniform(0.6, 1.4), 0.45, petals, random) for place in places]
            cloth = cloth + coverage(shapes)[..., None] * (hue - cloth)
        return np.asarray(cloth, np.float32)
    if kind == 3:  # camouflage, batik
        for _ in range(int(random.integers(2, 5))):
            coarse = int(random.integers(5, 20))
            field = random.standard_normal((coarse, coarse), np.float32)
            share = cv2.resize(field, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) > random.uniform(0.2, 1.0)
            hue = np.clip(other + random.normal(0, 0.25, 3), 0, 1)
            cloth = cloth + cv2.GaussianBlur(share.astype(np.float32), (0, 0), 0.7)[..., None] * (hue - cloth)
        return np.asarray(cloth, np.float32)
    if kind == 4:  # a word, a logo
        canvas = np.zeros((SIZE, SIZE), np.uint8)
        for _ in range(int(random.integers(1, 4))):
            letters = "".join(random.choice(list("ABCEHKMNORSTUVXZ0123456789&%"), int(random.integers(1, 9))))
            place = (int(random.uniform(0.2, 0.6) * SIZE), int(random.uniform(0.5, 0.9) * SIZE))
            font = int(random.choice(FONTS))
            scale = float(random.uniform(0.3, 1.2) * SIZE / 128)
            cv2.putText(canvas, letters, place, font, scale, 255, int(random.integers(1, 4)), cv2.LINE_AA)
        return cloth + (canvas[..., None] / np.float32(255)) * (other - cloth)
    # a picture: part of any, in its own colours or two
    low = random.uniform(0, 0.5, 2) * SIZE
    side = random.uniform(0.3, 0.5) * SIZE
    part = texture[int(low[0]) : int(low[0] + side), int(low[1]) : int(low[1] + side)]
    part = cv2.resize(np.ascontiguousarray(part), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    part = part[:: int(random.choice([-1, 1])), :: int(random.choice([-1, 1]))]
    if random.random() < 0.5:
        share = np.clip((part.mean(2, keepdims=True) - part.mean()) / (2 * part.std() + 1e-3) + 0.5, 0, 1)
        part = colour + share * (other - colour)
    else:
        part = part[..., random.permutation(3)]
    return np.asarray(part, np.float32)


def _star(centre: np.ndarray, radius: float, depth: float, points: int, random: Random) -> np.ndarray:
    """(N,2) a disc whose edge waves in and out so often, by a share of its radius."""
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    reach = radius * (1 - depth * np.cos(points * angle + random.uniform(0, 6)))
    return centre + np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None]


def respirator(clean: Picture, face: FaceShape, cloth: Picture, random: Random) -> tuple[Picture, np.ndarray]:
    """A stiff mask: cup or folded flat, from high on the nose to below the chin, straps round the head."""
    down, across = face.down, np.array([face.down[1], -face.down[0]])
    if across @ (face.contour[-1] - face.contour[0]) < 0:
        across = -across
    nose, chin = face.bridge[2], face.contour[16]
    top = face.bridge[0] + (nose - face.bridge[0]) * random.uniform(0.25, 0.8)
    bottom = chin + down * face.width * random.uniform(-0.02, 0.12)
    height = float((bottom - top) @ down)
    half = face.width * random.uniform(0.33, 0.52)
    middle = (top + bottom) / 2
    widest, point = random.uniform(0.45, 0.7), random.uniform(0.05, 0.35)
    share = np.linspace(0, 1, 33)
    # from a narrow top over the widest place to the chin
    upper, lower = np.minimum(share / widest, 1), np.maximum((share - widest) / (1 - widest), 0)
    width = half * np.where(
        share < widest,
        point + (1 - point) * np.sin(np.pi / 2 * upper) ** random.uniform(0.6, 1.2),
        np.sqrt(1 - lower ** random.uniform(1.6, 3)),
    )
    axis = top + share[:, None] * (bottom - top)
    polygon = np.concatenate([axis - width[:, None] * across, (axis + width[:, None] * across)[::-1]])
    alpha = coverage([polygon])

    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    u = ((x - middle[0]) * across[0] + (y - middle[1]) * across[1]) / half
    v = ((x - top[0]) * down[0] + (y - top[1]) * down[1]) / height
    shade = 1 - random.uniform(0.1, 0.45) * np.abs(u) ** 2 - random.uniform(0, 0.3) * np.clip(v - 0.5, 0, 1)
    seam = random.random()
    if seam < 0.4:  # folded flat, a vertical seam
        shade = shade - random.uniform(0.05, 0.3) * np.exp(-((u / 0.025) ** 2)) + random.uniform(0, 0.15) * np.sign(u)
    elif seam < 0.8:  # three panels
        for line in (random.uniform(0.25, 0.4), random.uniform(0.6, 0.8)):
            bend = line + random.uniform(-0.12, 0.12) * u**2
            shade = shade - random.uniform(0.05, 0.3) * np.exp(-(((v - bend) / 0.02) ** 2))
            shade = shade + random.uniform(-0.12, 0.12) * (v > bend)
    body = cloth * shade[..., None]
    rim = np.clip(1.6 - cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 3), 0, 1)
    body = body * (1 - random.uniform(0, 0.3) * rim)[..., None]
    if random.random() < 0.35:  # the valve
        place = middle + across * half * random.uniform(-0.55, 0.55) + down * height * random.uniform(-0.1, 0.2)
        radius = face.width * random.uniform(0.06, 0.11)
        disc = coverage([_star(place, radius, random.uniform(0, 0.12), 4, random)])
        tone = np.full(3, random.uniform(0.1, 0.95), np.float32)
        slots = 0.8 + 0.2 * np.sign(np.sin(y * random.uniform(0.8, 2)))
        body = body + disc[..., None] * (tone * slots[..., None] - body)
    masked, label = clean, alpha
    if random.random() < 0.85:  # straps: to the back of the head, or round the ears
        straps = []
        for sign in (-1, 1):
            side = axis[int(random.integers(12, 20))] + sign * half * 0.92 * across
            ear = face.contour[0 if sign < 0 else 32] + sign * across * face.width * random.uniform(0.0, 0.15)
            up = ear - down * face.width * random.uniform(-0.05, 0.3)
            low = ear + down * face.width * random.uniform(0.1, 0.5)
            straps += [np.stack([side, up]), np.stack([side, low])][: int(random.integers(1, 3))]
        bands = coverage(straps, face.width * random.uniform(0.012, 0.03))
        tone = np.array(random.choice([0.95, 0.9, 0.1, 0.75]), np.float32)
        masked = masked + bands[..., None] * (tone - masked)
        label = np.maximum(label, bands)
    masked = masked + alpha[..., None] * (np.clip(body, 0, 1) - masked)
    return masked.astype(np.float32), label.astype(np.float32)


def with_hand(
    picture: Picture, label: np.ndarray, clean: Picture, face: FaceShape, random: Random
) -> tuple[Picture, np.ndarray]:
    """Fingers or a fist before the mask, in the colour of the face; the label is without them."""
    skin = np.median(clean[_disc(face.bridge[1], 0.05 * SIZE)], 0)
    start = face.contour[16] + random.normal(0, 0.15, 2) * SIZE + face.down * 0.25 * SIZE
    towards = face.bridge[3] + (face.contour[16] - face.bridge[3]) * random.uniform(0.1, 1.0)
    towards = towards + random.normal(0, 0.12, 2) * SIZE
    thick = face.width * random.uniform(0.06, 0.11)
    along: np.ndarray = towards - start
    away = np.array([-along[1], along[0]])
    away /= max(float(np.linalg.norm(away)), 1e-6)
    for finger in range(int(random.integers(1, 5))):
        shift = away * thick * 1.05 * (finger - 1.5)
        end = towards + shift + random.normal(0, 0.03, 2) * SIZE
        bend = (start + end) / 2 + shift * 0.5 + random.normal(0, 0.03, 2) * SIZE
        t = np.linspace(0, 1, 13)[:, None]
        curve = (1 - t) ** 2 * (start + shift) + 2 * t * (1 - t) * bend + t**2 * end
        alpha = coverage([curve], thick)
        inner = coverage([curve], thick * 0.5)
        tone = skin * random.uniform(0.8, 1.1)
        colour = tone * (0.78 + 0.3 * cv2.GaussianBlur(inner, (0, 0), 1.0))[..., None]
        picture = picture + alpha[..., None] * (np.clip(colour, 0, 1) - picture)
        label = label * (1 - alpha)
    return picture.astype(np.float32), label.astype(np.float32)


def with_beard(clean: Picture, face: FaceShape, random: Random) -> Picture:
    """Hair on cheeks, chin and below, on which a mask may then be laid."""
    jaw = face.contour[int(random.integers(4, 9)) : int(random.integers(24, 29))]
    below = jaw + face.down * face.width * random.uniform(0.05, 0.5) * np.sin(np.linspace(0, np.pi, len(jaw)))[:, None]
    inner = face.bridge[3] + (jaw - face.bridge[3]) * random.uniform(0.35, 0.8)
    alpha = cv2.GaussianBlur(np.maximum(coverage([np.concatenate([inner, below[::-1]])]), 0), (0, 0), 1.5)
    strands: np.ndarray = random.standard_normal((SIZE, SIZE), np.float32)
    strands = cv2.GaussianBlur(strands, (0, 0), sigmaX=0.6, sigmaY=random.uniform(1.0, 3.0))
    tone = np.array([0.35, 0.27, 0.2], np.float32) * random.uniform(0.2, 1.5) * random.uniform(0.9, 1.1, 3)
    hair = tone * (1 + random.uniform(0.3, 0.9) * strands)[..., None]
    return np.asarray(clean + random.uniform(0.6, 1.0) * alpha[..., None] * (np.clip(hair, 0, 1) - clean), np.float32)


def _disc(centre: np.ndarray, radius: float) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2
    return np.asarray(inside if inside.any() else np.ones_like(inside))
