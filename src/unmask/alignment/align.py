"""A similarity brings a face into FFHQ's frame, although its mouth and chin are hidden.

FFHQ's own recipe (Karras et al. 2019, appendix C) goes by landmarks of the eyes and the mouth, and landmarks under a
face mask are guesses. So a rough frame is laid by the eyes and the size of the face. The project's own network, which
has learnt from faces with drawn masks, moves it to where the recipe would have put it. In a look at that frame the
landmarks are found again: the answer is partly what the recipe makes of them, and mostly what a regression does that
has learnt from known frames.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from unmask.alignment.crop import crop
from unmask.alignment.network import SIZE, FrameNetwork, trained
from unmask.alignment.quad import Quad
from unmask.faceanalysis import MOUTH_CORNERS_106, Detection, landmarks_in
from unmask.images import from_uint8

EYES = (tuple(range(33, 43)), tuple(range(87, 97)))
"""Indices of the landmarks of the eye at the picture's left, and of the other."""
BELOW_EYES = 0.04
"""From between the eyes to the middle of the frame, in sides of the detector's box."""
ROUGH_SIDE = 1.52
"""Side of the rough frame, in sides of a square as large as the detector's box."""
LOOK = 0.75
"""Side of what the network looks at, in sides of the frame: what it learnt from ends at the frame."""
ROUNDS = 2
"""How often the network looks, each time at where it was last."""
RECIPE_SHARE = 0.3
"""Of the recipe in the answer that is had from landmarks."""
LANDMARK_SIZE = 192
"""Side of the pictures that the landmark network looks at, in pixels."""
LANDMARK_SQUARE = Quad(np.array([0.49, 0.54]), np.array([0.51, 0.0]))
"""Where it looks, in the frame: about what the detector's box of an aligned face asks for."""
MIRRORED = torch.tensor([-1.0, 1.0, 1.0, -1.0])
"""What a mirror does to the network's answer."""


def frame_of(photo: np.ndarray, face: Detection) -> Quad:
    """FFHQ's frame of a detected face, with or without a face mask.

    Args:
        photo: (H,W,3) uint8 RGB.
    """
    quad = rough_frame(face)
    for _ in range(ROUNDS):
        quad = moved(quad, correction(trained().network, crop(photo, quad.scaled(LOOK), SIZE)))
    return moved(quad, landmark_answer(*landmark_look(photo, quad)))


def rough_frame(face: Detection) -> Quad:
    """By the eyes and the size of the box, whatever hides the mouth."""
    left, right = (complex(*point) for point in face.points[:2])
    width, height = face.box[2:] - face.box[:2]
    size = math.sqrt(float(max(width, 1.0) * max(height, 1.0)))
    across = right - left
    # eyes in one place have no direction: the picture's own
    direction = across / abs(across) if abs(across) > 0.05 * size else 1.0
    centre = (left + right) / 2 + 1j * direction * BELOW_EYES * size
    half = direction * ROUGH_SIDE * size / 2
    return Quad(np.array([centre.real, centre.imag]), np.array([half.real, half.imag]))


@torch.inference_mode()
def correction(network: FrameNetwork, look: np.ndarray) -> np.ndarray:
    """What the network answers to (SIZE,SIZE,3) uint8, (4,): the mean over the picture and its mirror image."""
    picture = from_uint8(look)
    both = network(torch.stack([picture, picture.flip(-1)]))
    return ((both[0] + both[1] * MIRRORED) / 2).numpy().astype(np.float64)


def moved(quad: Quad, answer: np.ndarray) -> Quad:
    """The frame that the network's answer (4,) leads to; see `FrameNetwork.forward`."""
    half = complex(*quad.half)
    centre = complex(*quad.centre) + half * complex(answer[0], answer[1])
    half *= np.exp(complex(answer[2], answer[3]))
    return Quad(np.array([centre.real, centre.imag]), np.array([half.real, half.imag]))


def landmark_look(photo: np.ndarray, quad: Quad) -> tuple[np.ndarray, np.ndarray]:
    """The 106 landmarks (106,2) seen in a look at the frame, and those seen in its mirror image, as they are there.

    Their unit is half the frame's side, and (0,0) is its middle.
    """
    square = quad.within(LANDMARK_SQUARE)
    look = crop(photo, square, LANDMARK_SIZE)
    seen = landmarks_in(look), landmarks_in(np.ascontiguousarray(look[:, ::-1]))
    side, middle = 2 * LANDMARK_SQUARE.half[0], LANDMARK_SQUARE.centre
    mirrored = np.array([1 - middle[0], middle[1]])
    shares = [(points + 0.5) / LANDMARK_SIZE - 0.5 for points in seen]
    return 2 * (shares[0] * side + middle - 0.5), 2 * (shares[1] * side + mirrored - 0.5)


def landmark_answer(points: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """From what `landmark_look` gives to an answer like the network's, (4,)."""
    known = trained()

    def answer(seen: np.ndarray) -> np.ndarray:
        learnt = known.weight @ seen.ravel() + known.bias
        return RECIPE_SHARE * recipe_answer(seen) + (1 - RECIPE_SHARE) * learnt

    return (answer(points) + answer(mirrored) * MIRRORED.numpy()) / 2


def recipe_answer(points: np.ndarray) -> np.ndarray:
    """FFHQ's recipe on landmarks (106,2) in units of half a frame's side, as an answer (4,)."""
    places = points @ np.array([1, 1j])
    left, right = (places[list(eye)].mean() for eye in EYES)
    mouth = places[list(MOUTH_CORNERS_106)].mean()
    to_mouth = mouth - (left + right) / 2
    half = right - left - 1j * to_mouth
    half *= max(2 * abs(right - left), 1.8 * abs(to_mouth)) / abs(half)
    centre = (left + right) / 2 + 0.1 * to_mouth
    change = np.log(half)
    return np.array([centre.real, centre.imag, change.real, change.imag])
