"""Fit the controls of a generator: the directions of w behind method.mouth_open, smile, beard and age.

    python scripts/fit_controls.py                                   # MobileStyleGAN's, to the file that ships
    python scripts/fit_controls.py generator=stylegan2 generator.checkpoint=FILE --out controls.safetensors
    python scripts/fit_controls.py --traits --faces DIR DIR --attributes CSV    # first, how beard and age are measured

The first two render random faces, measure each (`unmask.projection.traits`) and regress what they measured on w; a file
of one's own is named by method.controls=FILE. The third fits the linear map from face embeddings to beard and age that
they measure with, to aligned faces and a table of them with the columns id, beard (0 to 1) and age (years).
Prints, as JSON, how much of the variance the fit explains on held-out faces.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import get_class
from rich.progress import track
from torch import Tensor

from unmask.building import pick_device, typed
from unmask.config import register
from unmask.config_dir import config_dir
from unmask.data.attributes import Numbers, read_attributes
from unmask.data.scan import clean_id, find_files
from unmask.generators.base import Generator
from unmask.generators.mobilestylegan import CONTROLS_PATH
from unmask.images import load_image
from unmask.networks.face_embedding import LOOK, FaceEmbedding
from unmask.projection.control_fitting import measured_faces
from unmask.projection.controls import CONTROLS, RIDGE, fit_controls
from unmask.projection.latents import sample_w
from unmask.projection.traits import OF_THE_MOUTH, TRAITS_PATH, load_traits
from unmask.sweep.naming import register_resolvers
from unmask.terminal import progress_bar

HELD_OUT = 5
"""Every so many-th face is not learnt from, in the fit that is judged; the one that is kept learns from all."""
TRAITS_RIDGE = 300.0
"""Of the map from embeddings."""


def explained(names: tuple[str, ...], x: Tensor, attributes: Tensor, ridge: float) -> dict[str, float]:
    """Share of the variance of each attribute that is explained where it was not learnt from."""
    held = torch.arange(len(x)) % HELD_OUT == 0
    fitted = fit_controls(names, x[~held], attributes[~held], ridge)
    left = (attributes[held] - fitted.expected(x[held].float())).var(0)
    return dict(zip(names, (1 - left / attributes[held].var(0)).tolist(), strict=True))


@torch.no_grad()
def fit_traits(folders: list[Path], table: Path, out: Path) -> dict[str, float]:
    attributes = read_attributes(table)
    names = tuple(name for name in CONTROLS if name not in OF_THE_MOUTH)
    columns = [attributes.columns[name] for name in names]
    files = {id: path for folder in folders for id, path in find_files(folder, clean_id).files.items()}
    network = FaceEmbedding.pretrained()
    embeddings, labels = [], []
    for row, id in enumerate(track(attributes.ids, description="embed")):
        values = [column.values[row] for column in columns if isinstance(column, Numbers)]
        known = [value for value in values if value is not None]
        if id in files and len(known) == len(names):
            embeddings.append(network(load_image(files[id], LOOK)[None])[0])
            labels.append(torch.tensor(known))
    x, y = torch.stack(embeddings), torch.stack(labels)
    fit_controls(names, x, y, TRAITS_RIDGE).save(out, {"faces": len(x)})
    return explained(names, x, y, TRAITS_RIDGE)


@torch.no_grad()
def fit(generator: Generator, device: torch.device, faces: int, seed: int, out: Path) -> dict[str, float]:
    mean = sample_w(generator, device).mean(0)
    network = FaceEmbedding.pretrained().to(device)
    traits = load_traits(lambda: network)
    with progress_bar("render and measure", faces, enabled=True) as show:
        found = measured_faces(generator, mean, traits, count=faces, seed=seed, on_face=lambda done: show(done, ""))
    fit_controls(CONTROLS, found.w, found.attributes).save(out, {"faces": faces, "seed": seed})
    return explained(CONTROLS, found.w, found.attributes, RIDGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="generator=..., device=..., as of unmask.run")
    parser.add_argument("--samples", type=int, default=3000, help="faces to render")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--traits", action="store_true")
    parser.add_argument("--faces", type=Path, nargs="+", default=[])
    parser.add_argument("--attributes", type=Path)
    arguments = parser.parse_args()
    if arguments.traits:
        if not arguments.faces or arguments.attributes is None:
            parser.error("--traits needs --faces and --attributes")
        report = fit_traits(arguments.faces, arguments.attributes, arguments.out or TRAITS_PATH)
    else:
        register()
        register_resolvers()
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            settings = typed(compose("run", ["method=stylegan_proj", *arguments.overrides]))
        device = pick_device(settings.device)
        generator_class: type[Generator] = get_class(settings.generator._target_)
        generator = generator_class.build(settings.generator, settings.data.resolution).to(device)
        report = fit(generator, device, arguments.samples, arguments.seed, arguments.out or CONTROLS_PATH)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
