"""What tests of the command line share: settings, made-up pairs, and its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

QUICK = (
    "data=ffhq_cmfd",
    "data.resolution=32",
    "evaluation.identity=false",
    "evaluation.expression=false",
    "device=cpu",
    "progress=false",
)
"""Settings of runs whose numbers do not matter."""


def write_pair_tree(root: Path, count: int, *, size: int = 32, clean: bool = True) -> Path:
    """`count` made-up pairs laid out as FFHQ and MaskedFace-Net, ids 00000 and on, with painted occlusions.

    Without clean pictures no metric needs pretrained weights, and a run takes no time.
    """
    for index in range(count):
        coarse = np.random.default_rng(index).integers(40, 215, (4, 4, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        box = (size // 4, size // 2, 3 * size // 4, 7 * size // 8)
        occlusion = Image.new("L", (size, size))
        occlusion.paste(255, box)
        masked = picture.copy()
        masked.paste((120, 220, 250), box)
        files = {"cmfd": f"{index:05d}_Mask.jpg", "occlusion": f"{index:05d}.png"}
        if clean:
            files["ffhq"] = f"{index:05d}.png"
        for (folder, name), image in zip(files.items(), (masked, occlusion, picture), strict=False):
            path = root / folder / "00000" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
    return root


@dataclass(frozen=True)
class Answer:
    """What a command answered; paths in `out` are never broken over lines."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]
"""``python -m unmask.run ARGUMENTS`` in this process; see `unmask_cli`."""


def succeed(answer: Answer) -> str:
    """The stdout of a command that ended well."""
    assert answer.code == 0, answer.err
    return answer.out
