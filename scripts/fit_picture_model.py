"""Fit the linear model of MobileStyleGAN's pictures behind method.init=regression.

    python scripts/fit_picture_model.py          # renders, fits, writes the file that ships with the package

Renders `samples` random people at 128 pixels, shrinks them to `size` and fits `unmask.projection.regression`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.progress import track

from unmask.config import MobileStyleGANConfig
from unmask.generators.mobilestylegan import PICTURE_MODEL_PATH, MobileStyleGAN
from unmask.images import resize
from unmask.projection import latents
from unmask.projection.regression import fit_picture_model


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--components", type=int, default=400)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PICTURE_MODEL_PATH)
    arguments = parser.parse_args()

    generator = MobileStyleGAN.build(MobileStyleGANConfig(), 128)
    statistics = latents.statistics_of(latents.sample_w(generator, torch.device("cpu")))
    rng = torch.Generator().manual_seed(arguments.seed)
    rows, thumbnails = [], []
    for _ in track(range(arguments.samples), description="render"):
        z = torch.randn(1, generator.z_dim, generator=rng)
        truncation_psi = 0.5 + 0.5 * float(torch.rand((), generator=rng))
        w = statistics.mean + truncation_psi * (generator.map(z) - statistics.mean)
        rows.append(w)
        picture = generator.synthesize(w[:, None].expand(-1, generator.num_ws, -1))
        thumbnails.append(resize(picture, arguments.size))
    model = fit_picture_model(torch.cat(rows), torch.cat(thumbnails), arguments.components)
    model.save(arguments.out)


if __name__ == "__main__":
    main()
