"""The convolutions of a computation alone: the floor that benchmarks hold it against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

NAMES = {
    F.conv2d: ("bias", "stride", "padding", "dilation", "groups"),
    F.conv_transpose2d: ("bias", "stride", "padding", "output_padding", "groups", "dilation"),
}
"""What follows input and weight, in order."""


@dataclass(frozen=True)
class Convolution:
    """One call on an input of its own; `settings` are what follows input and weight."""

    kind: Any
    input: Tensor
    weight: Tensor
    settings: dict[str, Any]
    gradient: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gradient", torch.randn_like(self.forward()))

    def forward(self) -> Tensor:
        return self.kind(self.input, self.weight, **self.settings)

    def forward_and_backward(self) -> None:
        """To whatever of input and weight needs a gradient."""
        leaves = [leaf for leaf in (self.input, self.weight) if leaf.requires_grad]
        torch.autograd.grad(self.forward(), leaves, self.gradient)

    @property
    def gflop(self) -> float:
        """Of the forward pass."""
        pictures = self.gradient if self.kind is F.conv2d else self.input
        return 2e-9 * pictures.numel() * self.weight[0].numel()


class RecordConvolutions(TorchFunctionMode):
    """Notes every convolution called while it is active, on random inputs in channels_last.

    Biases are left out, which cost nothing worth counting. Gradients are asked for where the call needed them.
    """

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.found: list[Convolution] = []
        self._dtype = dtype

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in NAMES:
            settings = {**dict(zip(NAMES[func], args[2:], strict=False)), **kwargs}
            settings.pop("bias", None)
            self.found.append(Convolution(func, self._like(args[0]), self._like(args[1]), settings))
        return func(*args, **kwargs)

    def _like(self, tensor: Tensor) -> Tensor:
        made = torch.randn(tensor.shape, dtype=self._dtype).to(memory_format=torch.channels_last)
        return made.requires_grad_(tensor.requires_grad)


def run_all(convolutions: list[Convolution]) -> None:
    """One after the other, each forward and backward."""
    for convolution in convolutions:
        convolution.forward_and_backward()
