"""Train the network that tells whom a masked face belongs to, for `method.lambda_identity`.

    python scripts/train_identity.py                           # writes outputs/train_encoder/identity.safetensors
    python scripts/train_identity.py --faces /path/to/ffhq     # half of the faces are photographs

The face embedding's own network learns to tell the embedding of the whole face from what a face mask leaves visible.
Faces are those that scripts/train_encoder.py learns from; a stopped training goes on. Everything random derives from
--seed.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor

from learning import train
from masked_faces import MaskedFaces, as_pictures, photographed, rendered_faces
from unmask.networks.face_embedding import FaceEmbedding
from unmask.projection.identity import ExpectedIdentity, blanked

log = logging.getLogger(__name__)

EMBED_BATCH = 32
REPORT_FACES = 256
TURN, SCALE, SHIFT = 0.06, 0.05, 0.03
"""Pictures are turned by up to so many radians, scaled and shifted by such shares, since photographs are not aligned
to the pixel."""
GAIN, OFFSET, NOISE = 0.15, 0.08, 0.04
"""How much colours, brightness and noise differ."""


@torch.no_grad()
def embed(network: FaceEmbedding, pictures: Tensor) -> Tensor:
    """(N,3,H,W) uint8 -> (N,128), convolutions in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        parts = [
            network(as_pictures(part)) for part in track(pictures.split(EMBED_BATCH), description="embed clean faces")
        ]
    return torch.cat(parts).float()


def seen(faces: MaskedFaces, indices: Tensor, random: torch.Generator | None = None) -> Tensor:
    """What is visible of the faces at `indices`; with `random`, photographed differently and with larger holes."""
    visible = 1 - faces.holes[indices][:, None].float()
    shown = as_pictures(faces.pictures[indices])
    if random is None:
        return blanked(shown, visible)
    n = len(indices)
    angle, scale = (1 - 2 * torch.rand(2, n, generator=random)) * torch.tensor([[TURN], [SCALE]])
    moved = torch.zeros(n, 2, 3)
    moved[:, 0, 0] = moved[:, 1, 1] = (1 + scale) * angle.cos()
    moved[:, 1, 0] = (1 + scale) * angle.sin()
    moved[:, 0, 1] = -moved[:, 1, 0]
    moved[:, :, 2] = SHIFT * (1 - 2 * torch.rand(n, 2, generator=random))
    grid = F.affine_grid(moved, [n, 4, *shown.shape[-2:]], align_corners=False)
    both = F.grid_sample(torch.cat([shown, visible], 1), grid, padding_mode="border", align_corners=False)
    shown, visible = both[:, :3], (both[:, 3:] > 0.99).float()
    grown = int(torch.randint(0, 3, (), generator=random))
    visible = 1 - F.max_pool2d(1 - visible, 2 * grown + 1, 1, grown)
    gain = 1 + GAIN * (1 - 2 * torch.rand(n, 3, 1, 1, generator=random))
    shown = gain * shown + OFFSET * torch.randn(n, 1, 1, 1, generator=random)
    shown = shown + NOISE * torch.rand(n, 1, 1, 1, generator=random) * torch.randn(shown.shape, generator=random)
    return blanked(shown.clamp(-1, 1), visible)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, help="folder of aligned clean photographs to learn from")
    parser.add_argument("--rendered", type=int, default=12_288, help="faces rendered")
    parser.add_argument("--masks", type=int, default=3, help="face masks laid on each photograph")
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("outputs/train_encoder"), help="faces and checkpoints")
    parser.add_argument("--out", type=Path, help="identity.safetensors below --work if left out")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)

    rendered = rendered_faces(options.work, options.rendered, options.seed)
    photographs = None if options.faces is None else photographed(options.work, options.faces, options.masks)
    teacher = FaceEmbedding.pretrained().to(memory_format=torch.channels_last)
    sources: list[tuple[MaskedFaces, Tensor, Tensor]] = [
        (rendered, rendered.learnt_from, embed(teacher, rendered.pictures))
    ]
    held_out: list[tuple[str, MaskedFaces, Tensor, Tensor]] = [
        ("rendered", rendered, rendered.held_out[:REPORT_FACES], sources[0][2])
    ]
    if photographs is not None:
        learnt, others = photographs.learnt_from, photographs.held_out
        sources.append((learnt, torch.arange(len(learnt)), embed(teacher, learnt.pictures)))
        held_out.append(("photographs", others, torch.arange(len(others)), embed(teacher, others.pictures)))
    network = FaceEmbedding.pretrained().requires_grad_(True)

    def loss(random: torch.Generator) -> Tensor:
        found, wanted = [], []
        for faces, indices, embeddings in sources:
            drawn = indices[torch.randint(len(indices), (options.batch // len(sources),), generator=random)]
            found.append(seen(faces, drawn, random))
            wanted.append(embeddings[drawn])
        with torch.autocast("cpu", torch.bfloat16):
            told = network(torch.cat(found))
        return (told.float() - torch.cat(wanted)).square().sum(1).mean()

    @torch.no_grad()
    def report() -> str:
        distances = []
        for name, faces, indices, embeddings in held_out:
            told = torch.cat([network(seen(faces, part)) for part in indices.split(EMBED_BATCH)])
            distances.append(f"{name} {(told - embeddings[indices]).norm(dim=1).mean():.3f}")
        return ", ".join(distances)

    log.info("distance to the whole face's embedding before: %s", report())
    train(
        network,
        loss,
        options.work / "identity.pt",
        name="identity",
        steps=options.steps,
        lr=options.lr,
        weight_decay=0.1,
        seed=options.seed,
        report=report,
    )
    facts = {
        "rendered": len(rendered.learnt_from),
        "photographs": 0 if photographs is None else len(photographs.learnt_from),
        "steps": options.steps,
        "batch": options.batch,
        "seed": options.seed,
        "held_out_distance": report(),
    }
    out = options.out or options.work / "identity.safetensors"
    ExpectedIdentity(network).save(out, facts)
    log.info("%s: %.2f MB, %s", out, out.stat().st_size / 1e6, json.dumps(facts))


if __name__ == "__main__":
    main()
