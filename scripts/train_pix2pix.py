"""Train the Pix2Pix of `method.checkpoint=pretrained` on photographs of several sizes, on any device.

    python scripts/train_pix2pix.py --faces FFHQ MORE_FACES --out outputs/pix2pix/weights.safetensors
    python scripts/train_pix2pix.py --faces FFHQ --device cuda --batch 32 --seconds 540
    python -m unmask.run method=pix2pix method.checkpoint=outputs/pix2pix/weights.safetensors OPTIONS_BELOW

`python -m unmask.run method=pix2pix training.root=...` trains the same networks by the same steps on masks drawn while
it trains. This program keeps all pictures and holes on the device, varies the holes' shapes, takes photographs of half
the resolution too (compared at that), and ends after --seconds. The val part of the photographs is held out and tells
which of the averaged weights are kept. Everything random derives from --seed.
"""

from __future__ import annotations

import argparse
import json
import logging

import cv2
import torch
from torch import Tensor

from learning import Budget, Rates, Report, Update, train
from masked_faces import HOLE_SIZE, add_arguments, drawn, held_out, material
from unmask.config import Pix2PixConfig
from unmask.faces import Faces, TrainingBatch
from unmask.losses import masked_mean
from unmask.methods.checkpoints import save_generator
from unmask.methods.pix2pix import Pix2Pix, as_coarse
from unmask.networks.windows import windows_around

log = logging.getLogger(__name__)

HELD_OUT = 96
"""Faces a report looks at."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, steps=9_000, batch=4, lr=3e-4)
    parser.add_argument("--ngf", type=int, default=32)
    parser.add_argument("--ndf", type=int, default=48)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--lambda-l1", type=float, default=40.0)
    parser.add_argument("--lambda-perceptual", type=float, default=5.0)
    parser.add_argument("--lambda-identity", type=float, default=10.0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    device: torch.device = options.device

    faces = material(options, HOLE_SIZE)
    real, shapes = faces.real, faces.shapes
    # Both kinds by halves: what is coarse shows how faces differ, what is not shows how they are drawn.
    kinds = [real.at(one) for one in (real.coarse.nonzero()[:, 0], (~real.coarse).nonzero()[:, 0]) if len(one)]
    sharp_first = torch.argsort(faces.others.coarse.int(), stable=True)
    others = held_out(faces.others.at(sharp_first[:HELD_OUT]), HOLE_SIZE)
    config = Pix2PixConfig(
        name="pix2pix",
        ngf=options.ngf,
        ndf=options.ndf,
        depth=options.depth,
        dropout=False,
        lambda_l1=options.lambda_l1,
        lambda_perceptual=options.lambda_perceptual,
        lambda_identity=options.lambda_identity,
        window=True,
    )
    method = Pix2Pix(config, options.seed).to(device)

    def step(random: torch.Generator, update: Update) -> dict[str, Tensor]:
        counts = [options.batch // len(kinds)] * len(kinds)
        given = [drawn(kind, shapes, count, random, HOLE_SIZE) for kind, count in zip(kinds, counts, strict=True)]
        clean, hole, coarse = (
            torch.cat(one) for one in zip(*((g.clean, g.hole, g.coarse) for g in given), strict=True)
        )
        ids = tuple(map(str, range(len(clean))))
        with torch.autocast(device.type, torch.bfloat16):
            return method.training_step(TrainingBatch(ids, ids, clean, hole, clean, coarse=coarse), update)

    @torch.no_grad()
    def report() -> Report:
        rows = []
        for index in torch.arange(len(others.clean)).split(16):
            clean, hole = others.clean[index], others.hole[index]
            ids = tuple(map(str, index.tolist()))
            made = method.generate(Faces(ids, clean, hole, hole)).clamp(-1, 1)
            made, clean = (as_coarse(one, others.coarse[index]) for one in (made, clean))
            squares = masked_mean((made - clean).square() / 4, hole)
            assert method.perception is not None and method.likeness is not None
            apart = method.perception.distance(made, clean, windows_around(hole))
            rows.append(torch.stack([-10 * squares.log10(), apart, method.likeness.distance(made, clean).sqrt()]))
        psnr, apart, strange = torch.cat(rows, 1).mean(1).tolist()
        text = f"hidden {psnr:.2f} dB, features {apart:.4f}, identity {strange:.3f}"
        # in units of what they differ by between good and bad networks: 1 dB, a tenth of the features, 0.05
        return Report(text, -psnr + apart / 0.04 + strange / 0.05)

    reached = train(
        {"generator": method.unet, "discriminator": method.critic},
        step,
        options.work / "pix2pix.pt",
        budget=Budget(options.steps, options.seconds, options.report_every),
        rates=Rates(options.lr, 0.0, (0.5, 0.999)),
        seed=options.seed,
        device=device,
        report=report,
    )
    facts = {"photographs": len(real), "batch": options.batch, "seed": options.seed, **reached}
    out = options.out or options.work / "pix2pix.safetensors"
    save_generator(method.unet.cpu(), out, method="pix2pix", facts=facts)
    log.info("%s: %.2f MB, %s", out, out.stat().st_size / 1e6, json.dumps(facts))


if __name__ == "__main__":
    main()
