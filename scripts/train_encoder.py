"""Train the encoder of `method.init=encoder` on faces of the prior itself, and on photographs where there are any.

    python scripts/train_encoder.py                           # writes outputs/train_encoder/encoder.safetensors
    python scripts/train_encoder.py --faces /path/to/ffhq     # refined on photographs of clean aligned faces too
    python -m unmask.run method.init=encoder method.encoder=outputs/train_encoder/encoder.safetensors

Three stages, all of which go on where they were stopped:

1. Faces are rendered, a face mask is laid on each by the project's renderer, and the linear picture model is asked for
   the w to expect from what it leaves visible. A face has one w for each of three groups of layers, half of them the
   same one, half of them mixed of two people as in style mixing.
2. The network learns to correct what the linear model expects. An error counts as much as it shows: errors of w are
   compared after a linear map to principal components of pixels and VGG-16 features, fitted to the faces of stage 1.
3. The network is refined through the generator: what it answers is rendered and compared with the clean face, by
   pixels, VGG-16 features, and whom a face network takes it for; half of these faces are photographs if there are any.

A sixteenth of the rendered faces and the val part of the photographs are kept out to tell how well it does. Everything
random derives from --seed.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor

from learning import train
from masked_faces import GROUPS, MaskedFaces, Prior, RenderedFaces, as_pictures, photographed, rendered_faces
from unmask.files import atomic_path
from unmask.images import resize
from unmask.losses import masked_mean, unit_normalise
from unmask.networks.face_embedding import FaceEmbedding
from unmask.networks.vgg import VGG16Features
from unmask.projection.encoder import SIZE, LatentEncoder
from unmask.projection.objective import proximity
from unmask.tensorfiles import read_safetensors

log = logging.getLogger(__name__)

LAYERS = ("relu2_2", "relu3_3", "relu4_3")
FEATURE_CELLS = 8
PIXEL_SIZE = 32
RIDGES = (0.1, 0.3, 1.0, 3.0)
"""Tried for the linear map, relative to the variance of the latents, which is 1."""
PIXEL_WEIGHT = 4.0
"""Weight of squared pixel errors beside those of features, as in the projection's objective."""
FOCUS = 50.0
"""See `unmask.projection.objective.proximity`."""
WEIGHT_DECAY = 0.02
REPORT_FACES = 64
REPORT_BATCH = 8


def described(pictures: Tensor, vgg: VGG16Features) -> Tensor:
    """(B,3,SIZE,SIZE) in [-1,1] -> (B,F) pixels and features, whose squared distances are what shows."""
    found = [resize(pictures, PIXEL_SIZE).flatten(1) * (PIXEL_WEIGHT / (3 * PIXEL_SIZE**2)) ** 0.5]
    for features in vgg(pictures):
        cells = F.adaptive_avg_pool2d(unit_normalise(features), FEATURE_CELLS)
        found.append(cells.flatten(1) / FEATURE_CELLS)
    return torch.cat(found, 1)


@torch.no_grad()
def visible_map(triples: RenderedFaces, prior: Prior, path: Path, count: int, components: int) -> Tensor:
    """(groups·w_dim,components): from a change of w along its axes to how it shows, fitted by ridge regression."""
    if path.is_file():
        return read_safetensors(path)[0]["map"]
    vgg = VGG16Features.pretrained(LAYERS, torch.bfloat16).to(memory_format=torch.channels_last)
    chosen = triples.learnt_from[:count]
    rows = torch.cat(
        [
            described(as_pictures(triples.pictures[part]), vgg)
            for part in track(chosen.split(16), description="describe")
        ]
    )
    rows -= rows.mean(0)
    total = rows.square().sum()
    torch.manual_seed(0)
    _, _, directions = torch.svd_lowrank(rows, q=components, niter=2)
    wanted = rows @ directions
    codes = ((triples.w[chosen].float() - prior.mean) @ prior.inverse).flatten(1)
    codes = codes - codes.mean(0)
    fitted = len(chosen) * 9 // 10
    normal, moment = codes[:fitted].T @ codes[:fitted], codes[:fitted].T @ wanted[:fitted]
    identity = torch.eye(len(normal))

    def missed(found: Tensor) -> float:
        """Of the components of faces that the map was not fitted to, the share it does not explain."""
        return float((codes[fitted:] @ found - wanted[fitted:]).square().sum() / wanted[fitted:].square().sum())

    maps = [torch.linalg.solve(normal + ridge * fitted * identity, moment) for ridge in RIDGES]
    found = min(maps, key=missed)
    log.info(
        "components hold %.3f of what shows; the linear map explains %.3f of them (%s with ridges of %s)",
        wanted.square().sum() / total,
        1 - missed(found),
        [round(1 - missed(one), 3) for one in maps],
        RIDGES,
    )
    with atomic_path(path) as temporary:
        save_file({"map": found.contiguous()}, temporary)
    return found


@dataclass(frozen=True)
class Batch:
    """What the network sees, what the linear model expects, the truth, and which faces they are."""

    masked: Tensor
    visible: Tensor
    expected: Tensor
    clean: Tensor
    indices: Tensor


def batch(faces: MaskedFaces, indices: Tensor, random: torch.Generator | None = None) -> Batch:
    """The faces at `indices`; with `random`, photographed a little differently and the holes a little larger."""
    clean = as_pictures(faces.pictures[indices])
    holes = faces.holes[indices][:, None].float()
    masked = clean
    if random is not None:
        grown = int(torch.randint(0, 3, (), generator=random))
        holes = F.max_pool2d(holes, 2 * grown + 1, 1, grown)
        noise = 0.04 * torch.rand(len(clean), 1, 1, 1, generator=random)
        masked = (masked + noise * torch.randn(clean.shape, generator=random)).clamp(-1, 1)
    return Batch(masked, 1 - holes, faces.expected[indices].float(), clean, indices)


def drawn(faces: MaskedFaces, indices: Tensor, count: int, random: torch.Generator) -> Batch:
    """`count` of the faces at `indices`."""
    return batch(faces, indices[torch.randint(len(indices), (count,), generator=random)], random)


def joined(first: Batch, second: Batch) -> Batch:
    """Both as one."""
    return Batch(*(torch.cat([getattr(one, field.name) for one in (first, second)]) for field in fields(Batch)))


@dataclass(frozen=True)
class LatentLoss:
    """Stage 2's loss: the share of what shows that is missed, 1 for the mean face, and a little of the latents' own."""

    prior: Prior
    map: Tensor
    scale: Tensor
    share: float = 0.1

    @classmethod
    def of(cls, prior: Prior, map: Tensor, w: Tensor) -> LatentLoss:
        codes = ((w.float() - prior.mean) @ prior.inverse).flatten(1)
        return cls(prior, map, (codes @ map).square().sum(1).mean())

    def __call__(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Both (B,groups,w_dim), of w."""
        error = ((found - wanted) @ self.prior.inverse).flatten(1)
        return (error @ self.map).square().sum(1).mean() / self.scale + self.share * error.square().mean()


@dataclass(frozen=True)
class PictureLoss:
    """Stage 3: what is hidden counts most, then what is near it.

    Attributes:
        latents: weight of the latents' distance from the mean.
        identity: weight of the squared distance of face embeddings.
        hidden: what is added to the weight of hidden pixels; visible ones weigh at most 1, beside the hole.
    """

    prior: Prior
    vgg: VGG16Features
    embedding: FaceEmbedding
    latents: float = 0.02
    identity: float = 1.0
    hidden: float = 2.0

    def __call__(self, w: Tensor, given: Batch) -> Tensor:
        """w (B,groups,w_dim) -> ()."""
        rendered = self.prior.render(w)
        weight = proximity(given.visible, FOCUS) + self.hidden * (1 - given.visible)
        total = PIXEL_WEIGHT * masked_mean((rendered - given.clean).square(), weight)
        with torch.no_grad():
            wanted = self.vgg(given.clean)
        for mine, theirs in zip(self.vgg(rendered), wanted, strict=True):
            distance = (unit_normalise(mine) - unit_normalise(theirs)).square()
            total = total + distance.shape[1] * masked_mean(distance, F.adaptive_avg_pool2d(weight, mine.shape[-1]))
        total = total + self.identity * self.strangeness(rendered, given)
        return (total + self.latents * ((w - self.prior.mean) @ self.prior.inverse).square().mean((1, 2))).mean()

    def strangeness(self, rendered: Tensor, given: Batch) -> Tensor:
        """(B,) squared distances of the embeddings of clean faces and of the same with the hidden part rendered."""
        pasted = torch.where(given.visible > 0, given.clean, rendered)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                wanted = self.embedding(given.clean)
            found = self.embedding(pasted)
        return (found.float() - wanted.float()).square().sum(1)

    @torch.no_grad()
    def report(self, network: LatentEncoder, faces: MaskedFaces, indices: Tensor) -> str:
        """What it comes to without noise: the hidden part's PSNR and the distance of the embeddings."""
        squares, strange = [], []
        for part in indices.split(REPORT_BATCH):
            given = batch(faces, part)
            rendered = self.prior.render(predict(network, given))
            squares.append(masked_mean((rendered.clamp(-1, 1) - given.clean).square() / 4, 1 - given.visible))
            strange.append(self.strangeness(rendered, given))
        psnr = -10 * torch.cat(squares).log10().mean()
        return f"hidden {psnr:.2f} dB, identity {torch.cat(strange).sqrt().mean():.3f}"


def predict(network: LatentEncoder, given: Batch) -> Tensor:
    """w (B,groups,w_dim), convolutions in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        correction = network(given.masked, given.visible)
    return given.expected[:, None] + correction @ network.axes


@torch.inference_mode()
def held_out_loss(network: LatentEncoder, faces: RenderedFaces, loss: LatentLoss) -> float:
    """Of stage 2, over faces that were not learnt from."""
    parts = [batch(faces, part) for part in faces.held_out[:256].split(REPORT_BATCH)]
    return sum(float(loss(predict(network, part), faces.w[part.indices].float())) for part in parts) / len(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, help="folder of aligned clean photographs to refine on")
    parser.add_argument("--rendered", type=int, default=12_288, help="faces rendered in stage 1")
    parser.add_argument("--masks", type=int, default=3, help="face masks laid on each photograph")
    parser.add_argument("--described", type=int, default=4_000, help="rendered faces the linear map is fitted to")
    parser.add_argument("--steps", type=int, default=4_000, help="of stage 2")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--refine-steps", type=int, default=2_000, help="of stage 3, through the generator")
    parser.add_argument("--refine-batch", type=int, default=8)
    parser.add_argument("--refine-lr", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("outputs/train_encoder"), help="faces and checkpoints")
    parser.add_argument("--out", type=Path, help="encoder.safetensors below --work if left out")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)

    rendered = rendered_faces(options.work, options.rendered, options.seed)
    prior = Prior.build(SIZE)
    shown = visible_map(rendered, prior, options.work / "map.safetensors", options.described, 400)
    latent_loss = LatentLoss.of(prior, shown, rendered.w)
    torch.manual_seed(options.seed)
    network = LatentEncoder(GROUPS, prior.generator.num_ws)
    network.axes.copy_(prior.axes)
    log.info("held-out loss of the linear model alone: %.4f", held_out_loss(network, rendered, latent_loss))
    learnt = rendered.learnt_from

    def latents_missed(random: torch.Generator) -> Tensor:
        given = drawn(rendered, learnt, options.batch, random)
        return latent_loss(predict(network, given), rendered.w[given.indices].float())

    train(
        network,
        latents_missed,
        options.work / "latents.pt",
        name="latents",
        steps=options.steps,
        lr=options.lr,
        weight_decay=WEIGHT_DECAY,
        seed=options.seed,
        report=lambda: f"{held_out_loss(network, rendered, latent_loss):.4f}",
    )
    photographs = None if options.faces is None else photographed(options.work, options.faces, options.masks)
    if options.refine_steps:
        vgg = VGG16Features.pretrained(LAYERS, torch.bfloat16).to(memory_format=torch.channels_last)
        embedding = FaceEmbedding.pretrained().to(memory_format=torch.channels_last)
        picture_loss = PictureLoss(prior, vgg, embedding)

        def pictures_missed(random: torch.Generator) -> Tensor:
            half = 0 if photographs is None else options.refine_batch // 2
            given = drawn(rendered, learnt, options.refine_batch - half, random)
            if photographs is not None:
                real = photographs.learnt_from
                given = joined(given, drawn(real, torch.arange(len(real)), half, random))
            return picture_loss(predict(network, given), given)

        def report() -> str:
            found = f"rendered {picture_loss.report(network, rendered, rendered.held_out[:REPORT_FACES])}"
            if photographs is None:
                return found
            indices = torch.arange(min(REPORT_FACES, len(photographs.held_out)))
            return f"{found}; photographs {picture_loss.report(network, photographs.held_out, indices)}"

        train(
            network,
            pictures_missed,
            options.work / "refined.pt",
            name="refine",
            steps=options.refine_steps,
            lr=options.refine_lr,
            weight_decay=WEIGHT_DECAY,
            seed=options.seed + 1,
            report=report,
            adapt_statistics=False,
        )
    facts = {
        "rendered": len(learnt),
        "photographs": 0 if photographs is None else len(photographs.learnt_from),
        "steps": options.steps,
        "batch": options.batch,
        "refine_steps": options.refine_steps,
        "refine_batch": options.refine_batch,
        "seed": options.seed,
    }
    out = options.out or options.work / "encoder.safetensors"
    network.save(out, facts)
    log.info("%s: %.2f MB, %s", out, out.stat().st_size / 1e6, json.dumps(facts))


if __name__ == "__main__":
    main()
