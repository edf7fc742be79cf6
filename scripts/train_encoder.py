"""Train the encoder of `method.init=encoder` on faces of the prior itself.

    python scripts/train_encoder.py                  # renders, learns, writes outputs/train_encoder/encoder.safetensors
    python -m unmask.run method.init=encoder method.encoder=outputs/train_encoder/encoder.safetensors

Three stages, all of which go on where they were stopped:

1. Faces are rendered, a face mask is laid on each by the project's renderer, and the linear picture model is asked for
   the w to expect from what it leaves visible. A face has one w for each of three groups of layers, half of them the
   same one, half of them mixed of two people as in style mixing.
2. The network learns to correct what the linear model expects. An error counts as much as it shows: errors of w are
   compared after a linear map to principal components of pixels and VGG-16 features, fitted to the faces of stage 1.
3. The network is refined through the generator: what it answers is rendered and compared with the whole clean face.

A sixteenth of the faces is kept out to tell how well it does. Everything random derives from --seed.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unmask.compilation import compile_if_possible
from unmask.config import MobileStyleGANConfig
from unmask.data.facemask import FaceShape, lay_mask
from unmask.faceanalysis import landmarks106
from unmask.faceanalysis.detector import Detection
from unmask.files import atomic_path
from unmask.generators.mobilestylegan import PICTURE_MODEL_PATH, MobileStyleGAN
from unmask.images import dilate, resize
from unmask.losses import unit_normalise
from unmask.networks.vgg import VGG16Features
from unmask.projection.encoder import SIZE, LatentEncoder
from unmask.projection.latents import sample_w
from unmask.projection.regression import PictureModel
from unmask.projection.spaces import principal_axes

log = logging.getLogger(__name__)

GROUPS = (0, 4, 10)
"""First layers of the coarse (4 and 8 pixels), middle (16 and 32) and fine styles (Karras et al. 2019)."""
RENDER_SIZE = 256
PSI = (0.5, 1.0)
FIRST_SEED = 900_000
"""Of the rendered people: none of them is in data/sample or learnt from by other networks."""
SHARD = 250
HELD_OUT = 16
"""Every so many-th face is not learnt from."""
HOLE_DILATION = 4.0
"""From occlusion to hole in pixels at 256, the default of occlusion.dilate."""
BOX = Detection(np.array([0.2, 0.2, 0.78, 0.88]) * RENDER_SIZE, 1.0, np.zeros((5, 2)))
"""Where an aligned face is, roughly; the landmark network needs no better."""
RIDGE = 1.5e-4
"""Of the linear model, the default of method.regression_ridge."""
LAYERS = ("relu2_2", "relu3_3", "relu4_3")
FEATURE_CELLS = 8
PIXEL_SIZE = 32
RIDGES = (0.1, 0.3, 1.0, 3.0)
"""Tried for the linear map, relative to the variance of the latents, which is 1."""
PIXEL_WEIGHT = 4.0
"""Weight of squared pixel errors beside those of features, as in the projection's objective."""


@dataclass(frozen=True)
class Triples:
    """Rendered faces and what they were rendered from.

    Attributes:
        pictures: (N,3,SIZE,SIZE) uint8.
        w: (N,groups,w_dim) float16.
        holes: (N,SIZE,SIZE) bool, where the face mask may not be looked at.
        expected: (N,w_dim) float16, what the linear picture model says of each.
    """

    pictures: Tensor
    w: Tensor
    holes: Tensor
    expected: Tensor

    NAMES = ("pictures", "w", "holes", "expected")

    @classmethod
    def load(cls, shards: list[Path]) -> Triples:
        parts = [load_file(path) for path in shards]
        return cls(*(torch.cat([part[name] for part in parts]) for name in cls.NAMES))

    @property
    def learnt_from(self) -> Tensor:
        """(n,) indices."""
        return torch.tensor([i for i in range(len(self.pictures)) if i % HELD_OUT])

    @property
    def held_out(self) -> Tensor:
        """(m,) indices."""
        return torch.arange(0, len(self.pictures), HELD_OUT)


@dataclass(frozen=True)
class Prior:
    """The generator, and the principal directions of its w.

    Attributes:
        mean: (w_dim,) of w.
        axes: (w_dim,w_dim) directions in rows, each as long as its standard deviation; inverse: from w to along them.
        layer_group: (num_ws,) which group each layer belongs to.
    """

    generator: MobileStyleGAN
    mean: Tensor
    axes: Tensor
    inverse: Tensor
    layer_group: Tensor
    synthesize: Callable[[Tensor], Tensor]

    @classmethod
    def build(cls, resolution: int) -> Prior:
        generator = MobileStyleGAN.build(MobileStyleGANConfig(), resolution)
        generator.compute_in(torch.bfloat16)
        w = sample_w(generator, torch.device("cpu"))
        axes, inverse = (one.float().contiguous() for one in principal_axes(w.double()))
        group = LatentEncoder(GROUPS, generator.num_ws).group_of_layers()
        return cls(generator, w.mean(0), axes, inverse, group, compile_if_possible(generator.synthesize))

    def draw(self, random: torch.Generator) -> Tensor:
        """A random face's w, (groups,w_dim)."""
        w = self.generator.map(torch.randn(2, self.generator.z_dim, generator=random))
        psi = PSI[0] + (PSI[1] - PSI[0]) * torch.rand(2, 1, generator=random)
        w = self.mean + psi * (w - self.mean)
        # half of the faces are one person's; of the others the coarse or the coarse and middle styles are the first's
        crossover = max(0, int(torch.randint(4, (), generator=random)) - 1)
        return w[[int(crossover > 0 and group >= crossover) for group in range(len(GROUPS))]]

    def render(self, w: Tensor) -> Tensor:
        """w (B,groups,w_dim) -> (B,3,H,W), not clamped."""
        return self.synthesize(w[:, self.layer_group][:, : self.generator.num_active_ws])


@torch.no_grad()
def render(folder: Path, count: int, seed: int) -> Triples:
    """Stage 1."""
    shards = [folder / f"faces_{index:03d}.safetensors" for index in range(math.ceil(count / SHARD))]
    missing = [index for index, path in enumerate(shards) if not path.is_file()]
    prior = Prior.build(RENDER_SIZE) if missing else None
    model = PictureModel.load(PICTURE_MODEL_PATH)
    for shard in missing:
        assert prior is not None
        rows: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        for index in track(range(shard * SHARD, (shard + 1) * SHARD), description=f"render {shard + 1}/{len(shards)}"):
            random = torch.Generator().manual_seed(FIRST_SEED + seed * 1_000_003 + index)
            w = prior.draw(random)
            picture = prior.render(w[None]).clamp(-1, 1)
            points = (landmarks106(picture[0], BOX).points + 0.5) * SIZE / RENDER_SIZE - 0.5
            occlusion = lay_mask(FaceShape.from_106(points), SIZE, index)
            hole = dilate(occlusion[None], HOLE_DILATION)
            small = F.adaptive_avg_pool2d(picture, SIZE)
            expected = model.expected_w(small, 1 - hole, ridge=RIDGE)[0]
            levels = ((small[0] + 1) * 127.5).round().to(torch.uint8)
            rows.append((levels, w.half(), hole[0, 0] > 0, expected.half()))
        columns = (torch.stack(column) for column in zip(*rows, strict=True))
        with atomic_path(shards[shard]) as temporary:
            save_file(dict(zip(Triples.NAMES, columns, strict=True)), temporary)
    return Triples.load(shards)


def as_pictures(levels: Tensor) -> Tensor:
    """uint8 -> float32 in [-1,1]."""
    return levels.float() / 127.5 - 1


def described(pictures: Tensor, vgg: VGG16Features) -> Tensor:
    """(B,3,SIZE,SIZE) in [-1,1] -> (B,F) pixels and features, whose squared distances are what shows."""
    found = [resize(pictures, PIXEL_SIZE).flatten(1) * (PIXEL_WEIGHT / (3 * PIXEL_SIZE**2)) ** 0.5]
    for features in vgg(pictures):
        cells = F.adaptive_avg_pool2d(unit_normalise(features), FEATURE_CELLS)
        found.append(cells.flatten(1) / FEATURE_CELLS)
    return torch.cat(found, 1)


@torch.no_grad()
def visible_map(triples: Triples, prior: Prior, path: Path, count: int, components: int) -> Tensor:
    """(groups·w_dim,components): from a change of w along its axes to how it shows, fitted by ridge regression."""
    if path.is_file():
        return load_file(path)["map"]
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
    """What the network sees, what the linear model expects, and the truth."""

    masked: Tensor
    visible: Tensor
    expected: Tensor
    clean: Tensor
    w: Tensor


def batch(triples: Triples, indices: Tensor, random: torch.Generator | None) -> Batch:
    """The faces at `indices`; with `random`, photographed a little differently and the holes a little larger."""
    clean = as_pictures(triples.pictures[indices])
    holes = triples.holes[indices][:, None].float()
    masked = clean
    if random is not None:
        grown = int(torch.randint(0, 3, (), generator=random))
        holes = F.max_pool2d(holes, 2 * grown + 1, 1, grown)
        noise = 0.04 * torch.rand(len(clean), 1, 1, 1, generator=random)
        masked = (masked + noise * torch.randn(clean.shape, generator=random)).clamp(-1, 1)
    return Batch(masked, 1 - holes, triples.expected[indices].float(), clean, triples.w[indices].float())


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
    """Stage 3: pixels and VGG-16 features of the whole rendered face, and the latents' distance from the mean."""

    prior: Prior
    vgg: VGG16Features
    share: float = 0.02

    def __call__(self, found: Tensor, clean: Tensor) -> Tensor:
        """w (B,groups,w_dim), pictures (B,3,SIZE,SIZE)."""
        total = found.new_zeros(())
        for w, picture in zip(found.split(1), clean.split(1), strict=True):  # compiled for one picture
            total = total + self.compare(self.prior.render(w), picture)
            total = total + self.share * ((w - self.prior.mean) @ self.prior.inverse).square().mean()
        return total / len(found)

    def compare(self, rendered: Tensor, picture: Tensor) -> Tensor:
        error = PIXEL_WEIGHT * F.mse_loss(rendered, picture)
        for mine, theirs in zip(self.vgg(rendered), self.vgg(picture), strict=True):
            error = error + (unit_normalise(mine) - unit_normalise(theirs)).square().sum(1).mean()
        return error


def train(
    network: LatentEncoder,
    triples: Triples,
    loss_of: Callable[[LatentEncoder, Batch], Tensor],
    checkpoint: Path,
    *,
    name: str,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    report: Callable[[LatentEncoder], str],
) -> None:
    """AdamW with a cosine learning rate after a short warm-up; goes on from `checkpoint`."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.02)
    start = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["step"])
    network.to(memory_format=torch.channels_last)
    chosen = triples.learnt_from
    recent: list[float] = []
    for step in track(range(start, steps), description=name):
        network.train()
        random = torch.Generator().manual_seed(seed * 1_000_003 + step)
        drawn = chosen[torch.randint(len(chosen), (batch_size,), generator=random)]
        for group in optimiser.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps)) * min(1.0, (step + 1) / 100)
        loss = loss_of(network, batch(triples, drawn, random))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        recent.append(float(loss.detach()))
        if (step + 1) % 100 == 0 or step + 1 == steps:
            held_out = report(network) if (step + 1) % 500 == 0 or step + 1 == steps else ""
            log.info("%s step %d: loss %.4f %s", name, step + 1, sum(recent) / len(recent), held_out)
            recent = []
            with atomic_path(checkpoint) as temporary:
                state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
                torch.save(state, temporary)


def predict(network: LatentEncoder, given: Batch) -> Tensor:
    """w (B,groups,w_dim), convolutions in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        correction = network(given.masked, given.visible)
    return given.expected[:, None] + correction @ network.axes


@torch.inference_mode()
def held_out_loss(network: LatentEncoder, triples: Triples, loss: LatentLoss) -> float:
    """Over faces that were not learnt from."""
    network.eval()
    parts = [batch(triples, part, None) for part in triples.held_out[:256].split(32)]
    return sum(float(loss(predict(network, part), part.w)) for part in parts) / len(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=8_000, help="rendered in stage 1")
    parser.add_argument("--described", type=int, default=4_000, help="of these the linear map is fitted to")
    parser.add_argument("--steps", type=int, default=5_000, help="of stage 2")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--refine-steps", type=int, default=1_500, help="of stage 3, through the generator")
    parser.add_argument("--refine-batch", type=int, default=8)
    parser.add_argument("--refine-lr", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("outputs/train_encoder"), help="faces and checkpoints")
    parser.add_argument("--out", type=Path, help="encoder.safetensors below --work if left out")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)

    triples = render(options.work, options.faces, options.seed)
    prior = Prior.build(SIZE)
    shown = visible_map(triples, prior, options.work / "map.safetensors", options.described, 400)
    latent_loss = LatentLoss.of(prior, shown, triples.w)
    torch.manual_seed(options.seed)
    network = LatentEncoder(GROUPS, prior.generator.num_ws)
    network.axes.copy_(prior.axes)
    log.info("held-out loss of the linear model alone: %.4f", held_out_loss(network, triples, latent_loss))

    def report(network: LatentEncoder) -> str:
        return f"(held out {held_out_loss(network, triples, latent_loss):.4f})"

    train(
        network,
        triples,
        lambda network, given: latent_loss(predict(network, given), given.w),
        options.work / "latents.pt",
        name="latents",
        steps=options.steps,
        batch_size=options.batch,
        lr=options.lr,
        seed=options.seed,
        report=report,
    )
    if options.refine_steps:
        vgg = VGG16Features.pretrained(LAYERS, torch.bfloat16).to(memory_format=torch.channels_last)
        picture_loss = PictureLoss(prior, vgg)
        train(
            network,
            triples,
            lambda network, given: picture_loss(predict(network, given), given.clean),
            options.work / "refined.pt",
            name="refine",
            steps=options.refine_steps,
            batch_size=options.refine_batch,
            lr=options.refine_lr,
            seed=options.seed + 1,
            report=report,
        )
    facts = {
        "trained_on": "faces of the generator with face masks laid on by the project",
        "faces": len(triples.learnt_from),
        "steps": options.steps,
        "batch": options.batch,
        "refine_steps": options.refine_steps,
        "refine_batch": options.refine_batch,
        "seed": options.seed,
        "held_out_loss": round(held_out_loss(network, triples, latent_loss), 4),
    }
    out = options.out or options.work / "encoder.safetensors"
    network.save(out, facts)
    log.info("%s: %.2f MB, %s", out, out.stat().st_size / 1e6, json.dumps(facts))


if __name__ == "__main__":
    main()
