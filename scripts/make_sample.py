"""Make `data/sample`: synthetic people, rendered with the face prior, with face masks drawn on them.

    python scripts/make_sample.py

Seeds are taken in ascending order, and the id is `synthetic-` and the seed. A seed is dropped only if its landmarks
are not those of an aligned face, as told by `implausible`; no method ever sees the pictures before they are
chosen. The layout is that of FFHQ and MaskedFace-Net, so `data=sample` reads it as it reads the real ones.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.progress import Progress
from torch import Tensor

from unmask.config import MobileStyleGANConfig
from unmask.data.facemask import FaceShape, colour_of, draw_mask, implausible
from unmask.faceanalysis import landmarks106, main_face
from unmask.files import atomic_path, write_text
from unmask.generators.mobilestylegan import MobileStyleGAN
from unmask.images import load_image, save_image, to_uint8

RENDER_SIZE = 1024
JPEG_QUALITY = 92
MEAN_SAMPLES = 10_000

README = """# Sample

{count} synthetic people. Nobody shown here exists.

| folder | what it is |
|---|---|
| `ffhq/00000/synthetic-NNNNN.jpg` | clean face, {size} x {size} |
| `cmfd/00000/synthetic-NNNNN_Mask.jpg` | the same face with a drawn surgical mask |
| `occlusion/00000/synthetic-NNNNN.png` | 8-bit, 255 where cloth or ear loops hide the face, 0 elsewhere |

Made by `python scripts/make_sample.py`: w = mean + {psi} (map(z) - mean), with z from the seed that is the number in
the id, rendered at 1024 x 1024 by MobileStyleGAN. The mask is drawn at that size by `unmask.data.facemask`; then
everything is scaled to {size} with Lanczos and saved as JPEG with quality {quality}. Seeds that gave no aligned face
were dropped: {dropped}.

The faces come from the very generator that the projection inverts. Results on them show that the program works, and say
nothing about real photographs.

## Licence

The masks, maps and scripts are under the project's licence. The faces were rendered with weights distilled from
NVIDIA's StyleGAN2 for FFHQ ([weights and licences](../../docs/weights.md)): use them for non-commercial research only.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("data/sample"), help="folder to write")
    parser.add_argument("--count", type=int, default=48, help="how many people")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures, in pixels")
    parser.add_argument("--psi", type=float, default=0.7, help="truncation")
    parser.add_argument("--renders", type=Path, help="keep the 1024 renders in this folder and use those there")
    options = parser.parse_args()

    dropped: list[str] = []
    with Progress() as progress:
        task = progress.add_task("people", total=options.count)
        made = 0
        for seed, clean in rendered(options.psi, options.renders):
            reason = make_pair(seed, clean, options.out, options.size)
            if reason is None:
                made += 1
                progress.advance(task)
            else:
                dropped.append(f"{seed:05d} ({reason})")
            if made == options.count:
                break
    text = README.format(
        count=options.count,
        size=options.size,
        psi=options.psi,
        quality=JPEG_QUALITY,
        dropped=", ".join(dropped) or "none",
    )
    write_text(options.out / "README.md", text)


@torch.inference_mode()
def rendered(psi: float, renders: Path | None) -> Iterator[tuple[int, Tensor]]:
    """Seeds 0, 1, 2, ... and their faces (3,1024,1024) in [-1,1], from `renders` where they are there."""
    generator = MobileStyleGAN.build(MobileStyleGANConfig(), RENDER_SIZE)
    many = torch.randn(MEAN_SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(0))
    mean = generator.map(many).mean(0, keepdim=True)
    for seed in itertools.count():
        path = None if renders is None else renders / f"{seed:05d}.png"
        if path is not None and path.is_file():
            yield seed, load_image(path)
            continue
        z = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(seed))
        w = mean + psi * (generator.map(z) - mean)
        (face,) = generator.synthesize_full(w[:, None].expand(-1, generator.num_ws, -1))
        if path is not None:
            save_image(face, path)
        yield seed, face.contiguous()


def make_pair(seed: int, clean: Tensor, out: Path, size: int) -> str | None:
    """Write the three pictures of a seed; returns why not where its landmarks are implausible."""
    (face,) = main_face(clean[None])
    if face is None:
        return "no face found"
    points = landmarks106(clean, face).points
    reason = implausible(points, clean.shape[-1])
    if reason is not None:
        return reason
    drawn = draw_mask(clean, FaceShape.from_106(points), colour=colour_of(seed), seed=seed)
    folder, name = f"{seed // 1000 * 1000:05d}", f"synthetic-{seed:05d}"  # ids of their own: FFHQ has the plain numbers
    for path, picture in (
        (out / "ffhq" / folder / f"{name}.jpg", clean),
        (out / "cmfd" / folder / f"{name}_Mask.jpg", drawn.masked),
    ):
        with atomic_path(path) as temporary:
            scaled = Image.fromarray(to_uint8(picture)).resize((size, size), Image.Resampling.LANCZOS)
            # full colour resolution, for halved colour would carry the mask's edge into the visible face
            scaled.save(temporary, quality=JPEG_QUALITY, subsampling=0)
    with atomic_path(out / "occlusion" / folder / f"{name}.png") as temporary:
        occlusion = Image.fromarray(drawn.occlusion[0].numpy()).resize((size, size), Image.Resampling.BOX)
        Image.fromarray(np.where(np.asarray(occlusion) >= 0.5, 255, 0).astype(np.uint8)).save(temporary, optimize=True)
    return None


if __name__ == "__main__":
    main()
