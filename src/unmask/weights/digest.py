"""The fingerprint of an artifact: what tells whole weights from truncated, corrupted or different ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from unmask.tensorfiles import UNREADABLE, read_safetensors


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and values in the order of the names, as hex.

    Of the numbers, not of the file: the next version of safetensors may lay out the header anew without a
    number having changed.
    """
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)  # numpy lacks bfloat16
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def artifact_digest(path: Path) -> str:
    """`tensors_digest` of a .safetensors file (``"unreadable"`` if damaged), `file_digest` of any other."""
    if path.suffix != ".safetensors":
        return file_digest(path)
    try:
        return tensors_digest(read_safetensors(path)[0])
    except UNREADABLE:
        return "unreadable"
