"""The interface of methods with weights of their own, which a training loop drives without knowing them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn

from unmask.config import TrainedMethodConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces, Pairing, Reconstruction, StepCallback, TrainingBatch
from unmask.methods.base import Method, MethodContext
from unmask.methods.checkpoints import load_generator

Update = Callable[[str, Tensor], None]
"""``update(name, loss)``: one step of the optimiser called `name` down the gradient of a scalar loss."""


class TrainedMethod(Method, ABC):
    """A feed-forward network from masked to clean pictures, and how it is trained.

    Everything to be restored when a training is resumed is in ``state_dict()``.

    Constructors take the method's schema and a seed, from which fresh weights derive.
    """

    pairing: ClassVar[Pairing]
    """What its training batches are."""
    stride: int
    """Heights and widths of pictures must be multiples of this."""

    @classmethod
    def build(cls, config: TrainedMethodConfig, context: MethodContext) -> TrainedMethod:
        """With fresh weights, or those of `method.checkpoint` in the generator.

        Raises:
            UnmaskError: `data.resolution` or the checkpoint does not fit the networks.
        """
        method = cls(config, context.seed)
        check_size(context.resolution, method.stride, "data.resolution")
        if config.checkpoint is not None:
            load_generator(method.generator, config.checkpoint, config)
        return method

    @property
    @abstractmethod
    def generator(self) -> nn.Module:
        """The network that unmasks: what is saved to be used, and averaged over steps if wished."""

    @abstractmethod
    def networks(self) -> Mapping[str, Sequence[nn.Module]]:
        """The trained networks by the name of their optimiser."""

    @abstractmethod
    def training_step(self, batch: TrainingBatch, update: Update) -> dict[str, Tensor]:
        """Update every network once.

        Returns:
            Named scalar losses, detached, by the reference programs' names; as they were before the updates.
        """

    @abstractmethod
    def generate(self, faces: Faces) -> Tensor:
        """The clean pictures (B,3,H,W) in [-1,1]; called in evaluation mode and without gradients."""

    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        # Networks compiled for training would be compiled again for evaluation, at other sizes.
        with evaluating(self), torch.no_grad(), torch.compiler.set_stance("force_eager"):
            return Reconstruction(faces.ids, self.generate(faces).clamp(-1, 1))


def check_size(size: int, stride: int, key: str) -> None:
    """Raise an UnmaskError that names `key` unless pictures of `size` pixels fit the network."""
    if size % stride:
        raise UnmaskError(
            f"{key}={size} must be a multiple of {stride} for this network (method.depth, method.blocks)."
        )


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """In evaluation mode for a while: no dropout, gathered statistics."""
    before = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(before)


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Let gradients through these networks, but none into their weights."""
    for module in modules:
        module.requires_grad_(False)
    try:
        yield
    finally:
        for module in modules:
            module.requires_grad_(True)


def apply(network: nn.Module, images: Tensor) -> Tensor:
    """The network's output in the precision of its input, so that losses are not computed in bf16."""
    weights = next(network.parameters())
    return network(images.to(weights.dtype)).to(images.dtype)
