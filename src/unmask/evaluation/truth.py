"""What is known of a picture before anybody unmasks it, computed at most once."""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np
import torch

from unmask import faceanalysis
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

    def __init__(self, original: Original, device: torch.device = CPU) -> None:
        self.original = original
        self.device = device

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
        return None if self.clean is None else faceanalysis.main_face(self.clean)[0]

    @cached_property
    def embedding(self) -> np.ndarray:
        """(512,) ArcFace's, of `face`, which is there."""
        assert self.clean is not None and self.face is not None
        return faceanalysis.embed(self.clean, self.face.points)[0]

    @cached_property
    def sface(self) -> np.ndarray:
        """(128,) SFace's embedding of `face`, which is there."""
        assert self.clean is not None and self.face is not None
        return faceanalysis.embed_sface(self.clean, self.face.points)[0]

    @cached_property
    def landmarks(self) -> np.ndarray:
        """(106,2) of `face`, which is there, in pixels."""
        assert self.clean is not None and self.face is not None
        return faceanalysis.landmarks106(self.clean, self.face).points

    @cached_property
    def mouth(self) -> Mouth:
        """Of `face`, which is there."""
        return faceanalysis.mouth_of(self.landmarks)
