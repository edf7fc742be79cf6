"""Train the network that tells whom a masked face belongs to, for `method.lambda_identity`.

    python scripts/train_identity.py --faces FFHQ MORE_FACES   # writes outputs/train_encoder/identity.safetensors
    python scripts/train_identity.py --faces FFHQ --device cuda --batch 512 --seconds 120

The face embedding's own network learns to tell the embedding of the whole face from what a face mask leaves visible,
of photographs and of people of the prior, none of whom is rendered twice. The val part of the photographs is held out;
the weights with the smallest distance on it are kept, since those of later steps know the people they have seen better
and others worse. A stopped training goes on. Everything random derives from --seed.
"""

from __future__ import annotations

import argparse
import json
import logging

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from learning import Budget, Rates, Report, Update, train
from masked_faces import Given, Prior, add_arguments, drawn, held_out, joined, material, rendered
from unmask.networks.face_embedding import FaceEmbedding
from unmask.projection.encoder import SIZE
from unmask.projection.identity import ExpectedIdentity, blanked

log = logging.getLogger(__name__)

TURN, SCALE, SHIFT = 0.06, 0.05, 0.03
"""Pictures are turned by up to so many radians, scaled and shifted by such shares, since photographs are not aligned
to the pixel."""
GAIN, OFFSET, NOISE = 0.15, 0.08, 0.04
"""How much colours, brightness and noise differ."""


def seen(given: Given, random: torch.Generator | None = None) -> Tensor:
    """What is visible of the faces; with `random`, photographed differently."""
    visible = 1 - given.hole
    shown = given.clean
    if random is None:
        return blanked(shown, visible)
    n, device = len(shown), shown.device

    def uniform(*shape: int) -> Tensor:
        return 1 - 2 * torch.rand(*shape, generator=random, device=device)

    angle, scale = TURN * uniform(n), SCALE * uniform(n)
    moved = torch.zeros(n, 2, 3, device=device)
    moved[:, 0, 0] = moved[:, 1, 1] = (1 + scale) * angle.cos()
    moved[:, 1, 0] = (1 + scale) * angle.sin()
    moved[:, 0, 1] = -moved[:, 1, 0]
    moved[:, :, 2] = SHIFT * uniform(n, 2)
    grid = F.affine_grid(moved, [n, 4, *shown.shape[-2:]], align_corners=False)
    both = F.grid_sample(torch.cat([shown, visible], 1), grid, padding_mode="border", align_corners=False)
    shown, visible = both[:, :3], (both[:, 3:] > 0.99).float()
    shown = (1 + GAIN * uniform(n, 3, 1, 1)) * shown
    shown = shown + OFFSET * torch.randn(n, 1, 1, 1, generator=random, device=device)
    strength = NOISE * torch.rand(n, 1, 1, 1, generator=random, device=device)
    shown = shown + strength * torch.randn(shown.shape, generator=random, device=device)
    return blanked(shown.clamp(-1, 1), visible)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, steps=3_000, batch=64, lr=3e-4)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--real", type=float, default=0.5, help="share of photographs")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    device: torch.device = options.device

    faces = material(options, SIZE)
    real, shapes = faces.real, faces.shapes
    prior = Prior.build(SIZE, device)
    teacher = FaceEmbedding.pretrained().to(device).to(memory_format=torch.channels_last)
    network = FaceEmbedding.pretrained().requires_grad_(True).to(device)
    others = held_out(faces.others, SIZE)

    @torch.no_grad()
    def embedded(pictures: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return teacher(pictures).float()

    truth = torch.cat([embedded(part) for part in others.clean.split(64)])

    def step(random: torch.Generator, update: Update) -> dict[str, Tensor]:
        photos = round(options.real * options.batch)
        given = drawn(real, shapes, photos, random, SIZE)
        given = joined(given, rendered(prior, real, shapes, options.batch - photos, random)[0])
        wanted = embedded(given.clean)
        with torch.autocast(device.type, torch.bfloat16):
            found = network(seen(given, random))
        squares = (found.float() - wanted).square().sum(1)
        update("identity", squares.mean())
        return {"photographs": squares[:photos].mean().sqrt(), "rendered": squares[photos:].mean().sqrt()}

    @torch.no_grad()
    def report() -> Report:
        found = torch.cat([network(part) for part in seen(others).split(64)])
        distance = float((found - truth).norm(dim=1).mean())
        return Report(f"{distance:.4f}", distance)

    log.info("distance to the whole face's embedding before: %s", report().text)
    reached = train(
        {"identity": network},
        step,
        options.work / "identity.pt",
        budget=Budget(options.steps, options.seconds, options.report_every),
        rates=Rates(options.lr, options.weight_decay),
        seed=options.seed,
        device=device,
        report=report,
    )
    facts = {"photographs": len(real), "batch": options.batch, "seed": options.seed, **reached}
    out = options.out or options.work / "identity.safetensors"
    ExpectedIdentity(network.cpu()).save(out, facts)
    log.info("%s: %.2f MB, %s", out, out.stat().st_size / 1e6, json.dumps(facts))


if __name__ == "__main__":
    main()
