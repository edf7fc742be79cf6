"""Make docs/images/controls.jpg: one synthetic person of the sample with other mouths, and with a beard.

    python scripts/make_controls_picture.py                     # synthetic-00009
    python scripts/make_controls_picture.py synthetic-00003 --method feed_forward --out row.jpg

From left to right: masked, as expected, mouth closed, wide open, smiling, bearded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from picture_row import save_row
from unmask.building import build_method, pick_device
from unmask.config import DataConfig
from unmask.config_dir import sample_root
from unmask.data import load_dataset
from unmask.making.join import join
from unmask.photos.settings import FRAME, METHODS, settings_of
from unmask.shared import Shared

WISHES = ((), ("mouth_open=0", "smile=0.04"), ("mouth_open=0.28",), ("smile=0.18",), ("beard=0.4",))
"""What is asked for in each picture but the first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("id", nargs="?", default="synthetic-00009")
    parser.add_argument("--method", choices=METHODS, default="stylegan_proj")
    parser.add_argument("--out", type=Path, default=Path("docs/images/controls.jpg"))
    options = parser.parse_args()

    shown: list[Tensor] = []
    shared = Shared()
    for wishes in WISHES:
        settings = settings_of(
            options.method, 1, ("method.render_full=false", "occlusion=painted", *(f"method.{one}" for one in wishes))
        )
        data = DataConfig(root=str(sample_root()), ids=[options.id], resolution=FRAME)
        faces = load_dataset(data, settings.occlusion)[0]
        method = build_method(settings, pick_device("auto"), shared=shared)
        shown = shown or [faces.masked]
        shown.append(join(method.unmask(faces).to("cpu").raw, faces, settings.occlusion))
    save_row(shown, options.out)


if __name__ == "__main__":
    main()
