"""Train the network of `occlusion=auto` on face masks that the project draws itself.

    python scripts/train_occlusion.py                               # on faces of the prior
    python scripts/train_occlusion.py --faces /path/to/ffhq         # and photographs of faces without a mask

Two stages, both go on where they were stopped: (1) faces without masks are rendered or read, and the project's
renderer draws on half of them twice, since it takes a while; (2) the network learns from those and from masks drawn as
they are needed, in all shapes and colours (see occlusion_pictures.py). A fifteenth of the faces is kept out to tell
how well it does. Everything random derives from --seed. Labels are what was drawn, so nobody has to paint any.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor

from occlusion_kinds import respirator, with_beard, with_hand
from occlusion_pictures import cloth_of, cut, flat_mask, lowered, moved, photographed, recoloured, with_distractions
from unmask.config import MobileStyleGANConfig
from unmask.data.facemask import FaceShape, colour_of, draw_mask
from unmask.data.landmarks import find_points, locate_faces
from unmask.data.scan import clean_id, find_files
from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.generators.mobilestylegan import MobileStyleGAN
from unmask.images import from_uint8, load_image, to_uint8
from unmask.occlusion.network import SIZE, WEIGHTS, OcclusionNetwork

log = logging.getLogger(__name__)

DRAWING_SIZE = 256
"""Faces are read, and the renderer draws, at this many pixels: shrunk, its labels tell the share of each pixel."""
PSI = (0.5, 1.0)
FIRST_SEED = 500_000
"""Of the rendered people: none of them is in data/sample, whose people are left for tests."""
HELD_OUT = 15
"""Every so many-th face is not learnt from."""


@dataclass(frozen=True)
class Drawn:
    """What stage 1 leaves, memory-mapped.

    Attributes:
        clean: (n,SIZE,SIZE,3) uint8; points: (n,106,2) float32 x,y in pixels.
        masked: (m,SIZE,SIZE,3) uint8; labels: (m,SIZE,SIZE) uint8, 255 where the mask covers all of a pixel.
        owner: (m,) index of the face in `clean`.
    """

    clean: np.ndarray
    points: np.ndarray
    masked: np.ndarray
    labels: np.ndarray
    owner: np.ndarray

    NAMES = ("clean", "points", "masked", "labels", "owner")

    @classmethod
    def load(cls, folder: Path) -> Drawn:
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in cls.NAMES))


def synthetic_faces(count: int, folder: Path, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`count` people of the prior with their landmarks, kept in `folder`."""
    missing = [index for index in range(count) if not (folder / f"{index:05d}.npz").is_file()]
    if missing:
        generator = MobileStyleGAN.build(MobileStyleGANConfig(), DRAWING_SIZE)
        with torch.inference_mode():
            many = torch.randn(10_000, generator.z_dim, generator=torch.Generator().manual_seed(0))
            mean = generator.map(many).mean(0, keepdim=True)
            for index in track(missing, description="render"):
                random = torch.Generator().manual_seed(FIRST_SEED + seed * 1_000_003 + index)
                psi = PSI[0] + (PSI[1] - PSI[0]) * float(torch.rand((), generator=random))
                w = mean + psi * (generator.map(torch.randn(1, generator.z_dim, generator=random)) - mean)
                picture = generator.synthesize(w[:, None].expand(-1, generator.num_ws, -1))
                points = find_points(picture[0])
                pixels = to_uint8(picture[0])
                with atomic_path(folder / f"{index:05d}.npz") as temporary:
                    np.savez(temporary, pixels=pixels, points=np.zeros((0, 2)) if points is None else points)
    for index in range(count):
        with np.load(folder / f"{index:05d}.npz") as file:
            if len(file["points"]):
                yield file["pixels"], file["points"] * DRAWING_SIZE - 0.5


def read_faces(roots: list[Path]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The clean aligned faces below `roots` with their landmarks."""
    for root in roots:
        files = find_files(root, clean_id).files
        search = locate_faces(root, files, progress=True)
        for face in search.faces:
            yield to_uint8(load_image(face.path, DRAWING_SIZE)), face.points_at(DRAWING_SIZE)


def prepare(folder: Path, photographs: list[Path], rendered: int, draws: int, seed: int) -> Drawn:
    """Stage 1."""
    if (folder / "owner.npy").is_file():
        return Drawn.load(folder)
    faces = list(synthetic_faces(rendered, folder / "rendered", seed))
    log.info("%d synthetic faces", len(faces))
    if photographs:
        faces += read_faces(photographs)
        log.info("%d faces with those of %s", len(faces), ", ".join(map(str, photographs)))
    masked, labels, owner = [], [], []
    random = np.random.default_rng((seed, 1))
    order = random.permutation(np.tile(np.arange(len(faces)), math.ceil(draws / len(faces)))[:draws])
    for index, place in enumerate(track(order, description="draw")):
        pixels, points = faces[place]
        shape = FaceShape.from_106(points)
        if index % 5 >= 3:
            shape = lowered(shape, random)
        try:
            drawn = draw_mask(from_uint8(pixels), shape, colour=colour_of(index), seed=index)
        except UnmaskError:
            continue
        whole = drawn.occlusion[0].numpy().astype(np.uint8)
        # its own label holds every pixel touched; the mean with its inner part is about the cover of each pixel
        inner = cv2.erode(whole, np.ones((3, 3), np.uint8))
        masked.append(shrunk(to_uint8(drawn.masked)))
        labels.append(shrunk(128 * whole + 127 * inner))
        owner.append(place)
    arrays = (
        np.stack([shrunk(pixels) for pixels, _ in faces]),
        np.stack([(points + 0.5) * SIZE / DRAWING_SIZE - 0.5 for _, points in faces]).astype(np.float32),
        np.stack(masked),
        np.stack(labels),
        np.asarray(owner),
    )
    for name, array in zip(Drawn.NAMES, arrays, strict=True):
        with atomic_path(folder / f"{name}.npy") as temporary:
            np.save(temporary, array)
    return Drawn.load(folder)


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """uint8 at DRAWING_SIZE -> at SIZE, means over pixels."""
    return np.asarray(cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA))


def example(drawn: Drawn, random: np.random.Generator, *, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """A picture (SIZE,SIZE,3) uint8 and its label (SIZE,SIZE) float32 in [0,1]."""
    picture, label = moved(*wearing(drawn, random, held_out=held_out), random)
    return photographed(picture, random), label


def wearing(drawn: Drawn, random: np.random.Generator, *, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """An aligned face, mostly with a face mask, (SIZE,SIZE,3) float32 in [0,1], and its label (SIZE,SIZE)."""

    def usable(face: int) -> bool:
        return (face % HELD_OUT == 0) == held_out

    kind = random.random()
    if kind < 0.3:  # by the renderer
        while not usable(int(drawn.owner[place := int(random.integers(len(drawn.owner)))])):
            pass
        face = int(drawn.owner[place])
        label = drawn.labels[place].astype(np.float32) / 255
        masked = drawn.masked[place].astype(np.float32) / 255
        if random.random() < 0.5:
            masked = recoloured(masked, label, texture(drawn, random), random)
    else:
        while not usable(face := int(random.integers(len(drawn.clean)))):
            pass
    clean = drawn.clean[face].astype(np.float32) / 255
    shape = FaceShape.from_106(drawn.points[face])
    bearded = kind >= 0.3 and random.random() < 0.1
    if bearded:
        clean = with_beard(clean, shape, random)
    if kind >= 0.85:  # no mask at all
        masked, label = clean, np.zeros((SIZE, SIZE), np.float32)
    elif kind >= 0.67:
        cloth = cloth_of(texture(drawn, random), random, pale=0.7)
        masked, label = respirator(clean, shape, cloth, random)
    elif kind >= 0.3:
        masked, label = flat_mask(clean, shape, texture(drawn, random), random)
    if random.random() < 0.1:
        label = cut(label, random)
    if kind < 0.85 and random.random() < 0.07:
        masked, label = with_hand(np.where(label[..., None] > 0, masked, clean), label, clean, shape, random)
        clean = masked
    around = with_distractions(clean, random) if random.random() < 0.5 else clean
    return np.where(label[..., None] > 0, masked, around), label


def texture(drawn: Drawn, random: np.random.Generator) -> np.ndarray:
    """Any picture (SIZE,SIZE,3) float32 in [0,1], to be printed on cloth."""
    return drawn.clean[int(random.integers(len(drawn.clean)))].astype(np.float32) / 255


def batch(drawn: Drawn, seed: tuple[int, ...], count: int, *, held_out: bool = False) -> tuple[Tensor, Tensor]:
    """Pictures (B,3,SIZE,SIZE) in [-1,1] and labels (B,1,SIZE,SIZE) in [0,1]."""
    random = np.random.default_rng(seed)
    pairs = [example(drawn, random, held_out=held_out) for _ in range(count)]
    pictures = torch.from_numpy(np.stack([picture for picture, _ in pairs])).permute(0, 3, 1, 2)
    return pictures.float() / 127.5 - 1, torch.from_numpy(np.stack([label for _, label in pairs]))[:, None]


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, and one minus the soft Dice coefficient of each picture (Milletari et al. 2016)."""
    found = logits.sigmoid()
    dice = (2 * (found * labels).sum((1, 2, 3)) + 50) / (found.sum((1, 2, 3)) + labels.sum((1, 2, 3)) + 50)
    return F.binary_cross_entropy_with_logits(logits, labels) + 0.2 * (1 - dice).mean()


def train(network: OcclusionNetwork, drawn: Drawn, options: argparse.Namespace, checkpoint: Path) -> None:
    """Stage 2: AdamW, cosine learning rate after a short warm-up; resumes from `checkpoint`."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.lr, weight_decay=0.01)
    start = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["step"])
    network.to(memory_format=torch.channels_last)
    network.train()
    recent: list[float] = []
    for step in track(range(start, options.steps), description="train"):
        pictures, labels = batch(drawn, (options.seed, 2, step), options.batch)
        for group in optimiser.param_groups:
            course = 0.5 * (1 + math.cos(math.pi * step / options.steps))
            group["lr"] = options.lr * course * min(1.0, (step + 1) / 50)
        with torch.autocast("cpu", torch.bfloat16, enabled=not options.full_precision):
            logits = network(pictures.contiguous(memory_format=torch.channels_last))
        loss = loss_of(logits.float(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        recent.append(float(loss.detach()))
        if step % 50 == 49 or step == options.steps - 1:
            log.info("step %d: loss %.4f", step + 1, sum(recent) / len(recent))
            recent = []
            with atomic_path(checkpoint) as temporary:
                state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
                torch.save(state, temporary)


@torch.inference_mode()
def held_out_iou(network: OcclusionNetwork, drawn: Drawn, count: int) -> float:
    """Mean intersection over union on masks drawn on faces that were not learnt from."""
    network.eval()
    values = []
    for index in range(count):
        pictures, labels = batch(drawn, (12345, index), 1, held_out=True)
        found, truth = network(pictures) > 0, labels > 0.5
        if bool(truth.any()):
            values.append(float((found & truth).sum() / (found | truth).sum()))
    return sum(values) / len(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    more = "folders of aligned clean faces, besides the synthetic ones"
    parser.add_argument("--faces", type=Path, nargs="*", default=[], help=more)
    parser.add_argument("--learnt-from", default="", help="what those faces are, in words, for the file's metadata")
    parser.add_argument("--rendered", type=int, default=400, help="faces to render with the prior")
    parser.add_argument("--draws", type=int, default=700, help="masks drawn beforehand, by the project's renderer")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full-precision", action="store_true", help="do not compute in bfloat16")
    parser.add_argument("--work", type=Path, default=Path("outputs/train_occlusion"), help="faces and checkpoint")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)

    drawn = prepare(options.work, options.faces, options.rendered, options.draws, options.seed)
    torch.manual_seed(options.seed)
    network = OcclusionNetwork()
    train(network, drawn, options, options.work / "checkpoint.pt")
    facts = {
        "trained_on": "face masks drawn by the project on synthetic faces"
        + (f" and on {options.learnt_from or 'other clean faces'}" if options.faces else ""),
        "faces": len(drawn.clean),
        "steps": options.steps,
        "batch": options.batch,
        "seed": options.seed,
        "held_out_iou": round(held_out_iou(network, drawn, 200), 4),
    }
    tensors = {
        name: value.half().contiguous() for name, value in network.state_dict().items() if value.is_floating_point()
    }
    with atomic_path(options.out) as temporary:
        save_file(tensors, temporary, metadata={"facts": json.dumps(facts)})
    log.info("%s: %.2f MB, %s", options.out, options.out.stat().st_size / 1e6, json.dumps(facts))


if __name__ == "__main__":
    main()
