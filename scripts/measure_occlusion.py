"""How well face masks are found: against given maps, as JSON.

    python scripts/measure_occlusion.py --root /path/to/pairs               # cmfd/ and occlusion/, as data.root
    python scripts/measure_occlusion.py --root /path/to/pairs --source landmarks
    python scripts/measure_occlusion.py --root DIR --masked images --maps labels --paint 2      # 2 is the face mask
    python scripts/measure_occlusion.py --root DIR --masked ffhq --empty                        # faces without a mask

Painted maps are the truth here and never the answer. IoU is intersection over union; seconds are wall time of the whole
finder, its check against landmarks included, on --threads threads.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from unmask.config import OcclusionConfig, OcclusionSource
from unmask.files import atomic_path
from unmask.images import load_image, to_uint8
from unmask.occlusion import OcclusionFinder, build
from unmask.occlusion.painted import load_painted

PICTURES = (".jpg", ".jpeg", ".png")
LOW = 0.75
"""IoU below which a picture ought to be doubted."""


@dataclass(frozen=True)
class Row:
    """One picture: its name, IoU (of an empty truth: 1 if nothing was found, else 0), doubt, and time in seconds."""

    name: str
    iou: float
    doubt: str | None
    seconds: float


def pictures(options: argparse.Namespace) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, picture (3,H,W) in [-1,1] and truth (1,H,W)."""
    files = sorted(path for path in (options.root / options.masked).rglob("*") if path.suffix.lower() in PICTURES)
    files = [path for path in files if options.contains in path.name][: options.limit]
    maps = {path.stem: path for path in (options.root / options.maps).rglob("*.png")}
    for path in track(files, description="find", console=Console(stderr=True)):
        picture = load_image(path, options.resolution)
        size = picture.shape[-1]
        if options.empty:
            yield path.stem, picture, torch.zeros(1, size, size)
            continue
        map_path = maps[path.stem.removesuffix("_Mask")]
        if options.paint is None:
            yield path.stem, picture, load_painted(map_path, size)
        else:
            label = Image.open(map_path).resize((size, size), Image.Resampling.NEAREST)
            yield path.stem, picture, torch.from_numpy((np.asarray(label) == options.paint).astype(np.float32))[None]


def measure(finder: OcclusionFinder, name: str, picture: Tensor, truth: Tensor) -> tuple[Row, Tensor]:
    started = time.perf_counter()
    found = finder.find(name, picture, None)
    seconds = time.perf_counter() - started
    either = float(found.occlusion.maximum(truth).sum())
    iou = float((found.occlusion * truth).sum()) / either if either else 1.0
    return Row(name, iou, found.doubt, seconds), found.occlusion


def summary(rows: list[Row]) -> dict[str, object]:
    """What is printed."""
    scores, times = np.array([row.iou for row in rows]), [row.seconds for row in rows]
    low = [row for row in rows if row.iou < LOW]
    worst = sorted(rows, key=lambda row: row.iou)[:10]
    return {
        "n": len(rows),
        "mean_iou": round(float(scores.mean()), 4),
        "min_iou": round(float(scores.min()), 4),
        "percentile_5": round(float(np.quantile(scores, 0.05)), 4),
        "below_0.75": len(low),
        "below_0.75_without_warning": sum(row.doubt is None for row in low),
        "warnings": sum(row.doubt is not None for row in rows),
        "warnings_though_above_0.75": sum(row.doubt is not None and row.iou >= LOW for row in rows),
        "seconds_median": round(float(np.median(times)), 4),
        "worst": [{"name": row.name, "iou": round(row.iou, 3), "warning": row.doubt} for row in worst],
    }


def overlay(picture: Tensor, found: Tensor, truth: Tensor, row: Row) -> np.ndarray:
    """(H,2W,3) uint8: the picture, and on it what agrees (green), what was missed (blue) and what is too much (red)."""
    pixels = to_uint8(picture)
    ours, theirs = found[0].numpy() > 0.5, truth[0].numpy() > 0.5
    painted = pixels.astype(np.float64)
    for where, colour in ((ours & theirs, (0, 200, 0)), (theirs & ~ours, (0, 0, 255)), (ours & ~theirs, (255, 0, 0))):
        painted[where] = 0.5 * painted[where] + 0.5 * np.array(colour)
    canvas = np.ascontiguousarray(np.concatenate([pixels, painted.astype(np.uint8)], 1))
    text = f"{row.name} {row.iou:.2f}{' !' if row.doubt else ''}"
    cv2.putText(canvas, text, (3, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 0), 1, cv2.LINE_AA)
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--masked", default="cmfd", help="folder of pictures below the root")
    parser.add_argument("--maps", default="occlusion", help="folder of maps below the root, by the pictures' names")
    parser.add_argument("--paint", type=int, help="the maps hold labels, and this one is the face mask")
    parser.add_argument("--empty", action="store_true", help="there are no maps, for there is no face mask")
    parser.add_argument("--contains", default="", help="only pictures with this in their name")
    parser.add_argument("--source", choices=["auto", "landmarks"], default="auto")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--worst", type=Path, help="write a PNG of the worst pictures there")
    parser.add_argument("--every", type=int, help="show every so many-th picture in it instead")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    finder = build(OcclusionConfig(source=OcclusionSource[options.source]), {})
    rows, shown = [], []
    for name, picture, truth in pictures(options):
        row, found = measure(finder, name, picture, truth)
        rows.append(row)
        shown.append((picture, found, truth, row))
    if options.worst:
        chosen = shown[:: options.every] if options.every else sorted(shown, key=lambda one: one[3].iou)
        cells = [overlay(*one) for one in chosen[:24]]
        cells += [np.zeros_like(cells[0])] * (-len(cells) % 3)
        grid = np.concatenate([np.concatenate(cells[i : i + 3], 1) for i in range(0, len(cells), 3)])
        with atomic_path(options.worst) as temporary:
            Image.fromarray(grid).save(temporary)
    print(json.dumps(summary(rows), indent=2))


if __name__ == "__main__":
    main()
