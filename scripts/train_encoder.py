"""Train the encoder of `method.init=encoder` on people of the prior and on photographs.

    python scripts/train_encoder.py --faces FFHQ MORE_FACES   # writes outputs/train_encoder/encoder.safetensors
    python scripts/train_encoder.py --faces FFHQ --device cuda --batch 192 --seconds 540
    python -m unmask.run method.init=encoder method.encoder=outputs/train_encoder/encoder.safetensors

Both stages go on where they were stopped:

1. People of the prior are rendered with holes, and the network learns to correct the w that the linear picture model
   expects of them. An error counts as much as it shows: errors of w are compared after a linear map to principal
   components of pixels and VGG-16 features. A face has one w for each group of layers, half of them the same one, half
   of them mixed of two people as in style mixing.
2. The network is refined through the generator: what it answers is rendered and compared with the clean face, by
   pixels, VGG-16 features, and whom a face network takes it for; a share of --real of these faces are photographs.

--steps, --batch and --lr are those of stage 1, which takes a sixth of the --seconds at most. Without --faces the
photographs are the sample's synthetic ones. No person of the prior is rendered twice; the val part of the photographs
is kept out, and tells which of the averaged weights are kept. Everything random derives from --seed.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor

from learning import Budget, Rates, Report, Update, train
from masked_faces import GROUPS, Given, Prior, add_arguments, drawn, held_out, joined, material, near, rendered
from unmask.files import atomic_path
from unmask.generators.mobilestylegan import PICTURE_MODEL_PATH
from unmask.images import resize
from unmask.losses import masked_mean, unit_normalise
from unmask.networks.face_embedding import FaceEmbedding
from unmask.networks.vgg import VGG16Features
from unmask.projection.encoder import SIZE, LatentEncoder
from unmask.projection.regression import PictureModel, visible_thumbnails
from unmask.tensorfiles import read_safetensors

log = logging.getLogger(__name__)

LAYERS = ("relu2_2", "relu3_3", "relu4_3")
FEATURE_CELLS = 8
PIXEL_SIZE = 32
RIDGES = (0.1, 0.3, 1.0, 3.0)
"""Tried for the linear map, relative to the variance of the latents, which is 1."""
COMPONENTS = 400
PIXEL_WEIGHT = 4.0
"""Weight of squared pixel errors beside those of features, as in the projection's objective."""
FOCUS = 50.0
"""See `masked_faces.near`."""
RIDGE = 1.5e-4
"""Of the linear model, the default of method.regression_ridge."""
WEIGHT_DECAY = 0.02
NOISE = 0.04
"""Of the pictures' pixels, at most."""
HELD_OUT = 256
"""Faces a report looks at."""
LATENTS, IDENTITY, HIDDEN = 0.02, 2.0, 2.0
"""Stage 2: weights of the latents' distance from the mean and of the squared distance of face embeddings; what is added
to the weight of hidden pixels, beside visible ones' of at most 1."""


@dataclass(frozen=True)
class Batch:
    """What the network sees, what the linear model expects (B,w_dim), and the truth."""

    masked: Tensor
    visible: Tensor
    expected: Tensor
    clean: Tensor


def batch(given: Given, model: PictureModel, random: torch.Generator | None = None) -> Batch:
    """With `random`, photographed with noise."""
    masked = given.clean
    if random is not None:
        device = masked.device
        strength = NOISE * torch.rand(len(masked), 1, 1, 1, generator=random, device=device)
        masked = (masked + strength * torch.randn(masked.shape, generator=random, device=device)).clamp(-1, 1)
    visible = 1 - given.hole
    return Batch(masked, visible, expected_w(model, masked, visible), given.clean)


@torch.no_grad()
def expected_w(model: PictureModel, masked: Tensor, visible: Tensor) -> Tensor:
    """`PictureModel.expected_w` of all pictures at once: (B,w_dim)."""
    basis = model.basis.flatten(1).double()
    found = []
    for picture, seen in zip(masked.split(32), visible.split(32), strict=True):
        small, where = visible_thumbnails(picture, seen, model.centre)
        keep = (where > 0.5).expand_as(small).flatten(1).double()
        count = keep.sum(1).clamp(min=1)
        normal = (basis * keep[:, None]) @ basis.T / count[:, None, None]
        normal.diagonal(dim1=1, dim2=2).add_(RIDGE * model.basis.double().square().sum(0).mean())
        moment = (((small - model.centre).flatten(1).double() * keep) @ basis.T) / count[:, None]
        found.append(torch.linalg.solve(normal, moment).float() @ model.w_basis)
    return model.w_centre + torch.cat(found)


def described(pictures: Tensor, vgg: VGG16Features) -> Tensor:
    """(B,3,SIZE,SIZE) in [-1,1] -> (B,F) pixels and features, whose squared distances are what shows."""
    found = [resize(pictures, PIXEL_SIZE).flatten(1) * (PIXEL_WEIGHT / (3 * PIXEL_SIZE**2)) ** 0.5]
    for features in vgg(pictures):
        cells = F.adaptive_avg_pool2d(unit_normalise(features), FEATURE_CELLS)
        found.append(cells.flatten(1) / FEATURE_CELLS)
    return torch.cat(found, 1)


@torch.no_grad()
def visible_map(prior: Prior, vgg: VGG16Features, path: Path, count: int, seed: int) -> Tensor:
    """(groups·w_dim,COMPONENTS): from a change of w along its axes to how it shows, fitted by ridge regression."""
    device = prior.mean.device
    if path.is_file():
        return read_safetensors(path)[0]["map"].to(device)
    random = torch.Generator(device).manual_seed(seed)
    parts = []
    for _ in track(range(0, count, 16), description="describe"):
        w = prior.draw(16, random)
        parts.append((w, described(prior.render(w).clamp(-1, 1), vgg)))
    rows = torch.cat([row for _, row in parts])
    rows -= rows.mean(0)
    torch.manual_seed(seed)
    _, _, directions = torch.svd_lowrank(rows, q=COMPONENTS, niter=2)
    wanted = rows @ directions
    codes = ((torch.cat([w for w, _ in parts]) - prior.mean) @ prior.inverse).flatten(1)
    codes = codes - codes.mean(0)
    fitted = len(codes) * 9 // 10
    normal, moment = codes[:fitted].T @ codes[:fitted], codes[:fitted].T @ wanted[:fitted]
    identity = torch.eye(len(normal), device=device)

    def missed(found: Tensor) -> float:
        """Of the components of faces that the map was not fitted to, the share it does not explain."""
        return float((codes[fitted:] @ found - wanted[fitted:]).square().sum() / wanted[fitted:].square().sum())

    maps = [torch.linalg.solve(normal + ridge * fitted * identity, moment) for ridge in RIDGES]
    found = min(maps, key=missed)
    log.info(
        "components hold %.3f of what shows; the linear map explains %.3f of them (%s with ridges of %s)",
        wanted.square().sum() / rows.square().sum(),
        1 - missed(found),
        [round(1 - missed(one), 3) for one in maps],
        RIDGES,
    )
    with atomic_path(path) as temporary:
        save_file({"map": found.contiguous().cpu()}, temporary)
    return found


@dataclass(frozen=True)
class LatentLoss:
    """Stage 1.

    Attributes:
        map: see `visible_map`; scale: what a random face comes to, on average.
        share: weight of what does not show, relative to that.
    """

    prior: Prior
    map: Tensor
    scale: Tensor
    share: float = 0.1

    @classmethod
    def of(cls, prior: Prior, shown: Tensor, seed: int) -> LatentLoss:
        w = prior.draw(1024, torch.Generator(prior.mean.device).manual_seed(seed))
        codes = ((w - w.mean(0)) @ prior.inverse).flatten(1)
        return cls(prior, shown, (codes @ shown).square().sum(1).mean())

    def __call__(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Both (B,groups,w_dim), of w."""
        error = ((found - wanted) @ self.prior.inverse).flatten(1)
        return (error @ self.map).square().sum(1).mean() / self.scale + self.share * error.square().mean()


@dataclass(frozen=True)
class PictureLoss:
    """Stage 2: what is hidden counts most, then what is near it."""

    prior: Prior
    vgg: VGG16Features
    embedding: FaceEmbedding

    def __call__(self, w: Tensor, given: Batch) -> dict[str, Tensor]:
        """w (B,groups,w_dim) -> () each."""
        shown = self.prior.render(w)
        weight = near(1 - given.visible, FOCUS) * given.visible + (1 + HIDDEN) * (1 - given.visible)
        with torch.no_grad():
            wanted = self.vgg(given.clean)
        features = torch.zeros((), device=w.device)
        for mine, theirs in zip(self.vgg(shown), wanted, strict=True):
            distance = (unit_normalise(mine) - unit_normalise(theirs)).square()
            at = F.adaptive_avg_pool2d(weight, mine.shape[-1])
            features = features + distance.shape[1] * masked_mean(distance, at).mean()
        return {
            "pixel": PIXEL_WEIGHT * masked_mean((shown - given.clean).square(), weight).mean(),
            "features": features,
            "identity": IDENTITY * self.strangeness(shown, given).mean(),
            "latents": LATENTS * ((w - self.prior.mean) @ self.prior.inverse).square().mean(),
        }

    def strangeness(self, shown: Tensor, given: Batch) -> Tensor:
        """(B,) squared distances of the embeddings of clean faces and of the same with the hidden part rendered."""
        pasted = torch.where(given.visible > 0, given.clean, shown)
        with torch.autocast(shown.device.type, torch.bfloat16):
            with torch.no_grad():
                wanted = self.embedding(given.clean)
            found = self.embedding(pasted)
        return (found.float() - wanted.float()).square().sum(1)

    @torch.no_grad()
    def report(self, network: LatentEncoder, faces: Given, model: PictureModel) -> Report:
        """What it comes to without noise: the hidden part's PSNR, its feature distance, and that of the embeddings."""
        rows = []
        for index in torch.arange(len(faces.clean)).split(32):
            given = batch(Given(faces.clean[index], faces.hole[index], faces.coarse[index]), model)
            shown = self.prior.render(predict(network, given)).clamp(-1, 1)
            hidden = 1 - given.visible
            squares = masked_mean((shown - given.clean).square() / 4, hidden)
            pasted = torch.where(hidden > 0, shown, given.clean)
            apart = torch.zeros_like(squares)
            for mine, theirs in zip(self.vgg(pasted), self.vgg(given.clean), strict=True):
                apart += (unit_normalise(mine) - unit_normalise(theirs)).square().sum(1).mean((1, 2))
            rows.append(torch.stack([-10 * squares.log10(), apart, self.strangeness(shown, given)]))
        psnr, apart, strange = torch.cat(rows, 1)
        text = f"hidden {psnr.mean():.2f} dB, features {apart.mean():.4f}, identity {strange.sqrt().mean():.3f}"
        # each in units of what it differs by between good and bad networks: 1 dB, a tenth of the features, 0.05
        missed = -psnr.mean() + apart.mean() / 0.03 + strange.sqrt().mean() / 0.05
        return Report(text, float(missed))


def predict(network: LatentEncoder, given: Batch) -> Tensor:
    """w (B,groups,w_dim), convolutions in bfloat16."""
    with torch.autocast(given.masked.device.type, torch.bfloat16):
        correction = network(given.masked, given.visible)
    return given.expected[:, None] + correction @ network.axes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, steps=600, batch=64, lr=5e-4)
    parser.add_argument("--described", type=int, default=8_000, help="rendered faces the linear map is fitted to")
    parser.add_argument("--refine-steps", type=int, default=10_000, help="of stage 2, through the generator")
    parser.add_argument("--refine-batch", type=int, default=12)
    parser.add_argument("--refine-lr", type=float, default=3e-4)
    parser.add_argument("--real", type=float, default=0.6, help="share of photographs in stage 2")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    device: torch.device = options.device

    faces = material(options, SIZE)
    real, shapes = faces.real, faces.shapes
    others = held_out(faces.others.at(torch.arange(min(HELD_OUT, len(faces.others)), device=device)), SIZE)
    model = PictureModel.load(PICTURE_MODEL_PATH).to(device)
    prior = Prior.build(SIZE, device)
    vgg = VGG16Features.pretrained(LAYERS, torch.bfloat16).to(device).to(memory_format=torch.channels_last)
    embedding = FaceEmbedding.pretrained().to(device).to(memory_format=torch.channels_last)
    torch.manual_seed(options.seed)
    network = LatentEncoder(GROUPS, prior.generator.num_ws)
    network.axes.copy_(prior.axes)
    network.to(device)

    shown = visible_map(prior, vgg, options.work / "map.safetensors", options.described, options.seed)
    latent_loss = LatentLoss.of(prior, shown, options.seed)
    fixed = torch.Generator(device).manual_seed(options.seed + 7)
    strangers, truth = rendered(prior, real, shapes, HELD_OUT, fixed)

    def latents_missed(random: torch.Generator, update: Update) -> dict[str, Tensor]:
        given, w = rendered(prior, real, shapes, options.batch, random)
        loss = latent_loss(predict(network, batch(given, model, random)), w)
        update("latents", loss)
        return {"loss": loss}

    @torch.no_grad()
    def latents_report() -> Report:
        missed = float(latent_loss(predict(network, batch(strangers, model)), truth))
        return Report(f"{missed:.4f}", missed)

    log.info("the linear model alone: %s", latents_report().text)
    train(
        {"latents": network},
        latents_missed,
        options.work / "latents.pt",
        budget=Budget(options.steps, options.seconds and options.seconds / 6, options.report_every),
        rates=Rates(options.lr, WEIGHT_DECAY),
        seed=options.seed,
        device=device,
        report=latents_report,
    )
    picture_loss = PictureLoss(prior, vgg, embedding)

    def pictures_missed(random: torch.Generator, update: Update) -> dict[str, Tensor]:
        photos = round(options.real * options.refine_batch)
        given = drawn(real, shapes, photos, random, SIZE)
        given = joined(given, rendered(prior, real, shapes, options.refine_batch - photos, random)[0])
        seen = batch(given, model, random)
        losses = picture_loss(predict(network, seen), seen)
        update("refine", torch.stack(list(losses.values())).sum())
        return losses

    reached = train(
        {"refine": network},
        pictures_missed,
        options.work / "refined.pt",
        budget=Budget(options.refine_steps, options.seconds and options.seconds * 5 / 6, options.report_every),
        rates=Rates(options.refine_lr, WEIGHT_DECAY),
        seed=options.seed + 1,
        device=device,
        report=lambda: picture_loss.report(network, others, model),
        adapt_statistics=options.refine_batch >= 32,
    )
    facts = {"photographs": len(real), "batch": options.refine_batch, "seed": options.seed, **reached}
    out = options.out or options.work / "encoder.safetensors"
    network.cpu().save(out, facts)
    log.info("%s: %.2f MB, %s", out, out.stat().st_size / 1e6, json.dumps(facts))


if __name__ == "__main__":
    main()
