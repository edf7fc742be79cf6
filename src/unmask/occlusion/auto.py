"""Occlusion from the picture alone, by the project's own network."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.alignment import Placement
from unmask.errors import UnmaskError
from unmask.images import resize
from unmask.occlusion.base import FoundOcclusion, OcclusionFinder
from unmask.occlusion.check import doubt_about
from unmask.occlusion.landmarks import locate, locate_in_frame
from unmask.occlusion.network import SIZE, shipped_network

LEAST_CERTAIN = 0.8
"""Least mean probability of a region that is a face mask; beards and lipstick get a hesitant yes now and then."""
LEAST_SHARE = 0.01
"""Share of the picture below which what was found is not a face mask."""
LEAST_PART = 0.1
"""Further regions belong to the face mask if they have at least this share of the largest one's size: a hand or a
strand of hair may divide it."""
NOTHING = "No face mask was found in the picture, so nothing is changed."


@final
class AutoOcclusion(OcclusionFinder):
    """Asks the network, and doubts its answer where it does not fit the landmarks of the face."""

    def find(self, id: str, masked: Tensor, clean: Tensor | None, placement: Placement | None = None) -> FoundOcclusion:
        probability = probabilities(masked)
        region = clean_up(probability)
        occlusion = torch.from_numpy(region.astype(np.float32))[None]
        if not region.any():
            return FoundOcclusion(occlusion, NOTHING)
        try:
            # a picture that was cut out of a photo shows a face, whether it can be detected there again or not
            face = locate(masked) if placement is None else locate_in_frame(masked)
        except UnmaskError as error:
            return FoundOcclusion(occlusion, f"The face mask could not be compared with the face's landmarks: {error}")
        return FoundOcclusion(occlusion, doubt_about(region, probability, face))


@torch.inference_mode()
def probabilities(masked: Tensor) -> np.ndarray:
    """(3,H,W) picture in [-1,1] -> (H,W) float32 in [0,1], how likely a face mask hides the face there."""
    small = resize(masked[None].cpu().float(), SIZE).clamp(-1, 1)
    logits = shipped_network()(small)
    height, width = masked.shape[-2:]
    return (
        F.interpolate(logits, (height, width), mode="bilinear", align_corners=False, antialias=height < SIZE)
        .sigmoid()[0, 0]
        .numpy()
    )


def clean_up(probability: np.ndarray) -> np.ndarray:
    """(H,W) bool: the regions above one half that can be a face mask, without holes; empty where none can.

    A hole is what has no way to the picture's border.
    """
    import cv2

    count, labels, facts, _ = cv2.connectedComponentsWithStats((probability > 0.5).astype(np.uint8), connectivity=8)
    sizes = facts[:, cv2.CC_STAT_AREA].astype(float)
    sizes[0] = 0
    for index in range(1, count):
        left, top, width, height = facts[index, : cv2.CC_STAT_AREA]
        box = np.s_[top : top + height, left : left + width]
        if probability[box][labels[box] == index].mean() < LEAST_CERTAIN:
            sizes[index] = 0
    if sizes.max() < LEAST_SHARE * probability.size:
        return np.zeros(probability.shape, bool)
    region = np.isin(labels, np.flatnonzero(sizes >= LEAST_PART * sizes.max()))
    padded = np.pad(region.astype(np.uint8), 1)
    _, outside = cv2.connectedComponents(1 - padded, connectivity=4)
    return np.asarray((outside != outside[0, 0])[1:-1, 1:-1])
