"""Make docs/images/references.jpg: a synthetic person unmasked without and with other pictures of the same person.

    python scripts/same_people.py --out people --count 24
    python scripts/make_references_picture.py people synthetic-05003

From left to right: masked, two references, without them, with all of them, and the truth; the default projection.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from unmask.building import build_method, pick_device
from unmask.config import DataConfig
from unmask.data import load_dataset
from unmask.data.references import load_reference
from unmask.files import atomic_path
from unmask.images import to_uint8
from unmask.making.join import join
from unmask.photos.settings import FRAME, METHODS, settings_of

SIDE = 200
"""Of each picture, in pixels."""
GAP = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what scripts/same_people.py wrote")
    parser.add_argument("id")
    parser.add_argument("--method", choices=METHODS, default="stylegan_proj")
    parser.add_argument("--out", type=Path, default=Path("docs/images/references.jpg"))
    options = parser.parse_args()

    settings = settings_of(options.method, 1, ("method.render_full=false", "occlusion=painted"))
    data = DataConfig(root=str(options.folder), ids=[options.id], resolution=FRAME)
    faces = load_dataset(data, settings.occlusion)[0]
    assert faces.clean is not None
    files = sorted((options.folder / "references" / options.id).iterdir())
    known = torch.cat([load_reference(path, FRAME, aligned=True).pictures for path in files])
    method = build_method(settings, pick_device("auto"))
    made = [join(method.unmask(replace(faces, references=(some,))).raw, faces, settings.occlusion)
            for some in (known[:0], known)]  # fmt: skip
    shown = [faces.masked, known[:1], known[1:2], *made, faces.clean]
    row = np.full((SIDE, len(shown) * (SIDE + GAP) - GAP, 3), 255, np.uint8)
    for place, picture in enumerate(shown):
        small = Image.fromarray(to_uint8(picture[0])).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        row[:, place * (SIDE + GAP) : place * (SIDE + GAP) + SIDE] = np.asarray(small)
    with atomic_path(options.out) as temporary:
        Image.fromarray(row).save(temporary, quality=85, optimize=True)


if __name__ == "__main__":
    main()
