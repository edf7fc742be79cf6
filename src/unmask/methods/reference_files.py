"""What a state dict of junyanz/pytorch-CycleGAN-and-pix2pix says of the network it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from torch import Tensor

from unmask.config import TrainedMethodConfig

DROPOUT_SHIFT = (("conv_block.6.", "conv_block.5."), ("conv_block.7.", "conv_block.6."))
"""With dropout the reference's blocks hold their second convolution and norm one place later."""


@dataclass(frozen=True)
class Described:
    """A network as its tensors show it.

    Attributes:
        kind: in words.
        settings: option -> value, as the command line has them; empty for what cannot be loaded.
        obstacle: why it cannot be, a full sentence.
    """

    kind: str
    settings: Mapping[str, Any]
    obstacle: str = ""

    def advice(self, config: TrainedMethodConfig) -> str:
        """What to set instead of the settings that `config` has; never what it has already, unless for another method,
        whose defaults are others."""
        if self.obstacle:
            return self.obstacle
        given = {} if self.settings[""] != config.name else self.settings
        other = {k: v for k, v in self.settings.items() if k not in given or _given(config, k) != v}
        if not other:
            return f"Its settings fit {self.kind}, but its tensors are not those of one: another program's file?"
        return f"It holds {self.kind}: {' '.join(f'method{name}={value}' for name, value in other.items())}."


def as_if_without_dropout(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same names whether residual blocks have a dropout layer; only where they do, anything is renamed.

    Without one, place 6 of a block is a norm, which may have weights too.
    """
    dropout = any(name.endswith("conv_block.6.weight") and tensor.ndim == 4 for name, tensor in state.items())
    if not dropout:
        return dict(state)
    renamed = {}
    for name, tensor in state.items():
        for old, new in DROPOUT_SHIFT:
            if old in name:
                name = name.replace(old, new)
                break
        renamed[name] = tensor
    return renamed


def described(state: Mapping[str, Tensor]) -> Described:
    """The network that a state dict belongs to, by its names and shapes."""
    # Files of PyTorch before 0.4 hold running statistics of instance norm too, but it never has weights.
    batch = any(
        name.endswith("running_mean") and f"{name.removesuffix('running_mean')}weight" in state for name in state
    )
    norm = "batch" if batch else "instance"
    unet, resnet = state.get("model.model.0.weight"), state.get("model.1.weight")
    if unet is not None and unet.ndim == 4:
        depth = sum(1 for name, tensor in state.items() if name.endswith("weight") and tensor.ndim == 4) // 2
        last = state.get("model.model.3.weight")
        made = last.shape[1] if last is not None and last.ndim == 4 else 3
        settings = {
            "": "pix2pix",
            ".ngf": unet.shape[0],
            ".depth": depth,
            ".norm": norm,
            ".input": "visible" if unet.shape[1] == 4 else "masked",
        }
        return Described("a U-Net", settings, _obstacle(unet.shape[1], made, (3, 4)))
    if resnet is not None and resnet.ndim == 4:
        blocks = sum(1 for name in state if name.endswith("conv_block.1.weight"))
        last = state.get(f"model.{max(_places(state), default=0)}.weight")
        made = last.shape[0] if last is not None and last.ndim == 4 else 3
        settings = {"": "cyclegan", ".ngf": resnet.shape[0], ".blocks": blocks, ".norm": norm}
        return Described("a ResNet", settings, _obstacle(resnet.shape[1], made, (3,)))
    return Described("", {}, "It holds no U-Net or ResNet generator of that program (a discriminator's file, perhaps).")


def _given(config: TrainedMethodConfig, name: str) -> Any:
    """What `config` says of an option; None for one that its method lacks."""
    values = {"": config.name} | {f".{key}": value for key, value in vars(config).items()}
    value = values.get(name)
    return value.value if isinstance(value, Enum) else value


def _places(state: Mapping[str, Tensor]) -> list[int]:
    parts = (name.split(".") for name in state)
    return [int(part[1]) for part in parts if len(part) == 3 and part[1].isdigit() and len(part[1]) < 4]


def _obstacle(seen: int, made: int, known: tuple[int, ...]) -> str:
    if seen in known and made == 3:
        return ""
    return (
        f"It turns pictures of {seen} into pictures of {made} channels (input_nc={seen} output_nc={made}); only those "
        "of three, RGB, are supported."
    )
