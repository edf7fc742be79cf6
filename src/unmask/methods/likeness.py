"""An identity term for methods that are trained."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from unmask.networks.face_embedding import FaceEmbedding


@final
class Likeness:
    """Compares whom pictures show, by a network that does not evaluate.

    Not a module, and so no part of what a training optimises or saves.
    """

    def __init__(self, embedding: FaceEmbedding) -> None:
        self.embedding = embedding

    @classmethod
    def pretrained(cls) -> Likeness:
        """With dlib's weights of `unmask.weights`."""
        return cls(FaceEmbedding.pretrained().to(memory_format=torch.channels_last))

    def distance(self, made: Tensor, clean: Tensor) -> Tensor:
        """made, clean (B,3,H,W) in [-1,1], FFHQ-aligned -> (B,): squared distances of their face embeddings."""
        self.embedding.to(made)  # nothing to do after the first call
        with torch.no_grad():
            wanted = self.embedding(clean)
        return (self.embedding(made) - wanted).square().sum(1)
