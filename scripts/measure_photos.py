"""How well faces in photos are found, aligned and unmasked, where the truth is known; as JSON.

    python scripts/measure_photos.py find --pairs P --faces F --photos D       # are they found, and nothing else
    python scripts/measure_photos.py align --pairs P --photos D                # frames against the true ones
    python scripts/measure_photos.py sample [--method stylegan_proj]           # the sample's people in scenes
    python scripts/measure_photos.py photos --photos D [--method ...]          # real photos with drawn masks

P holds pairs as data.root does; F aligned clean faces; D photos/ (N.jpg and N-with-mask.jpg), photos_occlusion/ (N.png)
and photos_quads.json (the clean photos' own frames). Errors are mean distances of the corners in pixels of the true
frame at 256. Metrics are taken in the true frame at the photo's own size, at most 512 pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor

from unmask.alignment import Quad, corner_error, crop, find_faces, frame_of, paste, render_for
from unmask.building import build_method, pick_device
from unmask.config import RunConfig
from unmask.config_dir import sample_root
from unmask.data.facemask import FaceShape, colour_of, draw_mask
from unmask.data.landmarks import locate_faces
from unmask.data.scan import clean_id, find_files
from unmask.errors import UnmaskError
from unmask.evaluation.metrics import FaceMetrics, measure
from unmask.evaluation.truth import Truth
from unmask.faceanalysis import Detection
from unmask.faces import Faces
from unmask.images import dilate, from_uint8, load_image, to_uint8
from unmask.methods.base import Method
from unmask.occlusion import AutoOcclusion, grown
from unmask.photos.scene import Placed, backdrop, compose, marked, quad_at
from unmask.photos.settings import METHODS, settings_of

NAMES = ("hole/psnr", "hole/lpips", "identity/arcface")
MOST_SIDE = 512
LOOKS = 2
"""Placements of each pair."""


@dataclass(frozen=True)
class Known:
    """A photo whose truth is known.

    Attributes:
        masked: (H,W,3) uint8; clean: the same without the mask, None where there is none.
        occlusion: (H,W) bool, None where it is not known.
        quad: the true frame.
    """

    name: str
    masked: np.ndarray
    quad: Quad
    clean: np.ndarray | None = None
    occlusion: np.ndarray | None = None


def placed_pairs(root: Path) -> Iterator[Known]:
    """Each masked picture of the pairs, turned up to 40 degrees and scaled, in drawn backgrounds of several sizes."""
    random = np.random.default_rng(3)
    for path in sorted((root / "cmfd").rglob("*.jpg")):
        picture = np.asarray(Image.open(path).convert("RGB"))
        for look in range(LOOKS):
            height, width = int(random.integers(600, 1200)), int(random.integers(600, 1600))
            side = 256 * float(np.exp(random.uniform(np.log(0.35), np.log(1.6))))
            x, y = (length / 2 + random.uniform(-40, 40) for length in (width, height))
            quad = quad_at(x, y, side, random.uniform(-40, 40))
            # hard edges: what fades away at the frame would be missing in a photo, too
            photo = compose(backdrop(height, width, int(random.integers(1_000_000))), [Placed(picture, quad)], soft=0.0)
            yield Known(f"{path.stem}/{look}", photo, quad)


def photos_with_truth(folder: Path) -> Iterator[Known]:
    for name, entry in json.loads((folder / "photos_quads.json").read_text()).items():
        files = [folder / "photos" / entry[kind] for kind in ("masked", "clean")]
        masked, clean = (np.asarray(Image.open(file).convert("RGB")) for file in files)
        occlusion = np.asarray(Image.open(folder / "photos_occlusion" / f"{name}.png").convert("L")) > 127
        yield Known(name, masked, Quad.of_corners(np.array(entry["quad_tl_bl_br_tr"])), clean, occlusion)


def sample_scenes() -> Iterator[Known]:
    """The sample's people, scaled by 0.2 to 4, turned up to 40 degrees, some of them cut by the border."""
    root = Path(sample_root())
    random = np.random.default_rng(5)
    for index, path in enumerate(sorted((root / "cmfd").rglob("*.jpg"))):
        id = path.stem.removesuffix("_Mask")
        pictures = [
            np.asarray(Image.open(one))
            for one in (path, root / "ffhq" / "00000" / f"{id}.jpg", root / "occlusion" / "00000" / f"{id}.png")
        ]
        side = 256 * float(np.exp(random.uniform(np.log(0.2), np.log(4))))
        height, width = int(max(480, 1.5 * side)), int(max(640, 2 * side))
        x, y = (random.uniform(0.6 * side, length - 0.6 * side) for length in (width, height))
        if index % 6 == 0:  # cut by the border
            x, y = 0.3 * side, 0.4 * side
        quad = quad_at(x, y, side, random.uniform(-40, 40))
        background = backdrop(height, width, index)
        masked, clean = (compose(background, [Placed(one, quad)]) for one in pictures[:2])
        yield Known(id, masked, quad, clean, marked(height, width, [Placed(pictures[2], quad)]))


def nearest(faces: tuple[Detection, ...], quad: Quad) -> Detection | None:
    """The face at `quad`, None where it was not found."""

    def away(face: Detection) -> float:
        return float(np.linalg.norm((face.box[:2] + face.box[2:]) / 2 - quad.centre))

    face = min(faces, key=away, default=None)
    return face if face is not None and away(face) < 0.3 * quad.side else None


def find(options: argparse.Namespace) -> dict[str, object]:
    """Faces lost, and faces found where there are none."""
    result: dict[str, object] = {}
    if options.pairs:
        known = list(track(placed_pairs(options.pairs), description="placements", total=240))
        lost = [one.name for one in known if nearest(find_faces(one.masked), one.quad) is None]
        result["placements"] = {"n": len(known), "lost": lost}
    if options.faces:
        result["aligned"] = _find_aligned(options.faces)
    if options.photos:
        parts = list(_without_people(options.photos))
        drawn = [backdrop(600, 900, seed) for seed in range(max(0, 60 - len(parts)))]
        false = [name for name, part in parts if find_faces(part)]
        false += [f"drawn {seed}" for seed, part in enumerate(drawn) if find_faces(part)]
        result["without people"] = {"n": len(parts) + len(drawn), "of these drawn": len(drawn), "found in": false}
    return result


def _find_aligned(root: Path) -> dict[str, object]:
    """Aligned faces with drawn masks."""
    files = find_files(root, clean_id).files
    search = locate_faces(root, files, progress=True)
    whole, lost, drawn = Quad(np.full(2, 127.5), np.array([128.0, 0.0])), [], 0
    for face in track(search.faces, description="aligned"):
        seed = int.from_bytes(hashlib.sha256(f"{face.id}/0".encode()).digest()[:4], "big")
        shape = FaceShape.from_106(face.points_at(256))
        try:
            one = draw_mask(load_image(face.path, 256), shape, colour=colour_of(seed), seed=seed)
        except UnmaskError:
            continue
        drawn += 1
        if nearest(find_faces(to_uint8(one.masked)), whole) is None:
            lost.append(face.id)
    return {"n": drawn, "no mask could be drawn on": len(files) - drawn, "lost": lost}


def _without_people(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The largest part of each photo beside its person; somebody else may be in it, so look at what is found."""
    for name, entry in json.loads((folder / "photos_quads.json").read_text()).items():
        photo = np.asarray(Image.open(folder / "photos" / entry["clean"]).convert("RGB"))
        corners = np.array(entry["quad_tl_bl_br_tr"])
        low = np.maximum(corners.min(0), 0).astype(int)
        high = np.minimum(corners.max(0), photo.shape[1::-1]).astype(int)
        parts = (photo[:, : low[0]], photo[:, high[0] :], photo[: low[1]], photo[high[1] :])
        part = max(parts, key=lambda one: one.shape[0] * one.shape[1])
        if min(part.shape[:2]) >= 40:
            yield name, part


def align(options: argparse.Namespace) -> dict[str, object]:
    """Frames against the true ones."""
    result: dict[str, object] = {}
    sets: list[tuple[str, Callable[[], Iterator[Known]]]] = []
    if options.pairs:
        sets.append(("placements", lambda: placed_pairs(options.pairs)))
    if options.photos:
        sets.append(("photos", lambda: photos_with_truth(options.photos)))
    for name, known in sets:
        rows = []
        for one in track(list(known()), description=name):
            face = nearest(find_faces(one.masked), one.quad)
            if face is not None:
                rows.append((frame_of(one.masked, face), one.quad))
        result[name] = errors(rows)
    return result


def errors(rows: list[tuple[Quad, Quad]]) -> dict[str, float]:
    """Of found frames against true ones: corners, and position, scale and turn apart."""
    corners = np.array([corner_error(found, true) for found, true in rows])
    shift = [np.linalg.norm(found.centre - true.centre) / true.side * 256 for found, true in rows]
    scale = [abs(np.log(found.side / true.side)) * 100 for found, true in rows]
    turn = [abs(found.turn - true.turn) for found, true in rows]
    numbers = {
        "corners mean": corners.mean(),
        "corners median": np.median(corners),
        "corners 95th percentile": np.quantile(corners, 0.95),
        "shift px": np.mean(shift),
        "scale %": np.mean(scale),
        "turn degrees": np.mean(turn),
    }
    return {"n": len(rows)} | {name: round(float(value), 2) for name, value in numbers.items()}


def unmask_at(one: Known, quad: Quad, method: Method, settings: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """The photo unmasked in this frame (H,W,3), and what was filled (H,W); as `unmask.photos.Unmasker` does it."""
    masked = from_uint8(crop(one.masked, quad, 256))
    occlusion = AutoOcclusion().find("0", masked, None).occlusion
    filled = grown(masked, occlusion)[None]
    faces = Faces(("0",), masked[None], occlusion[None], dilate(filled, settings.occlusion.dilate), grown=filled)
    made = method.unmask(faces)
    full = None if made.full is None else made.full[0].cpu()
    pasted = paste(one.masked, quad, render_for(quad, made.raw[0].cpu(), full), filled[0], settings.occlusion)
    result, changed = one.masked.copy(), np.zeros(one.masked.shape[:2], bool)
    pasted.onto(result)
    pasted.mark(changed)
    return result, changed


def score(one: Known, result: np.ndarray) -> dict[str, float | None]:
    """Metrics in the true frame at the photo's own size."""
    assert one.clean is not None and one.occlusion is not None
    size = int(np.clip(round(one.quad.side), 64, MOST_SIDE))

    def framed(picture: np.ndarray) -> Tensor:
        return from_uint8(crop(picture, one.quad, size))

    hidden = crop(one.occlusion.astype(np.float32), one.quad, size)
    composite, masked, clean = framed(result), framed(one.masked), framed(one.clean)
    measured = measure(
        raw=composite,
        composite=composite,
        occlusion=torch.from_numpy((hidden > 0.5).astype(np.float32))[None],
        truth=Truth.of(masked, clean),
        faces=FaceMetrics(identity=True, expression=False),
    )
    return {name: measured[name].value for name in NAMES}


def telea(one: Known) -> np.ndarray:
    """Filled from its border by OpenCV."""
    assert one.occlusion is not None
    reach = max(1, round(4 * one.quad.side / 256))
    hole = cv2.dilate(one.occlusion.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8))
    return np.asarray(cv2.inpaint(one.masked, hole, max(3, 5 * one.quad.side / 256), cv2.INPAINT_TELEA))


def score_all(known: list[Known], options: argparse.Namespace) -> dict[str, object]:
    """The found frame, the true one, and the floors."""
    settings = settings_of(options.method, 1, ())
    method = build_method(settings, pick_device(settings.device))
    kinds = ("found frame", "true frame", "copy", "telea")
    scores: dict[str, list[dict[str, float | None]]] = {kind: [] for kind in kinds}
    frames, seconds, skipped = [], [], []
    for one in track(known, description=options.method):
        face = nearest(find_faces(one.masked), one.quad)
        if face is None:
            skipped.append(one.name)
            continue
        started = time.perf_counter()
        quad = frame_of(one.masked, face)
        found, changed = unmask_at(one, quad, method, settings)
        seconds.append(time.perf_counter() - started)
        assert np.array_equal(found[~changed], one.masked[~changed]), f"{one.name}: other pixels changed"
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            clean = one.clean if one.clean is not None else one.masked
            Image.fromarray(np.concatenate([one.masked, found, clean], 1)).save(options.out / f"{one.name}.png")
        frames.append((quad, one.quad))
        scores["found frame"].append(score(one, found))
        scores["true frame"].append(score(one, unmask_at(one, one.quad, method, settings)[0]))
        scores["copy"].append(score(one, one.masked))
        scores["telea"].append(score(one, telea(one)))
    means = {kind: {name: mean([row[name] for row in rows]) for name in NAMES} for kind, rows in scores.items()}
    return {
        "method": options.method,
        "n": len(frames),
        "not found": skipped,
        "frames": errors(frames),
        "seconds median": round(float(np.median(seconds)), 2),
    } | means


def mean(values: list[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return round(float(np.mean(numbers)), 4) if numbers else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["find", "align", "sample", "photos"])
    parser.add_argument("--pairs", type=Path, help="folder of pairs")
    parser.add_argument("--faces", type=Path, help="folder of aligned clean faces")
    parser.add_argument("--photos", type=Path, help="folder of photos and their truth")
    parser.add_argument("--method", choices=METHODS, default="feed_forward")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--out", type=Path, help="write masked, result and clean side by side there")
    options = parser.parse_args()
    result: dict[str, object]
    if options.what == "find":
        result = find(options)
    elif options.what == "align":
        result = align(options)
    else:
        known = sample_scenes() if options.what == "sample" else photos_with_truth(options.photos)
        result = score_all(list(known)[: options.limit], options)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
