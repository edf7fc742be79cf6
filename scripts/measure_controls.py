"""What is asked of the controls against what the pictures show, as JSON, and as curves.

    python scripts/measure_controls.py experiment=feed_forward data=ffhq_cmfd data.root=/path/to/pairs data.limit=24
    python scripts/measure_controls.py --controls mouth_open --pictures FOLDER --plot controls.png data.limit=8

Each picture is unmasked as expected and with each value of each control. A control is judged on the composites: the
correlation and slope of measured over asked, over all pictures and values; what the raw picture's visible part loses
(dB), and what identity and the hole lose, at each value against no wish. With --pictures it writes, for every picture,
a row of composites for each control, as expected first.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from PIL import Image
from rich.progress import track
from torch import Tensor

from unmask import data
from unmask.building import build_method, pick_device, typed
from unmask.config import RunConfig, register
from unmask.config_dir import config_dir
from unmask.evaluation.metrics import measure
from unmask.evaluation.truth import Truth
from unmask.faces import Faces
from unmask.images import to_uint8
from unmask.making.join import join
from unmask.methods.base import Method
from unmask.networks.face_embedding import FaceEmbedding
from unmask.projection.traits import Traits, face_in, load_traits
from unmask.run import seed_everything
from unmask.shared import Shared
from unmask.sweep.naming import register_resolvers

VALUES = {
    "mouth_open": (0.0, 0.06, 0.12, 0.18, 0.24),
    "smile": (-0.02, 0.03, 0.08, 0.13, 0.18),
    "beard": (0.0, 0.2, 0.4, 0.6, 0.8),
    "age": (10.0, 25.0, 40.0, 55.0, 70.0),
}
LOSSES = ("raw_visible/psnr", "identity/arcface", "hole/lpips")


def with_wish(settings: RunConfig, name: str, value: float) -> RunConfig:
    """The same settings with a value for one control."""
    wish: dict[str, Any] = {name: value}
    return replace(settings, method=replace(settings.method, **wish))


def seen(method: Method, faces: Faces, settings: RunConfig, traits: Traits, name: str) -> tuple[dict[str, Any], Tensor]:
    """What one picture shows of the attribute `name`, its metrics, and the composite (3,H,W)."""
    made = method.unmask(faces).to("cpu")
    composite = join(made.raw, faces, settings.occlusion)[0]
    assert faces.clean is not None, "controls are measured on pairs"
    truth = Truth.of(faces.masked[0], faces.clean[0])
    metrics = measure(raw=made.raw[0], composite=composite, occlusion=faces.occlusion[0], truth=truth)
    shown = float(traits.measure(composite[None], (name,), truth.face or face_in(faces.clean))[0])
    found: dict[str, Any] = {one: metrics[one].value for one in LOSSES}
    return found | {"shown": shown, "warned": bool(made.remarks)}, composite


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of one control: rows with the value asked for, what was seen, and what was lost."""
    asked, shown = (np.array([row[key] for row in rows]) for key in ("asked", "shown"))
    report: dict[str, Any] = {
        "correlation": float(np.corrcoef(asked, shown)[0, 1]),
        "slope": float(np.polyfit(asked, shown, 1)[0]),
        "mean error": float(np.abs(asked - shown).mean()),
        "warned": sum(row["warned"] for row in rows),
    }
    for value in sorted(set(asked.tolist())):
        here = [row for row in rows if row["asked"] == value]
        means = {name: float(np.mean([row["change"][name] for row in here])) for name in here[0]["change"]}
        report[f"{value:g}"] = {"shown": float(np.mean([row["shown"] for row in here])), "change": means}
    rows_of_losses = [row["change"] for row in rows]
    names = {name for row in rows_of_losses for name in row}
    report["change"] = {
        name: float(np.mean([row[name] for row in rows_of_losses if name in row])) for name in sorted(names)
    }
    return report


def plot(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0 * len(found), 3.0), dpi=80, layout="constrained")
    for column, (name, rows) in enumerate(found.items(), 1):
        axes = figure.add_subplot(1, len(found), column)
        for id in sorted({row["id"] for row in rows}):
            curve = sorted((row["asked"], row["shown"]) for row in rows if row["id"] == id)
            axes.plot(*zip(*curve, strict=True), color="tab:blue", alpha=0.35, linewidth=1)
        ends = VALUES[name][0], VALUES[name][-1]
        axes.plot(ends, ends, color="black", linestyle="--", linewidth=1)
        axes.set(title=name, xlabel="asked", ylabel="measured")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings of unmask.run")
    parser.add_argument("--controls", nargs="+", choices=VALUES, default=["mouth_open", "smile"])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    register()
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        settings = typed(compose("run", options.overrides))
    seed_everything(settings.seed)
    device = pick_device(settings.device)
    dataset = data.load_dataset(settings.data, settings.occlusion)
    network = FaceEmbedding.pretrained().to(device)
    traits, shared = load_traits(lambda: network), Shared()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in options.controls}
    rows: dict[tuple[str, str], list[Tensor]] = {}
    plain = build_method(settings, device, shared=shared)
    for name in options.controls:
        expected = {}
        for index in track(range(len(dataset)), description=f"{name} as expected"):
            expected[index] = seen(plain, dataset[index], settings, traits, name)
            rows[name, dataset[index].ids[0]] = [expected[index][1]]
        for value in VALUES[name]:
            wished = with_wish(settings, name, value)
            method = build_method(wished, device, shared=shared)
            for index in track(range(len(dataset)), description=f"{name}={value:g}"):
                faces = dataset[index]
                now, composite = seen(method, faces, settings, traits, name)
                before = expected[index][0]
                pairs = {one: (now[one], before[one]) for one in LOSSES}
                change = {one: a - b for one, (a, b) in pairs.items() if a is not None and b is not None}
                found[name].append(
                    {
                        "id": faces.ids[0],
                        "asked": value,
                        "shown": now["shown"],
                        "warned": now["warned"],
                        "change": change,
                    }
                )
                rows[name, faces.ids[0]].append(composite)
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
        for (name, id), pictures in rows.items():
            strip = np.concatenate([to_uint8(one) for one in pictures], 1)
            Image.fromarray(strip).save(options.pictures / f"{name}_{id}.jpg", quality=88)
    if options.plot is not None:
        plot(found, options.plot)
    print(json.dumps({"n": len(dataset), **{name: summary(each) for name, each in found.items()}}, indent=2))


if __name__ == "__main__":
    main()
