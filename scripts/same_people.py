"""Synthetic people, each photographed several times: pairs with drawn masks, and other renders of the same person.

    python scripts/same_people.py --out people --count 24 --renders 3

A person is a w of the face prior. The other renders are that w moved at random: along the prior's likeliest directions
(pose, light, expression, but a little of the person too) in its whitened space, and with fine layers of somebody else.
Of many such moves the one is taken that changes the picture most while dlib's embedding stays as near as that of a
second photograph of a real person commonly is. Pairs are as those of `data/sample`; the renders are in
OUT/references/ID/N.jpg, as `data.references` reads them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from make_sample import make_pair
from unmask.config import LatentSpaceName, MobileStyleGANConfig
from unmask.files import atomic_path
from unmask.generators.mobilestylegan import MobileStyleGAN
from unmask.images import resize, to_uint8
from unmask.networks.face_embedding import FaceEmbedding
from unmask.projection.latents import sample_w
from unmask.projection.spaces import LatentSpace, build_space

FIRST_SEED = 5000
"""Far from those of the sample."""
PSI = 0.75
SIZE = 256
TRIES = 16
"""Moves drawn for each render."""
FARTHEST = 0.42
"""Distance of dlib's embedding at most; a second photograph of a person is commonly 0.3 to 0.4 away."""
MOVES = (0.3, 0.8)
"""How far they go, least and most: in deviations of the whitened space."""
FINE = 8
"""Layers from this one on are shared with somebody else, half and half: light and colour."""


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--count", type=int, default=24, help="how many people")
    parser.add_argument("--renders", type=int, default=3, help="how many other renders of each")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first person")
    options = parser.parse_args()

    generator = MobileStyleGAN.build(MobileStyleGANConfig(), SIZE)
    embedding = FaceEmbedding.pretrained()
    many = sample_w(generator, torch.device("cpu"))
    mean, space = many.mean(0, keepdim=True), build_space(LatentSpaceName.pn, many)
    seed = options.first
    for _ in track(range(options.count), description="people"):
        while True:
            rng = torch.Generator().manual_seed(seed)
            w = mean + PSI * (generator.map(torch.randn(1, generator.z_dim, generator=rng)) - mean)
            w_plus = w[:, None].expand(-1, generator.num_ws, -1)
            reason = make_pair(seed, generator.synthesize_full(w_plus)[0].contiguous(), options.out, SIZE)
            seed += 1
            if reason is None:
                break
        folder = options.out / "references" / f"synthetic-{seed - 1:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(options.renders):
            other = mean + PSI * (generator.map(torch.randn(1, generator.z_dim, generator=rng)) - mean)
            moved = moved_most(generator, embedding, space, w_plus, other, rng)
            with atomic_path(folder / f"{number}.jpg") as temporary:
                save(resize(generator.synthesize_full(moved), 512)[0], temporary)


def moved_most(
    generator: MobileStyleGAN,
    embedding: FaceEmbedding,
    space: LatentSpace,
    w_plus: Tensor,
    other: Tensor,
    rng: torch.Generator,
) -> Tensor:
    """Of `TRIES` moves of w_plus (1,num_ws,w_dim), the one that changes the picture most and leaves the person."""
    base = generator.synthesize(w_plus)
    person = embedding(base)
    fine = w_plus.clone()
    fine[:, FINE:] = (w_plus[:, FINE:] + other[:, None]) / 2
    best, most, nearest, spare = None, -1.0, float("inf"), fine
    for number in range(TRIES):
        reach = MOVES[0] + (MOVES[1] - MOVES[0]) * number / (TRIES - 1)
        step = torch.randn(1, 1, w_plus.shape[-1], generator=rng)
        moved = fine.clone()
        moved[:, :FINE] = space.to_w(space.from_w(w_plus[:, :FINE]) + reach * step)
        picture = generator.synthesize(moved)
        apart = float((embedding(picture) - person).norm())
        change = float((picture - base).square().mean())
        if apart < nearest:
            nearest, spare = apart, moved
        if apart <= FARTHEST and change > most:
            best, most = moved, change
    return spare if best is None else best


def save(picture: Tensor, path: Path) -> None:
    from PIL import Image

    Image.fromarray(to_uint8(picture)).save(path, quality=92, subsampling=0)


if __name__ == "__main__":
    main()
