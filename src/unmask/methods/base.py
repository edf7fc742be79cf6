"""The interface every method implements; methods are abstract or final."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from unmask.faces import Faces, Reconstruction, StepCallback
from unmask.generators.base import Generator
from unmask.shared import Shared


@dataclass(frozen=True)
class MethodContext:
    """What the run offers a method when it is built; a method takes what it needs.

    Attributes:
        device: where to compute.
        resolution: height and width of the pictures, in pixels.
        seed: every random choice of a method derives from it and from the picture's id.
        load_generator: builds the configured face prior at `resolution` on `device` (fetching weights if needed).
        batches: that this process will ask for, if it is known.
        shared: where frozen networks are kept for the next run in this process.
    """

    device: torch.device
    resolution: int
    seed: int
    load_generator: Callable[[], Generator]
    batches: int | None = None
    shared: Shared = field(default_factory=Shared)


class Method(nn.Module, ABC):
    """A way of unmasking faces.

    Adding one: a final subclass, a schema in `unmask.config` and a YAML file in configs/method whose ``_target_``
    names the class. docs/adding-a-method.md walks through it.
    """

    @classmethod
    @abstractmethod
    def build(cls, config: Any, context: MethodContext) -> Method:
        """Make the method from its schema in `unmask.config` and what the run offers."""

    @abstractmethod
    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        """Generate the hidden part of every picture of the batch.

        A picture's result may not depend on its neighbours in the batch. The method decides itself about gradients.
        A picture that fails (a non-finite loss, say) becomes a `Failure` in the result; the others go on.
        """
