"""What is known of a picture before anybody unmasks it, computed at most once."""

from __future__ import annotations

from functools import cached_property, partial
from typing import final

import numpy as np
import torch

from unmask import faceanalysis
from unmask.evaluation.facts import Facts
from unmask.evaluation.lpips import Features, lpips_features
from unmask.faceanalysis import Detection, Mouth
from unmask.faces import Original
from unmask.images import from_uint8, to_uint8

CPU = torch.device("cpu")


@final
class Truth:
    """An original, the measures of its clean picture, and the device on which networks of torch run.

    `clean` is rounded to 8 bits, as its file would be.
    """

    def __init__(self, original: Original, device: torch.device = CPU, facts: Facts | None = None) -> None:
        """`facts`: what is known of the clean picture's face already; None: nothing."""
        self.original = original
        self.device = device
        self.facts = Facts(None) if facts is None else facts

    @classmethod
    def remembered(cls, original: Original, device: torch.device = CPU) -> Truth:
        """With the facts that are kept, if any are; those that are found out are kept by ``facts.keep()``."""
        return cls(original, device, None if original.clean is None else Facts.of(original.clean))

    @classmethod
    def of(cls, masked: torch.Tensor, clean: torch.Tensor | None) -> Truth:
        """Of pictures (3,H,W) in [-1,1] that are no files."""
        return cls(Original("", masked, clean))

    @cached_property
    def clean(self) -> torch.Tensor | None:
        """(3,H,W) RGB in [-1,1] on the CPU; None where there is none."""
        clean = self.original.clean
        return None if clean is None else from_uint8(to_uint8(clean))

    @cached_property
    def lpips(self) -> Features:
        """What LPIPS compares of the clean picture, which is there."""
        assert self.clean is not None
        return lpips_features(self.clean[None].to(self.device))

    @cached_property
    def face(self) -> Detection | None:
        """The clean picture's main face; None where there is no face or no picture."""
        if self.clean is None:
            return None
        return _detection(self.facts.get("face", partial(_main_face, self.clean)))

    @cached_property
    def embedding(self) -> np.ndarray:
        """(512,) ArcFace's, of `face`, which is there."""
        assert self.clean is not None and self.face is not None
        clean, points = self.clean, self.face.points
        return self.facts.get("arcface", lambda: faceanalysis.embed(clean, points)[0])

    @cached_property
    def sface(self) -> np.ndarray:
        """(128,) SFace's embedding of `face`, which is there."""
        assert self.clean is not None and self.face is not None
        clean, points = self.clean, self.face.points
        return self.facts.get("sface", lambda: faceanalysis.embed_sface(clean, points)[0])

    @cached_property
    def landmarks(self) -> np.ndarray:
        """(106,2) of `face`, which is there, in pixels."""
        assert self.clean is not None and self.face is not None
        clean, face = self.clean, self.face
        return self.facts.get("landmarks", lambda: faceanalysis.landmarks106(clean, face).points)

    @cached_property
    def mouth(self) -> Mouth:
        """Of `face`, which is there."""
        return faceanalysis.mouth_of(self.landmarks)


def _main_face(picture: torch.Tensor) -> np.ndarray:
    """The picture's main face as numbers (15,): box, score, points; none (0,) where there is no face."""
    (face,) = faceanalysis.main_face(picture)
    if face is None:
        return np.zeros(0)
    return np.concatenate([face.box, [face.score], face.points.ravel()], dtype=np.float64)  # float32 fits in it


def _detection(numbers: np.ndarray) -> Detection | None:
    """The inverse."""
    if not len(numbers):
        return None
    return Detection(numbers[:4].astype(np.float32), float(numbers[4]), numbers[5:].astype(np.float32).reshape(5, 2))
