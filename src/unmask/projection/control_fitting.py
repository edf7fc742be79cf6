"""Controls fitted to a generator's own faces: render, measure, regress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.generators.base import Generator
from unmask.projection.controls import CONTROLS, Controls, fit_controls
from unmask.projection.traits import Traits, usual_face

PSI = (0.5, 1.0)
"""Truncation of the faces, drawn evenly: near the mean they are measured surely, and far off is what is asked for."""

ProgressCallback = Callable[[int], None]


@dataclass(frozen=True)
class MeasuredFaces:
    """w (N,D) of random faces, and their attributes (N,A)."""

    w: Tensor
    attributes: Tensor


@torch.no_grad()
def measured_faces(
    generator: Generator,
    mean: Tensor,
    traits: Traits,
    *,
    count: int,
    seed: int,
    on_face: ProgressCallback | None = None,
) -> MeasuredFaces:
    """Random faces of a generator whose mean w is `mean` (D,), measured one by one."""
    random = torch.Generator().manual_seed(seed)
    face = usual_face(generator.resolution)
    rows, found = [], []
    for index in range(count):
        z = torch.randn(1, generator.z_dim, generator=random)
        psi = PSI[0] + (PSI[1] - PSI[0]) * float(torch.rand((), generator=random))
        w = mean + psi * (generator.map(z.to(mean.device)) - mean)
        picture = generator.synthesize(w[:, None].expand(-1, generator.num_ws, -1)).clamp(-1, 1)
        rows.append(w[0].cpu())
        found.append(traits.measure(picture, CONTROLS, face))
        if on_face is not None:
            on_face(index + 1)
    return MeasuredFaces(torch.stack(rows), torch.stack(found))


def controls_of(faces: MeasuredFaces) -> Controls:
    """The controls that such faces tell."""
    return fit_controls(CONTROLS, faces.w, faces.attributes)
