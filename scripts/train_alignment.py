"""Train what brings a face into FFHQ's frame although a face mask hides its mouth and chin.

    python scripts/train_alignment.py --faces /path/to/ffhq

Aligned faces are their own truth: a look at a square a little beside the frame, and the answer is the way back. Three
stages, of which the first two go on where they were stopped: (1) faces with face masks, as train_occlusion.py draws
them; (2) the network that looks at pictures learns; (3) a ridge regression learns the rest from the 106 landmarks seen
in looks near the frame. A fifteenth of the faces is kept out. Everything random derives from --seed.

Looks hardly ever reach beyond the frame, where nothing is known: whatever were filled in there would give it away.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor

from occlusion_pictures import photographed
from train_occlusion import Drawn, prepare, wearing
from unmask.alignment import Quad, crop
from unmask.alignment.align import LOOK, MIRRORED, landmark_look
from unmask.alignment.network import SIZE, WEIGHTS, FrameNetwork
from unmask.files import atomic_path

log = logging.getLogger(__name__)

SHIFT, SCALE, TURN = 0.06, 0.08, math.radians(5)
"""Standard deviations of where looks are: in sides of the frame, of the scale's logarithm, in radians. A rough frame by
the eyes is off by .03, .06 and 5.6 degrees."""
NEAR = 0.4
"""The same for looks at landmarks, which follow the network's, as a share."""
BORDER = 0.16
"""Most of a look, from a border, that shows something else."""
TRUE = Quad(np.full(2, SIZE - 0.5), np.array([SIZE / 2, 0.0]))
"""The frame in a face that was mirrored all around."""


def mirrored_around(face: np.ndarray) -> np.ndarray:
    """(SIZE,SIZE,3) -> (2*SIZE,2*SIZE,3), mirrored at its borders."""
    half = SIZE // 2
    return cv2.copyMakeBorder(face, half, half, half, half, cv2.BORDER_REFLECT_101)


def beside(random: np.random.Generator, much: float) -> Quad:
    """A frame a little off the true one."""
    a = np.exp(complex(random.normal(0, SCALE * much), random.normal(0, TURN * much))) * complex(*TRUE.half)
    return Quad(TRUE.centre + random.normal(0, SHIFT * much, 2) * TRUE.side, np.array([a.real, a.imag]))


def way_back(quad: Quad) -> np.ndarray:
    """What the network should answer to a look at `quad`."""
    half = complex(*quad.half)
    shift = (complex(*TRUE.centre) - complex(*quad.centre)) / half
    change = np.log(complex(*TRUE.half) / half)
    return np.array([shift.real, shift.imag, change.real, change.imag])


def dressed(drawn: Drawn, count: int, seed: int, *, held_out: bool) -> np.ndarray:
    """(count,SIZE,SIZE,3) uint8 aligned faces, most of them with a face mask."""
    faces = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for index in track(range(count), description="face masks"):
        face, _ = wearing(drawn, np.random.default_rng((seed, 4, int(held_out), index)), held_out=held_out)
        faces[index] = np.rint(np.clip(face, 0, 1) * 255)
    return faces


def example(faces: np.ndarray, random: np.random.Generator, much: float) -> tuple[np.ndarray, np.ndarray]:
    """A look (SIZE,SIZE,3) uint8 and the way back (4,)."""
    face = faces[int(random.integers(len(faces)))]
    quad = beside(random, much)
    look = crop(mirrored_around(face), quad.scaled(LOOK), SIZE).astype(np.float32) / 255
    if random.random() < 0.4:  # something else may come in from a side, wherever the frame ends
        other = faces[int(random.integers(len(faces)))].astype(np.float32) / 255
        width, side = int(random.uniform(0, BORDER) * SIZE), int(random.integers(4))
        where = np.zeros((SIZE, SIZE), bool)
        np.rot90(where, side)[:width] = True  # a view of it
        look[where] = other[where]
    answer = way_back(quad)
    if random.random() < 0.5:
        look, answer = np.ascontiguousarray(look[:, ::-1]), answer * MIRRORED.numpy()
    return photographed(look, random), answer


def batch(faces: np.ndarray, seed: tuple[int, ...], count: int, much: float | None = None) -> tuple[Tensor, Tensor]:
    """Looks (B,3,SIZE,SIZE) in [-1,1] and the ways back (B,4)."""
    random = np.random.default_rng(seed)
    rows = [example(faces, random, random.uniform(0.2, 1.2) if much is None else much) for _ in range(count)]
    looks = torch.from_numpy(np.stack([look for look, _ in rows])).permute(0, 3, 1, 2).float() / 127.5 - 1
    return looks, torch.from_numpy(np.stack([answer for _, answer in rows])).float()


def corner_distances(answers: Tensor, true: Tensor) -> Tensor:
    """(B,) mean distance of the corners, in pixels of the true frame at 256."""
    corners = torch.tensor([-1 - 1j, -1 + 1j, 1 + 1j, 1 - 1j])

    def places(one: Tensor) -> Tensor:
        return (
            torch.complex(one[:, 0], one[:, 1])[:, None] + torch.complex(one[:, 2], one[:, 3]).exp()[:, None] * corners
        )

    return ((places(answers) - places(true)).abs() / true[:, 2:3].exp()).mean(1) * 128


def train(
    network: FrameNetwork, faces: np.ndarray, others: np.ndarray, options: argparse.Namespace, checkpoint: Path
) -> None:
    """Stage 2: AdamW, cosine learning rate after a short warm-up; resumes from `checkpoint`. `others` are held out."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.lr, weight_decay=0.02)
    start = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["step"])
    network.to(memory_format=torch.channels_last)
    recent: list[float] = []
    for step in track(range(start, options.steps), description="train"):
        network.train()
        looks, true = batch(faces, (options.seed, 5, step), options.batch)
        for group in optimiser.param_groups:
            course = 0.5 * (1 + math.cos(math.pi * step / options.steps))
            group["lr"] = options.lr * course * min(1.0, (step + 1) / 100)
        with torch.autocast("cpu", torch.bfloat16, enabled=not options.full_precision):
            answers = network(looks.contiguous(memory_format=torch.channels_last))
        loss = corner_distances(answers.float(), true).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        recent.append(float(loss.detach()))
        if step % 250 == 249 or step == options.steps - 1:
            log.info(
                "step %d: %.2f px (held out: %.2f)", step + 1, sum(recent) / len(recent), held_out(network, others)
            )
            recent = []
            with atomic_path(checkpoint) as temporary:
                state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
                torch.save(state, temporary)
    network.eval()


@torch.inference_mode()
def held_out(network: FrameNetwork, others: np.ndarray) -> float:
    """Mean corner error on faces that were not learnt from, in pixels at 256."""
    network.eval()
    looks, true = batch(others, (12345,), 256, much=1.0)
    return float(corner_distances(network(looks), true).mean())


def regression(faces: np.ndarray, looks: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stage 3: landmarks (N,212) seen in looks near the frame, and the ways back (N,4)."""
    seen, back = [], []
    for index in track(range(looks), description="landmarks"):
        quad = beside(np.random.default_rng((seed, 6, index)), NEAR)
        points, flipped = landmark_look(mirrored_around(faces[index % len(faces)]), quad)
        seen += [points.ravel(), flipped.ravel()]
        back += [way_back(quad), way_back(quad) * MIRRORED.numpy()]
    return np.stack(seen), np.stack(back)


def fit(seen: np.ndarray, back: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Weight (4,2*106) and bias (4,) of the ridge regression over standardised landmarks."""
    mean, std = seen.mean(0), seen.std(0) + 1e-6
    rows = (seen - mean) / std
    normal = rows.T @ rows + ridge * len(rows) * np.eye(rows.shape[1])
    weight = np.linalg.solve(normal, rows.T @ (back - back.mean(0))).T / std
    return weight, back.mean(0) - weight @ mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, nargs="+", required=True, help="folders of aligned clean faces")
    parser.add_argument("--learnt-from", default="", help="what those faces are, in words, for the file's metadata")
    parser.add_argument("--rendered", type=int, default=12, help="faces to render with the prior")
    parser.add_argument("--draws", type=int, default=1400, help="masks drawn beforehand, by the project's renderer")
    parser.add_argument("--dressed", type=int, default=12000, help="faces with masks to learn from")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--looks", type=int, default=6000, help="looks that the regression learns from")
    parser.add_argument("--ridge", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full-precision", action="store_true", help="do not compute in bfloat16")
    parser.add_argument("--work", type=Path, default=Path("outputs/train_alignment"), help="faces and checkpoint")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)

    drawn = prepare(options.work, options.faces, options.rendered, options.draws, options.seed)
    torch.manual_seed(options.seed)
    network = FrameNetwork()
    faces = dressed(drawn, options.dressed, options.seed, held_out=False)
    others = dressed(drawn, 300, options.seed, held_out=True)
    train(network, faces, others, options, options.work / "alignment.pt")
    weight, bias = fit(*regression(faces, options.looks, options.seed), options.ridge)
    seen, back = regression(others, len(others), options.seed)
    rest = corner_distances(*(torch.from_numpy(one).float() for one in (seen @ weight.T + bias, back)))
    facts = {
        "trained_on": f"drawn face masks on {options.learnt_from or 'aligned clean faces'}",
        "faces": len(drawn.clean),
        "steps": options.steps,
        "batch": options.batch,
        "looks": options.looks,
        "seed": options.seed,
        "held_out_px": round(held_out(network, others), 2),
        "held_out_px_by_landmarks": round(float(rest.mean()), 2),
    }
    tensors = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    tensors |= {"landmarks.weight": torch.from_numpy(weight), "landmarks.bias": torch.from_numpy(bias)}
    with atomic_path(options.out) as temporary:
        halves = {name: value.half().contiguous() for name, value in tensors.items()}
        save_file(halves, temporary, metadata={"facts": json.dumps(facts)})
    log.info("%s: %.2f MB, %s", options.out, options.out.stat().st_size / 1e6, json.dumps(facts))


if __name__ == "__main__":
    main()
