"""Five of the sample's people whose maps miss a bit of the face mask, filled without and with `occlusion.grow`.

    python scripts/make_remnants_picture.py docs/images/remnants.jpg

A light bar is drawn above the nose, outside the map, as face masks fitted by landmarks leave one. From left to right:
the picture with its map's border, the result without growing, and with it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from unmask.config_dir import sample_root
from unmask.images import load_image, to_uint8
from unmask.occlusion.painted import load_painted

SIZE = 256
PEOPLE = tuple(f"synthetic-{number:05d}" for number in (3, 8, 19, 27, 39))
BAR = (222, 222, 226)
CROP = np.s_[92:236, 48:208]


def main() -> None:
    """Make the pictures, run the program twice, and join what it made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = [make(id, root) for id in PEOPLE]
        for grow in ("false", "true"):
            run(root, grow)
        rows = [row(id, root, border) for id, border in zip(PEOPLE, made, strict=True)]
    Image.fromarray(np.concatenate(rows)).save(out, quality=80)


def make(id: str, root: Path) -> np.ndarray:
    """Write the masked picture and its map; the picture with the map's border drawn."""
    sample = Path(sample_root())
    picture = to_uint8(load_image(next((sample / "cmfd").rglob(f"{id}_Mask.*")), SIZE)).copy()
    region = load_painted(next((sample / "occlusion").rglob(f"{id}.*")), SIZE)[0].numpy() > 0
    middle = int(np.median(np.nonzero(region)[1]))
    top = int(np.nonzero(region[:, middle])[0].min())
    corners = [(-17, 0), (-6, -2), (8, -2), (18, 0), (8, 2), (-6, 2)]
    cv2.fillPoly(picture, [np.array([(middle + x, top - 7 + y) for x, y in corners], np.int32)], BAR, cv2.LINE_AA)
    for kind, name, pixels in (("cmfd", f"{id}_Mask.png", picture), ("occlusion", f"{id}.png", region)):
        (root / kind).mkdir(exist_ok=True)
        Image.fromarray(pixels if kind == "cmfd" else pixels.astype(np.uint8) * 255).save(root / kind / name)
    border = cv2.dilate(region.astype(np.uint8), np.ones((3, 3), np.uint8)) > region
    shown = picture.copy()
    shown[border] = (0, 200, 0)
    return shown


def run(root: Path, grow: str) -> None:
    """The encoder alone, into a directory named after `grow`."""
    words = ["experiment=feed_forward", "data=ffhq_cmfd", f"data.root={root}", "occlusion=painted", "progress=false"]
    words += ["evaluation.identity=false", "evaluation.expression=false", f"occlusion.grow={grow}"]
    subprocess.run([sys.executable, "-m", "unmask.run", *words, f"hydra.run.dir={root / grow}"], check=True)


def row(id: str, root: Path, shown: np.ndarray) -> np.ndarray:
    """Input, without, with; cut to the face and enlarged."""
    results = [to_uint8(load_image(root / grow / "composite" / f"{id}.png")) for grow in ("false", "true")]
    cells = [cv2.resize(one[CROP], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for one in (shown, *results)]
    return np.concatenate(cells, axis=1)


if __name__ == "__main__":
    main()
