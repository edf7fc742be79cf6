"""Whom the hidden part should belong to: the face embedding to expect of the whole face, told from its visible part.

Masks cost face networks much of what they go by; networks that map a masked face to the embedding of the bare one give
a part of it back (Boutros et al. 2022, "Self-restrained triplet loss for accurate masked face recognition"). Here the
network of the embedding itself (`unmask.networks.face_embedding`) has learnt to do so, with the hole blanked. What it
expects is a target of the projection: of all mouths that fit the visible pixels, those of such a person.
scripts/train_identity.py trains it; it is another network than the one that evaluates.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import final

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.networks.face_embedding import LOOK, FaceEmbedding
from unmask.tensorfiles import UNREADABLE, read_safetensors

WEIGHTS = Path(__file__).with_name("identity.safetensors")
"""The network that ships with the package."""


@final
class ExpectedIdentity:
    """Pictures with a hole -> embeddings of the whole faces."""

    def __init__(self, network: FaceEmbedding) -> None:
        self.network = network

    def to(self, device: torch.device) -> ExpectedIdentity:
        """The same on `device`."""
        return ExpectedIdentity(self.network.to(device))

    @torch.no_grad()
    def of(self, masked: Tensor, visible: Tensor) -> Tensor:
        """masked (B,3,H,W) in [-1,1], FFHQ-aligned; visible (B,1,H,W), 0 where nothing may be looked at -> (B,128)."""
        return self.network(blanked(masked, visible))

    @staticmethod
    def load(path: Path = WEIGHTS) -> ExpectedIdentity:
        """In float32 on the CPU.

        Raises:
            UnmaskError: the file is missing or holds something else.
        """
        try:
            tensors = {name: value.float() for name, value in read_safetensors(path)[0].items()}
            return ExpectedIdentity(FaceEmbedding.of(tensors))
        except (*UNREADABLE, RuntimeError) as error:
            reason = str(error).splitlines()[0].rstrip(":")
            raise UnmaskError(
                f"{path}: not a network of identities ({reason}); see scripts/train_identity.py."
            ) from error

    def save(self, path: Path, facts: dict[str, object]) -> None:
        """As float16 safetensors, atomically; `facts` say how it was trained."""
        tensors = {name: value.half().contiguous() for name, value in self.network.state_dict().items()}
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata={"facts": json.dumps(facts)})


def blanked(masked: Tensor, visible: Tensor) -> Tensor:
    """(B,3,LOOK,LOOK) pictures, grey where anything hidden would show."""
    seen = 1 - F.adaptive_max_pool2d(1 - visible, LOOK)
    return F.adaptive_avg_pool2d(masked, LOOK) * seen
