"""onnxruntime sessions of the face networks, made at first use."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask import weights
from unmask.images import to_uint8


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


def open_session(model: str | bytes, threads: int) -> Any:
    """The session of a network, given as the path of its file or as the file's bytes, on `threads` threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # warnings that a shape differs from the exported one are harmless
    options.log_severity_level = 3
    # weights of 8 bits are unpacked once, not at every run, which takes half the time
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])


@cache
def _session(artifact: str, threads: int) -> tuple[Any, str]:
    session = open_session(str(weights.path(artifact)), threads)
    return session, session.get_inputs()[0].name
