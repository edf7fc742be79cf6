"""Reads the convolutions out of dlib's published face network, without dlib.

dlib writes a network (dlib/dnn/core.h and layers.h, `serialize`) as a plain stream, input side first: every layer is
its name, the shape of one tensor of numbers, those numbers as little-endian float32, and settings. Nothing in it is
code. Integers are a byte whose low bits count the bytes that follow and whose highest bit is the sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unmask.errors import UnmaskError

CONVOLUTION, SCALE, LINEAR = b"\x01\x05con_4", b"\x01\x07affine_", b"\x01\x04fc_2"
TENSOR_VERSION = 2


@dataclass
class _Stream:
    data: bytes
    position: int

    def integer(self) -> int:
        head = self.data[self.position]
        size = head & 0x0F
        value = int.from_bytes(self.data[self.position + 1 : self.position + 1 + size], "little")
        self.position += 1 + size
        return -value if head & 0x80 else value

    def numbers(self) -> Tensor:
        """The next tensor, flat."""
        if self.integer() != TENSOR_VERSION:
            raise ValueError(f"no tensor at byte {self.position}")
        count = math.prod(self.integer() for _ in range(4))
        values = np.frombuffer(self.data, "<f4", count, self.position)
        self.position += 4 * count
        return torch.from_numpy(values.astype(np.float32))

    def find(self, *names: bytes) -> bytes | None:
        """Go behind the nearest of `names`; None at the end."""
        places = [(place, name) for name in names if (place := self.data.find(name, self.position)) >= 0]
        if not places:
            return None
        place, name = min(places)
        self.position = place + len(name)
        return name


def read_dlib_face_network(path: Path) -> dict[str, Tensor]:
    """dlib_face_recognition_resnet_model_v1.dat -> tensors of `unmask.networks.face_embedding.FaceEmbedding`.

    Returns:
        `convolutions.I.weight` (out,in,k,k) and `.bias`, with the scale and shift that follow each folded in, in the
        order of the stream, and `linear.weight` (128,256); float32.
    Raises:
        UnmaskError: the file is missing, damaged, or another network.
    """
    try:
        stream = _Stream(path.read_bytes(), 0)
        found: dict[str, Tensor] = {}
        index, channels = 0, 3
        while (name := stream.find(CONVOLUTION, SCALE, LINEAR)) is not None:
            if name == CONVOLUTION:
                values = stream.numbers()
                out, height, width = stream.integer(), stream.integer(), stream.integer()
                weight = values[: out * channels * height * width].unflatten(0, (out, channels, height, width))
                bias = values[weight.numel() :]
                channels = out
            elif name == SCALE:
                scale, shift = stream.numbers().chunk(2)
                found[f"convolutions.{index}.weight"] = weight * scale[:, None, None, None]
                found[f"convolutions.{index}.bias"] = bias * scale + shift
                index += 1
            else:
                out, inputs = stream.integer(), stream.integer()
                found["linear.weight"] = stream.numbers().unflatten(0, (inputs, out)).T.contiguous()
        if "linear.weight" not in found:
            raise ValueError("its last layer is missing")
    except (OSError, IndexError, ValueError, RuntimeError, UnboundLocalError) as error:
        raise UnmaskError(f"{path}: not dlib's face network ({error}).") from error
    return found
