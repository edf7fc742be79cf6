"""SFace embeddings (Zhong et al. 2021, arXiv:2205.12010): an opinion on identity that no method optimises.

Projections pull at dlib's embedding, and evaluations have used ArcFace's; a method that learnt to please one network
need not please another. The network is that of the OpenCV zoo (MobileFaceNet with the sigmoid-constrained hypersphere
loss), its weights rounded to 8 bits in blocks.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask import weights
from unmask.errors import UnmaskError
from unmask.faceanalysis.identity import align
from unmask.faceanalysis.sessions import pictures
from unmask.onnxmodels.session import open_session

INPUT = "data"
SFACE_BATCH = 32
"""Faces at once; of no influence on the result but for float32's rounding."""


def embed_sface(images: Tensor, points: np.ndarray) -> np.ndarray:
    """Embeddings (B,128), of unit length, of the faces at `points`; compare them by `unmask.faceanalysis.cosine`.

    The crop is the one of ArcFace: 112x112 with the five points on the same template (that of OpenCV's
    FaceRecognizerSF too). The network takes RGB levels 0..255 and begins with (x - 127.5) / 128 itself.

    Args:
        images: (B,3,H,W) or (3,H,W) RGB in [-1,1].
        points: (B,5,2) or (5,2) x,y in pixels, in the order of `Detection.points`.
    Raises:
        UnmaskError: the network's weights are not there and cannot be fetched.
    """
    crops = [align(picture, five) for picture, five in zip(pictures(images), points.reshape(-1, 5, 2), strict=True)]
    return embed_crops(np.stack(crops))


def embed_crops(crops: np.ndarray) -> np.ndarray:
    """Embeddings (B,128), of unit length, of aligned crops (B,112,112,3) uint8 RGB; errors as `embed_sface`."""
    session = _session(torch.get_num_threads())
    levels = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)
    found = [
        session.run(None, {INPUT: levels[start : start + SFACE_BATCH]})[0]
        for start in range(0, len(levels), SFACE_BATCH)
    ]
    vectors = np.concatenate(found)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def feedable(path: Path) -> bytes:
    """The zoo's file with nothing but the picture among its graph's inputs, and any number of pictures at once.

    The zoo lists all weights as inputs too. onnxruntime takes an input that has a value in the file for optional, but
    the names that the float weights had before they were rounded have none, and so it would demand them.

    Raises:
        UnmaskError: the file is no such network.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path))
    except DecodeError as error:
        raise UnmaskError(f"{path}: cannot be read as an ONNX network ({error}).") from error
    wanted = [value for value in model.graph.input if value.name == INPUT]
    if len(wanted) != 1 or len(model.graph.output) != 1:
        raise UnmaskError(f"{path}: is not SFace of the OpenCV zoo (no input {INPUT!r}, or not one output).")
    del model.graph.input[:]
    model.graph.input.extend(wanted)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "pictures"
    return bytes(model.SerializeToString())


@cache
def _session(threads: int) -> Any:
    return open_session(feedable(weights.path("sface")), threads=threads, unpack=True)
