"""The image contract: inside the program pictures are float32 RGB NCHW in [-1,1]; uint8 exists only here."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from unmask.decoding import Decoded, open_picture, to_rgb
from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.kinds import Shrink


def load_image(path: Path, resolution: int | None = None) -> Tensor:
    """Read a picture as (3,H,W) float32 RGB in [-1,1], scaled to `resolution`² with Lanczos if it differs.

    Raises:
        UnmaskError: the file is missing, damaged, no picture, too large, or (with `resolution`) not square.
    """
    return load_with_notes(path, resolution)[0]


def load_with_notes(path: Path, resolution: int | None = None) -> tuple[Tensor, tuple[str, ...]]:
    """The same, and what the user should know of how it was decoded, as sentences that name the file."""
    decoded = _decoded(path)
    picture = decoded.rgb
    if resolution is not None and picture.size != (resolution, resolution):
        if picture.width != picture.height:
            raise UnmaskError(
                f"{path}: {picture.width}x{picture.height} is not square. If it is a photo that is not aligned as "
                "FFHQ's are, set data.align=true, or use python -m unmask.photos."
            )
        picture = picture.resize((resolution, resolution), Image.Resampling.LANCZOS)
    return from_uint8(np.asarray(picture)), _named(decoded, path)


def load_levels(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The picture as it is, (H,W,3) uint8 RGB, and the same notes and errors."""
    decoded = _decoded(path)
    return np.asarray(decoded.rgb), _named(decoded, path)


def _decoded(path: Path) -> Decoded:
    opened = open_picture(path)
    try:
        return to_rgb(opened)
    except UnmaskError as error:
        raise UnmaskError(f"{path}: cannot be read as a picture ({error}).") from error


def _named(decoded: Decoded, path: Path) -> tuple[str, ...]:
    return tuple(f"{path.name}: {note}" for note in decoded.notes)


def save_image(image: Tensor, path: Path) -> None:
    """Write a (3,H,W) picture in [-1,1] (clamped) to `path`, atomically, in the format of its suffix."""
    save_levels(to_uint8(image), path)


def save_levels(levels: np.ndarray, path: Path) -> None:
    """Write (H,W) or (H,W,3) uint8 to `path`, atomically, in the format of its suffix."""
    with atomic_path(path) as temporary:
        Image.fromarray(levels).save(temporary)


def from_uint8(pixels: np.ndarray) -> Tensor:
    """(H,W,3) uint8 -> (3,H,W) float32 in [-1,1]."""
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1).contiguous() / 127.5 - 1.0


def to_uint8(image: Tensor) -> np.ndarray:
    """(3,H,W) float in [-1,1] (clamped) -> (H,W,3) uint8, rounded to nearest."""
    scaled = (image.detach().float().clamp(-1.0, 1.0) + 1.0) * 127.5
    return scaled.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def resize(images: Tensor, resolution: int) -> Tensor:
    """(B,C,H,W) -> (B,C,resolution,resolution), bicubic with antialiasing; differentiable."""
    if images.shape[-2:] == (resolution, resolution):
        return images
    return F.interpolate(images, (resolution, resolution), mode="bicubic", antialias=True, align_corners=False)


def shrink(images: Tensor, resolution: int, kind: Shrink) -> Tensor:
    """(B,C,H,W) -> (B,C,resolution,resolution), no larger; differentiable."""
    return F.adaptive_avg_pool2d(images, resolution) if kind is Shrink.area else resize(images, resolution)


def blur(images: Tensor, sigma: float) -> Tensor:
    """(B,C,H,W) -> the same shape, by a Gaussian of `sigma` pixels at 256 (scaled with H)."""
    from torchvision.transforms.functional import gaussian_blur  # heavy to import

    pixels = sigma * images.shape[-1] / 256.0
    return gaussian_blur(images, [2 * math.ceil(3 * pixels) + 1] * 2, [pixels] * 2)


def dilate(occlusion: Tensor, radius: float) -> Tensor:
    """Grow a binary (B,1,H,W) map by a disc of `radius` pixels at 256 (scaled with H); exact Euclidean distance."""
    pixels = radius * occlusion.shape[-1] / 256.0
    if pixels <= 0:
        return occlusion
    return (depth(1.0 - occlusion) <= pixels).to(occlusion.dtype)


def depth(region: Tensor) -> Tensor:
    """Distance to the nearest pixel outside `region` (B,1,H,W), in pixels: (B,1,H,W).

    0 outside the region, and infinite where there is no outside.
    """
    import cv2  # only the edges need it

    found = []
    for one in region:
        inside = (one[0].cpu().numpy() > 0.5).astype(np.uint8)
        if inside.all():
            distance = np.full(inside.shape, np.inf, np.float32)
        else:
            distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float32)
        found.append(torch.from_numpy(distance)[None])
    return torch.stack(found).to(region.device)
