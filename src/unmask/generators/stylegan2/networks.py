"""The two networks of a generator, under the names that its checkpoints give them."""

from __future__ import annotations

from typing import final

import torch
from torch import nn

from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.mapping import Mapping
from unmask.generators.stylegan2.synthesis import Synthesis


@final
class Networks(nn.Module):
    """Mapping and synthesis, as drawn at the start of a training; the program's random numbers go on as if nothing was.

    Drawing takes less time than the first use of torch's meta device, which could do without.
    """

    def __init__(self, settings: GeneratorArchitecture) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=()):
            self.mapping = Mapping(settings.z_dim, settings.c_dim, settings.w_dim, settings.mapping_layers)
            self.synthesis = Synthesis(settings)
