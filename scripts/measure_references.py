"""What other photographs of the person are worth, as JSON.

    python scripts/measure_references.py oracle P            # pairs as data.root: the clean picture is the reference
    python scripts/measure_references.py people F            # what scripts/same_people.py wrote
    python scripts/measure_references.py photos S            # real photos, a folder per person, with masks laid on them

Each picture is unmasked without references, with one, with up to three, and with somebody else's (the next picture's);
the oracle has one. With --method, experiment and so on as for photos; --set gives further options of a run, such as
method.lambda_identity_references=5. Differences are those of each picture to itself without references.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from unmask.building import build_method, pick_device
from unmask.config import DataConfig
from unmask.data import load_dataset
from unmask.data.facemask import FaceShape, colour_of, draw_mask
from unmask.data.references import Known, load_reference
from unmask.data.strangers import strangers
from unmask.evaluation.metrics import FaceMetrics, measure
from unmask.evaluation.truth import Truth
from unmask.faceanalysis import landmarks106, main_face
from unmask.faces import Faces
from unmask.files import atomic_path
from unmask.images import dilate, to_uint8
from unmask.making.join import join
from unmask.photos.settings import FRAME, METHODS, settings_of
from unmask.results.bootstrap import mean_interval
from unmask.seeds import hashed

NAMES = ("identity/arcface", "identity/sface", "hole/psnr", "hole/lpips")
MOST = 3
"""References of a person."""


@dataclass(frozen=True)
class Person:
    """One picture to unmask, with its truth.

    Attributes:
        references: other photographs of the person.
        group: people of one group are the same one.
    """

    faces: Faces
    references: Tensor
    group: str


def of_pairs(root: Path, count: int) -> Iterator[Person]:
    """Pairs whose clean picture is the reference."""
    for faces in _loaded(root, count):
        assert faces.clean is not None
        yield Person(faces, faces.clean, faces.ids[0])


def of_people(root: Path, count: int) -> Iterator[Person]:
    for faces in _loaded(root, count):
        files = sorted((root / "references" / faces.ids[0]).iterdir())
        known = [load_reference(path, FRAME, aligned=True).pictures for path in files[:MOST]]
        yield Person(faces, torch.cat(known), faces.ids[0])


def of_photos(root: Path, count: int) -> Iterator[Person]:
    """Each photo in its frame, with a drawn mask; the references are the person's other photos."""
    made = 0
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = sorted(folder.iterdir())
        pictures = [load_reference(path, FRAME).pictures for path in files]
        for index, (path, clean) in enumerate(zip(files, pictures, strict=True)):
            (face,) = main_face(clean)
            assert face is not None, path
            id = f"{folder.name}/{path.stem}"
            shape = FaceShape.from_106(landmarks106(clean[0], face).points)
            drawn = draw_mask(clean[0], shape, colour=colour_of(index), seed=hashed(id, 4))
            occlusion = drawn.occlusion[None]
            faces = Faces((id,), drawn.masked[None], occlusion, dilate(occlusion, 4.0), clean)
            others = pictures[index + 1 :] + pictures[:index]
            yield Person(faces, torch.cat(others[:MOST]), folder.name)
            made += 1
            if made == count:
                return


def _loaded(root: Path, count: int) -> Iterator[Faces]:
    settings = settings_of("feed_forward", 1, ("occlusion=painted",))
    dataset = load_dataset(DataConfig(root=str(root), limit=count, resolution=FRAME), settings.occlusion)
    return (dataset[index] for index in range(len(dataset)))


SOURCES: dict[str, Callable[[Path, int], Iterator[Person]]] = {
    "oracle": of_pairs,
    "people": of_people,
    "photos": of_photos,
}


def conditions(people: list[Person], index: int) -> dict[str, Tensor]:
    """Name -> the references (R,3,H,W) of person number `index`."""
    own = people[index]
    stranger = next(
        other for other in people[index + 1 :] + people[:index] if other.group != own.group or len(people) == 1
    )
    found = {"none": own.references[:0], "1": own.references[:1]}
    if len(own.references) > 1:
        found["up to 3"] = own.references
    return {**found, "somebody else's": stranger.references}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=SOURCES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--method", choices=METHODS, default="feed_forward")
    parser.add_argument("--count", type=int, default=24, help="pictures at most")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--only", action="append", help="only these conditions, beside none; see above for names")
    parser.add_argument("--grid", type=Path, help="write masked, reference, without, with and clean as a picture")
    options = parser.parse_args()

    torch.set_grad_enabled(options.method != "feed_forward")
    overrides = ("method.render_full=false", *options.overrides)
    settings = settings_of(options.method, 1, overrides)
    method = build_method(settings, pick_device("cpu"))
    people = list(SOURCES[options.kind](options.folder, options.count))
    scores: dict[str, dict[int, dict[str, float]]] = {}
    told: dict[str, int] = {}
    rows = []
    for index in track(range(len(people)), description=options.method, console=Console(stderr=True)):
        one = people[index]
        assert one.faces.clean is not None
        truth = Truth.of(one.faces.masked[0], one.faces.clean[0])
        shown = {}
        for name, references in conditions(people, index).items():
            if options.only and name not in ("none", *options.only):
                continue
            names = tuple(map(str, range(len(references))))
            told[name] = told.get(name, 0) + len(
                strangers(Known(references, names), one.faces.masked, one.faces.visible)
            )
            made = method.unmask(replace(one.faces, references=(references,)))
            composite = join(made.raw, one.faces, settings.occlusion)
            found = measure(
                raw=made.raw[0],
                composite=composite[0],
                occlusion=one.faces.occlusion[0],
                truth=truth,
                faces=FaceMetrics(expression=False),
            )
            values = {key: found[key].value for key in NAMES}
            scores.setdefault(name, {})[index] = {k: float("nan") if v is None else v for k, v in values.items()}
            shown[name] = composite[0]
        best = shown.get("up to 3", shown.get("1", shown["none"]))
        rows.append([one.faces.masked[0], one.references[0], shown["none"], best, one.faces.clean[0]])
    if options.grid is not None:
        with atomic_path(options.grid) as temporary:
            grid = np.concatenate([np.concatenate([to_uint8(one) for one in row], 1) for row in rows])
            Image.fromarray(grid).save(temporary)
    print(json.dumps(report(options, scores, told, len(people)), indent=2))


def report(
    options: argparse.Namespace, scores: dict[str, dict[int, dict[str, float]]], told: dict[str, int], n: int
) -> dict[str, object]:
    """Means, and differences to no references with their intervals."""
    answer: dict[str, object] = {"kind": options.kind, "method": options.method, "set": options.overrides, "n": n}
    for name, rows in scores.items():
        means = {key: round(float(np.nanmean([row[key] for row in rows.values()])), 4) for key in NAMES}
        entry: dict[str, object] = {**means, "n": len(rows), "told to be of somebody else": told[name]}
        if name != "none":
            for key in NAMES[:2]:
                apart = [row[key] - scores["none"][index][key] for index, row in rows.items()]
                entry[f"{key} more"] = asdict(mean_interval([one for one in apart if np.isfinite(one)]))
        answer[name] = entry
    return answer


if __name__ == "__main__":
    main()
