"""What a face shows of the attributes that can be wished: its mouth by landmarks, beard and age by a face embedding.

Networks that know people apart also know their age and beards: a linear map of dlib's embedding
(`unmask.networks.face_embedding`) tells them. It was fitted to the labels of FFHQ faces by scripts/fit_controls.py. The
same map of the embedding to expect behind a face mask (`unmask.projection.identity`) tells what to expect there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unmask import faceanalysis
from unmask.faceanalysis import Detection
from unmask.networks.face_embedding import NUMBERS, FaceEmbedding
from unmask.projection.controls import Controls

TRAITS_PATH = Path(__file__).with_name("traits.safetensors")
"""The linear map that ships with the package: beard and age by embedding, in the format of `Controls`."""
OF_THE_MOUTH = ("mouth_open", "smile")
"""Measured by landmarks."""
BOX = (0.2, 0.2, 0.78, 0.88)
"""Left, top, right and bottom of an FFHQ-aligned face as shares of the picture's side, where no face is found."""


@dataclass(frozen=True)
class Traits:
    """
    Attributes:
        by_embedding: attributes as linear functions of an embedding.
        embedding: makes the network at first use.
    """

    by_embedding: Controls
    embedding: Callable[[], FaceEmbedding]

    @torch.no_grad()
    def measure(self, picture: Tensor, names: tuple[str, ...], face: Detection) -> Tensor:
        """Attributes `names` (m,) of a picture (1,3,H,W) in [-1,1], FFHQ-aligned, in float32 on the CPU.

        Args:
            face: where in the picture it is; see `face_in`.
        """
        found: dict[str, float] = {}
        if any(name in OF_THE_MOUTH for name in names):
            mouth = faceanalysis.mouth_of(faceanalysis.landmarks106(picture[0].cpu(), face).points)
            found |= {"mouth_open": mouth.opening, "smile": mouth.smile}
        others = tuple(name for name in names if name not in OF_THE_MOUTH)
        if others:
            embedding = self.embedding()(picture)
            found |= {name: float(self.read(embedding, name)) for name in others}
        return torch.tensor([found[name] for name in names])

    def read(self, embeddings: Tensor, name: str) -> Tensor:
        """The attribute `name` of faces with such embeddings (B,128): (B,), in float32 on the CPU."""
        return self.by_embedding.only((name,)).expected(embeddings.float().cpu())[:, 0]


def load_traits(embedding: Callable[[], FaceEmbedding]) -> Traits:
    """Those that ship, on the CPU; `embedding` makes the network of the embeddings, on any device.

    Raises:
        UnmaskError: the file cannot be read.
    """
    return Traits(Controls.load(TRAITS_PATH, NUMBERS), embedding)


def face_in(picture: Tensor) -> Detection:
    """Where the aligned face of a picture (1,3,H,W) is."""
    (found,) = faceanalysis.main_face(picture.cpu())
    return found or usual_face(picture.shape[-1])


def usual_face(side: int) -> Detection:
    """Where aligned faces are, in a picture of so many pixels: near enough for landmarks."""
    return Detection(np.array(BOX) * side, 1.0, np.zeros((5, 2)))
