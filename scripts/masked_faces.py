"""Faces with a hole where a face mask would be, to train networks on: photographs, and people of the prior.

Everything is drawn on the device that trains: pictures and the shapes of holes lie there as bytes and bits, the
prior's people are rendered as they are needed, none of them twice. Holes are drawn by the project's renderer on the
faces' landmarks once, and kept; every use varies them, since what outlines a mask must not tell where the jaw is.
Everything random derives from a seed.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.progress import track
from torch import Tensor

from unmask.config import DataConfig, MobileStyleGANConfig, Split
from unmask.data.facemask import FaceShape, lay_mask
from unmask.data.landmarks import locate_faces
from unmask.data.scan import clean_id, find_files
from unmask.data.splits import select
from unmask.files import atomic_path
from unmask.generators.mobilestylegan import MobileStyleGAN
from unmask.images import dilate
from unmask.projection.encoder import LatentEncoder
from unmask.projection.latents import sample_w
from unmask.projection.spaces import principal_axes

log = logging.getLogger(__name__)

GROUPS = (0, 2, 4, 7, 10)
"""First layers of the styles at 4, 8, 16, 32 and more pixels, which share a w (Karras et al. 2019 mix three groups)."""
PSI = (0.5, 1.0)
HOLE_SIZE = 256
"""Side of the kept holes in pixels."""
HOLE_DILATION = 4.0
"""From occlusion to hole in pixels at 256, the default of occlusion.dilate."""
COARSE = 128
"""Photographs with fewer than `HOLE_SIZE` pixels a side have so many."""

SHIFT, SCALE, TURN, WARP = 0.03, 0.08, 0.05, 0.02
"""How much holes differ from those drawn: shifted by up to such a share of half the picture's side, scaled and turned
(radians) by so much, and bent by normal moves of such a share at 5×5 places."""
GROWN = 3
"""Pixels at 128 that holes are grown by at the most."""
BARE_CHIN = 0.15
"""Share of the holes that end above the chin."""


@dataclass(frozen=True)
class Photographs:
    """Aligned clean faces, and the holes face masks drawn on them leave.

    Attributes:
        pictures: (N,3,S,S) uint8.
        coarse: (N,) bool, those that were enlarged from COARSE pixels.
        holes: (N,K,HOLE_SIZE²/8) uint8, bits in rows; see `unpacked`.
    """

    pictures: Tensor
    coarse: Tensor
    holes: Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    def to(self, device: torch.device) -> Photographs:
        """The same on `device`."""
        return Photographs(self.pictures.to(device), self.coarse.to(device), self.holes.to(device))

    def at(self, indices: Tensor) -> Photographs:
        """Those at `indices`."""
        return Photographs(self.pictures[indices], self.coarse[indices], self.holes[indices])


@dataclass(frozen=True)
class Given:
    """A batch to learn from.

    Attributes:
        clean: (B,3,S,S) in [-1,1]; hole: (B,1,S,S), 1 where nothing may be looked at; coarse: (B,) bool.
    """

    clean: Tensor
    hole: Tensor
    coarse: Tensor


@dataclass(frozen=True)
class Material:
    """What a training looks at, all on its device.

    Attributes:
        real: photographs to learn from; others: those of the val part, which are not.
        shapes: (M,HOLE_SIZE²/8) more holes, see `hole_shapes`.
    """

    real: Photographs
    others: Photographs
    shapes: Tensor


def add_arguments(parser: argparse.ArgumentParser, *, steps: int, batch: int, lr: float) -> None:
    """What all trainings on these faces ask for."""
    more = "folders of aligned clean photographs to learn from"
    parser.add_argument("--faces", type=Path, nargs="+", default=[Path("data/sample/ffhq")], help=more)
    more = "folder of occlusions whose shapes are used too (PNG, white where hidden)"
    parser.add_argument("--shapes", type=Path, help=more)
    parser.add_argument("--masks", type=int, default=3, help="face masks laid on each photograph")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--seconds", type=float, help="at most")
    parser.add_argument("--report-every", type=int, default=200, help="steps")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("outputs/train_encoder"), help="holes and checkpoints")
    parser.add_argument("--out", type=Path, help="the file to write; below --work if left out")


def material(options: argparse.Namespace, size: int) -> Material:
    """What `add_arguments` asked for, pictures at `size` pixels."""
    options.work.mkdir(parents=True, exist_ok=True)
    train, test, others = (
        photographs(options.work, options.faces, size, options.masks, part).to(options.device)
        for part in (Split.train, Split.test, Split.val)
    )
    real = Photographs(*(torch.cat(pair) for pair in zip(vars(train).values(), vars(test).values(), strict=True)))
    shapes = hole_shapes(options.shapes).to(options.device)
    log.info("%d photographs, %d held out, %d more shapes of holes", len(real), len(others), len(shapes))
    return Material(real, others, shapes)


def photographs(work: Path, roots: Sequence[Path], size: int, masks: int, part: Split) -> Photographs:
    """The aligned clean faces below `roots` in this part of the split, at `size` pixels, with so many holes each.

    The holes are kept below `work` and drawn only once.
    """
    pictures, coarse, holes = [], [], []
    for root in roots:
        files = find_files(root, clean_id).files
        data = DataConfig()
        fractions = {"val_fraction": data.val_fraction, "test_fraction": data.test_fraction}
        ids = sorted(select(sorted(files), split=part, seed=data.split_seed, **fractions))
        found = holes_of(work, root, masks)
        ids = [id for id in ids if id in found]
        with ThreadPoolExecutor() as pool:
            levels = pool.map(lambda id, files=files: _levels(files[id], size), ids)
            for id, (picture, small) in zip(ids, levels, strict=True):
                pictures.append(picture)
                coarse.append(small)
                holes.append(found[id])
    return Photographs(torch.from_numpy(np.stack(pictures)), torch.tensor(coarse), torch.from_numpy(np.stack(holes)))


def holes_of(work: Path, root: Path, masks: int) -> dict[str, np.ndarray]:
    """The holes of every face below `root`: (masks,HOLE_SIZE²/8) uint8 by id; drawn at the first call."""
    kept = work / f"holes_{root.name}_{masks}.npz"
    if not kept.is_file():
        files = find_files(root, clean_id).files
        faces = locate_faces(root, files, progress=True).faces
        rows = []
        for face in track(faces, description=f"holes of {root.name}"):
            shape = FaceShape.from_106(face.points_at(HOLE_SIZE))
            rows.append([packed(hole_of(shape, _seed(face.id, mask))) for mask in range(masks)])
        with atomic_path(kept) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, ids=np.array([face.id for face in faces]), holes=np.array(rows))
    with np.load(kept) as stored:
        return dict(zip(stored["ids"].tolist(), stored["holes"], strict=True))


def hole_of(shape: FaceShape, seed: int) -> Tensor:
    """(1,1,HOLE_SIZE,HOLE_SIZE), 1 under a mask that fits the face."""
    return dilate(lay_mask(shape, HOLE_SIZE, seed)[None], HOLE_DILATION)


def hole_shapes(folder: Path | None) -> Tensor:
    """The holes of a folder of occlusions (PNG, white where hidden, aligned): (M,HOLE_SIZE²/8) uint8."""
    files = [] if folder is None else sorted(folder.rglob("*.png"))
    rows = []
    for path in files:
        with Image.open(path) as picture:
            levels = np.asarray(picture.convert("L").resize((HOLE_SIZE, HOLE_SIZE), Image.Resampling.NEAREST))
        occlusion = torch.from_numpy((levels > 127).astype(np.float32))[None, None]
        rows.append(packed(dilate(occlusion, HOLE_DILATION)))
    return torch.from_numpy(np.array(rows, np.uint8).reshape(len(rows), HOLE_SIZE**2 // 8))


def packed(hole: Tensor) -> np.ndarray:
    """(1,1,HOLE_SIZE,HOLE_SIZE) -> (HOLE_SIZE²/8,) uint8."""
    return np.packbits(hole.flatten().numpy() > 0)


def unpacked(bits: Tensor, size: int) -> Tensor:
    """(B,HOLE_SIZE²/8) uint8 -> (B,1,size,size) float32, 1 wherever a pixel of the kept hole is."""
    shifts = torch.arange(7, -1, -1, device=bits.device)
    holes = ((bits[..., None] >> shifts) & 1).reshape(len(bits), 1, HOLE_SIZE, HOLE_SIZE).float()
    return F.adaptive_max_pool2d(holes, size)


def varied(holes: Tensor, random: torch.Generator) -> Tensor:
    """(B,1,S,S) -> the same shape: moved, bent, grown, and some without the chin; half of them hardly."""
    n, size, device = len(holes), holes.shape[-1], holes.device

    def uniform(*shape: int) -> Tensor:
        return 2 * torch.rand(*shape, generator=random, device=device) - 1

    strength = torch.rand(n, 1, 1, 1, generator=random, device=device).square()
    turn, scale = TURN * uniform(n), 1 + SCALE * uniform(n)
    moved = torch.zeros(n, 2, 3, device=device)
    moved[:, 0, 0] = moved[:, 1, 1] = scale * turn.cos()
    moved[:, 0, 1], moved[:, 1, 0] = -scale * turn.sin(), scale * turn.sin()
    moved[:, :, 2] = SHIFT * uniform(n, 2)
    still = torch.eye(2, 3, device=device).expand(n, 2, 3)
    grid = F.affine_grid(torch.lerp(still, moved, strength[:, 0]), list(holes.shape), align_corners=False)
    bent = WARP * torch.randn(n, 2, 5, 5, generator=random, device=device) * strength
    bent = F.interpolate(bent, size, mode="bicubic", align_corners=True).movedim(1, -1)
    found = (F.grid_sample(holes, grid + bent, align_corners=False) > 0.5).float()
    radius = int(np.random.default_rng(random.initial_seed()).integers(GROWN + 1)) * size // COARSE
    found = F.max_pool2d(found, 2 * radius + 1, 1, radius)
    rows = torch.arange(size, device=device)
    lowest = (found.amax((1, 3)) * rows).amax(1)
    cut = torch.rand(n, generator=random, device=device) < BARE_CHIN
    last = lowest - cut * torch.rand(n, generator=random, device=device) * 0.2 * size
    return found * (rows[None] <= last[:, None])[:, None, :, None]


def drawn(faces: Photographs, shapes: Tensor, count: int, random: torch.Generator, size: int) -> Given:
    """`count` of the faces, mirrored half of the time: half of the holes are drawn on the face itself, a quarter on
    another one, a quarter are among `shapes` (M,HOLE_SIZE²/8) if there are any; all vary."""
    device = faces.pictures.device

    def below(end: int) -> Tensor:
        return torch.randint(end, (count,), generator=random, device=device)

    indices = below(len(faces))
    kind = torch.rand(count, generator=random, device=device)
    owner = torch.where(kind < 0.5, indices, below(len(faces)))
    bits = faces.holes[owner, below(faces.holes.shape[1])]
    if len(shapes):
        bits = torch.where((kind > 0.75)[:, None], shapes[below(len(shapes))], bits)
    mirrored = (torch.rand(count, 1, 1, 1, generator=random, device=device) < 0.5).float()
    clean = as_pictures(faces.pictures[indices])
    clean = torch.lerp(clean, clean.flip(-1), mirrored)
    holes = unpacked(bits, size)
    return Given(clean, varied(torch.lerp(holes, holes.flip(-1), mirrored), random), faces.coarse[indices])


def held_out(faces: Photographs, size: int) -> Given:
    """All of them with their first holes as they are."""
    return Given(as_pictures(faces.pictures), unpacked(faces.holes[:, 0], size), faces.coarse)


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

    @classmethod
    def build(cls, resolution: int, device: torch.device) -> Prior:
        generator = MobileStyleGAN.build(MobileStyleGANConfig(), resolution)
        w = sample_w(generator, torch.device("cpu"))
        axes, inverse = (one.float().contiguous() for one in principal_axes(w.double()))
        group = LatentEncoder(GROUPS, generator.num_ws).group_of_layers()
        generator.compute_in(torch.bfloat16)
        return cls(generator.to(device), w.mean(0).to(device), axes.to(device), inverse.to(device), group.to(device))

    @torch.no_grad()
    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Random faces' w, (count,groups,w_dim): half are one person's throughout, in the others the finer groups are
        another's from a random one on (style mixing)."""
        device = self.mean.device
        z = torch.randn(2 * count, self.generator.z_dim, generator=random, device=device)
        psi = PSI[0] + (PSI[1] - PSI[0]) * torch.rand(2 * count, 1, generator=random, device=device)
        one, other = (self.mean + psi * (self.generator.map(z) - self.mean)).chunk(2)
        groups = len(GROUPS)
        first = torch.randint(1 - groups, groups, (count, 1), generator=random, device=device)
        first = torch.where(first <= 0, groups, first)
        fine = torch.arange(groups, device=device) >= first
        return torch.where(fine[..., None], other[:, None], one[:, None])

    def render(self, w: Tensor) -> Tensor:
        """w (B,groups,w_dim) -> (B,3,H,W), not clamped."""
        return self.generator.synthesize(w[:, self.layer_group][:, : self.generator.num_active_ws])


@torch.no_grad()
def rendered(
    prior: Prior, faces: Photographs, shapes: Tensor, count: int, random: torch.Generator
) -> tuple[Given, Tensor]:
    """People of the prior with the holes of photographs, and their w (count,groups,w_dim)."""
    w = prior.draw(count, random)
    clean = prior.render(w).clamp(-1, 1)
    holes = drawn(faces, shapes, count, random, clean.shape[-1]).hole
    return Given(clean, holes, torch.zeros(count, dtype=torch.bool, device=clean.device)), w


def joined(one: Given, other: Given) -> Given:
    """Both batches as one."""
    parts = ((one.clean, other.clean), (one.hole, other.hole), (one.coarse, other.coarse))
    return Given(*(torch.cat(pair) for pair in parts))


def near(hole: Tensor, scale: float) -> Tensor:
    """`unmask.projection.objective.proximity` of what is not the hole, on the device: distances are those of a grid of
    32 cells a side, along rows and columns. (B,1,S,S) -> the same."""
    cells = 32
    reached = F.adaptive_max_pool2d(hole, cells)
    distance = torch.zeros_like(reached)
    for _ in range(cells):
        distance = distance + (1 - reached)
        reached = F.max_pool2d(reached, 3, 1, 1)
    weight = 0.3 + 0.7 * torch.exp(-0.5 * (distance * (256 / cells) / scale).square())
    return F.interpolate(weight, hole.shape[-1], mode="bilinear", align_corners=False)


def as_pictures(levels: Tensor) -> Tensor:
    """uint8 -> float32 in [-1,1]."""
    return levels.float() / 127.5 - 1


def _levels(path: Path, size: int) -> tuple[np.ndarray, bool]:
    """(3,size,size) uint8, and whether it was enlarged for being small."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    small = picture.width < HOLE_SIZE
    if picture.width != size:
        way = Image.Resampling.BICUBIC if picture.width < size else Image.Resampling.BOX
        picture = picture.resize((size, size), way)
    return np.asarray(picture).transpose(2, 0, 1), small


def _seed(id: str, mask: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{id}/{mask}".encode()).digest()[:4], "big")
