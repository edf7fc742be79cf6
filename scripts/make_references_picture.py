"""Make docs/images/references.jpg: a synthetic person unmasked without and with other pictures of the same person.

    python scripts/same_people.py --out people --count 24
    python scripts/make_references_picture.py people synthetic-05003

From left to right: masked, two references, without them, with all of them, and the truth; the default projection.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from picture_row import save_row
from unmask.building import build_method, pick_device
from unmask.config import DataConfig
from unmask.data import load_dataset
from unmask.data.references import load_reference
from unmask.making.join import join
from unmask.photos.settings import FRAME, METHODS, settings_of


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
    save_row(shown, options.out)


if __name__ == "__main__":
    main()
