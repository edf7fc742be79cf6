"""Faces with face masks laid on them, to train networks on: those of the prior, and photographs of clean faces.

What is made is kept in a folder and made only once. Everything random derives from a seed.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor

from unmask.compilation import compile_if_possible
from unmask.config import DataConfig, MobileStyleGANConfig, Split
from unmask.data.facemask import FaceShape, lay_mask
from unmask.data.landmarks import locate_faces
from unmask.data.scan import clean_id, find_files
from unmask.data.splits import select
from unmask.faceanalysis import landmarks106
from unmask.faceanalysis.detector import Detection
from unmask.files import atomic_path
from unmask.generators.mobilestylegan import PICTURE_MODEL_PATH, MobileStyleGAN
from unmask.images import dilate, load_image
from unmask.projection.encoder import SIZE, LatentEncoder
from unmask.projection.latents import sample_w
from unmask.projection.regression import PictureModel
from unmask.projection.spaces import principal_axes
from unmask.tensorfiles import read_safetensors

log = logging.getLogger(__name__)
Kind = TypeVar("Kind", bound="MaskedFaces")

GROUPS = (0, 4, 10)
"""First layers of the coarse (4 and 8 pixels), middle (16 and 32) and fine styles (Karras et al. 2019)."""
RENDER_SIZE = 256
PSI = (0.5, 1.0)
FIRST_SEED = 900_000
"""Of the rendered people: none of them is in data/sample or learnt from by other networks."""
SHARD = 256
WEARERS = 8
"""Faces in a row that wear the same mask: all are aligned, so one that is laid on the first fits the others too."""
HELD_OUT = 16
"""Every so many-th rendered face is not learnt from."""
HOLE_DILATION = 4.0
"""From occlusion to hole in pixels at 256, the default of occlusion.dilate."""
BOX = Detection(np.array([0.2, 0.2, 0.78, 0.88]) * RENDER_SIZE, 1.0, np.zeros((5, 2)))
"""Where an aligned face is, roughly; the landmark network needs no better."""
RIDGE = 1.5e-4
"""Of the linear model, the default of method.regression_ridge."""


@dataclass(frozen=True)
class MaskedFaces:
    """
    Attributes:
        pictures: (N,3,SIZE,SIZE) uint8, clean.
        holes: (N,SIZE,SIZE) bool, where the face mask may not be looked at.
        expected: (N,w_dim) float16, what the linear picture model says of each.
    """

    pictures: Tensor
    holes: Tensor
    expected: Tensor

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class RenderedFaces(MaskedFaces):
    """
    Attributes:
        w: (N,groups,w_dim) float16, what they were rendered from.
    """

    w: Tensor

    @property
    def learnt_from(self) -> Tensor:
        """(n,) indices."""
        return torch.tensor([i for i in range(len(self)) if i // WEARERS % HELD_OUT])

    @property
    def held_out(self) -> Tensor:
        """(m,) indices; these faces' masks are not learnt from either."""
        return torch.tensor([i for i in range(len(self)) if i // WEARERS % HELD_OUT == 0])


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
def rendered_faces(folder: Path, count: int, seed: int) -> RenderedFaces:
    """People of the prior, kept below `folder`; `count` is rounded up to whole files."""
    shards = [folder / f"faces_{index:03d}.safetensors" for index in range(math.ceil(count / SHARD))]
    missing = [index for index, path in enumerate(shards) if not path.is_file()]
    prior = Prior.build(RENDER_SIZE) if missing else None
    model = PictureModel.load(PICTURE_MODEL_PATH)
    for shard in missing:
        assert prior is not None
        rows = []
        for index in track(range(shard * SHARD, (shard + 1) * SHARD), description=f"render {shard + 1}/{len(shards)}"):
            random = torch.Generator().manual_seed(FIRST_SEED + seed * 1_000_003 + index)
            w = prior.draw(random)
            picture = prior.render(w[None]).clamp(-1, 1)
            if index % WEARERS == 0:
                points = (landmarks106(picture[0], BOX).points + 0.5) * SIZE / RENDER_SIZE - 0.5
                hole = hole_of(points, index)
            small = F.adaptive_avg_pool2d(picture, SIZE)
            rows.append((*_row(small, hole, model), w.half()))
        _save(rows, RenderedFaces, shards[shard])
    return _load(shards, RenderedFaces)


@torch.no_grad()
def photographed_faces(folder: Path, root: Path, part: Split, masks: int) -> MaskedFaces:
    """The aligned clean faces below `root` in this part of the split, with so many masks each; kept below `folder`.

    Those of the train part are there mirrored too.
    """
    kept = folder / f"photographs_{part.value}_{masks}.safetensors"
    if not kept.is_file():
        files = find_files(root, clean_id).files
        data = DataConfig()
        fractions = {"val_fraction": data.val_fraction, "test_fraction": data.test_fraction}
        ids = select(sorted(files), split=part, seed=data.split_seed, **fractions)
        model = PictureModel.load(PICTURE_MODEL_PATH)
        rows = []
        faces = locate_faces(root, {id: files[id] for id in ids}, progress=True).faces
        for face in track(faces, description=f"masks on photographs ({part.value})"):
            picture = F.adaptive_avg_pool2d(load_image(face.path, RENDER_SIZE)[None], SIZE)
            for mask in range(masks):
                seed = int.from_bytes(hashlib.sha256(f"{face.id}/{mask}".encode()).digest()[:4], "big")
                hole = hole_of(face.points_at(SIZE), seed)
                rows.append(_row(picture, hole, model))
                if part is Split.train:
                    rows.append(_row(picture.flip(-1), hole.flip(-1), model))
        _save(rows, MaskedFaces, kept)
    return _load([kept], MaskedFaces)


@dataclass(frozen=True)
class Photographs:
    """Faces to learn from, and others to tell how well that went."""

    learnt_from: MaskedFaces
    held_out: MaskedFaces


def photographed(folder: Path, root: Path, masks: int) -> Photographs:
    """The aligned clean faces below `root`, of which the val part is held out; kept below `folder`."""
    train, test = (photographed_faces(folder, root, part, masks) for part in (Split.train, Split.test))
    both = MaskedFaces(*(torch.cat([getattr(one, field.name) for one in (train, test)]) for field in fields(train)))
    return Photographs(both, photographed_faces(folder, root, Split.val, 1))


def hole_of(points: np.ndarray, seed: int) -> Tensor:
    """Landmarks (106,2) in pixels of a picture of SIZE -> (1,1,SIZE,SIZE), 1 under a mask that fits them."""
    return dilate(lay_mask(FaceShape.from_106(points), SIZE, seed)[None], HOLE_DILATION)


def as_pictures(levels: Tensor) -> Tensor:
    """uint8 -> float32 in [-1,1]."""
    return levels.float() / 127.5 - 1


def _row(picture: Tensor, hole: Tensor, model: PictureModel) -> tuple[Tensor, ...]:
    """(1,3,SIZE,SIZE) in [-1,1] and (1,1,SIZE,SIZE) -> what `MaskedFaces` keeps of one face."""
    levels = ((picture[0] + 1) * 127.5).round().to(torch.uint8)
    return levels, hole[0, 0] > 0, model.expected_w(picture, 1 - hole, ridge=RIDGE)[0].half()


def _save(rows: list[tuple[Tensor, ...]], kind: type[MaskedFaces], path: Path) -> None:
    names = [field.name for field in fields(kind)]
    columns = (torch.stack(column) for column in zip(*rows, strict=True))
    with atomic_path(path) as temporary:
        save_file(dict(zip(names, columns, strict=True)), temporary)


def _load(paths: list[Path], kind: type[Kind]) -> Kind:
    parts = [read_safetensors(path)[0] for path in paths]
    return kind(**{field.name: torch.cat([part[field.name] for part in parts]) for field in fields(kind)})
