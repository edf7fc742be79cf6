"""onnxruntime sessions of the face networks, made at first use."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask import weights
from unmask.images import to_uint8
from unmask.onnxmodels.session import open_session


def run(artifact: str, pixels: np.ndarray) -> list[np.ndarray]:
    """Outputs of the network `artifact` for one (1,3,H,W) float32 input, on as many threads as torch uses.

    Raises:
        UnmaskError: the weights are not there and cannot be fetched.
    """
    session, input_name = _session(artifact, torch.get_num_threads())
    outputs: list[np.ndarray] = session.run(None, {input_name: np.ascontiguousarray(pixels, np.float32)})
    return outputs


def pictures(images: Tensor) -> list[np.ndarray]:
    """(B,3,H,W) or (3,H,W) in [-1,1] -> B arrays (H,W,3) uint8 RGB."""
    assert images.ndim in (3, 4), f"expected (B,3,H,W) or (3,H,W), got {tuple(images.shape)}"
    batch = images[None] if images.ndim == 3 else images
    assert batch.shape[1] == 3, f"expected RGB pictures, got {tuple(images.shape)}"
    return [to_uint8(image) for image in batch]


@cache
def _session(artifact: str, threads: int) -> tuple[Any, str]:
    session = open_session(str(weights.path(artifact)), threads=threads)
    return session, session.get_inputs()[0].name
