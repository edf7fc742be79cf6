"""How soon a projection from one start fits the visible part as well as one from another does in the end, as JSON.

    python scripts/measure_starts.py data=ffhq_cmfd data.root=/path/to/pairs data.limit=12
    python scripts/measure_starts.py --start encoder --steps 30 --against mean --against-steps 150 data.limit=12
    python scripts/measure_starts.py --w-share 0 method.lr=0.2 data.limit=12     # both in W+ from the first step, fast

The visible loss is that of pixels and features at a step. Both starts have the same schedule but for its length.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from statistics import fmean

from hydra import compose, initialize_config_dir
from rich.progress import track

from unmask import data
from unmask.building import build_method, pick_device, typed
from unmask.config import register
from unmask.config_dir import config_dir
from unmask.faces import Faces, StepReport
from unmask.methods.base import Method
from unmask.results.bootstrap import mean_interval
from unmask.run import seed_everything
from unmask.sweep.naming import register_resolvers

VISIBLE = ("pixel", "perceptual")


def visible_losses(method: Method, faces: Faces) -> list[float]:
    """Of one picture, at every step."""
    found: list[float] = []

    def keep(report: StepReport) -> None:
        found.append(sum(float(report.losses[name]) for name in VISIBLE))

    method.unmask(faces, on_step=keep)
    return found


def reached(curves: list[list[float]], loss: float) -> int | None:
    """The first step, from 1, at which the mean over the pictures is at most `loss`; None: at none."""
    means = (fmean(values) for values in zip(*curves, strict=True))
    return next((step for step, mean in enumerate(means, 1) if mean <= loss), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", default="encoder", help="method.init")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--against", default="mean", help="method.init of the other")
    parser.add_argument("--against-steps", type=int, default=150)
    parser.add_argument("--w-share", type=float, default=2 / 3, help="share of the steps in W, before those in W+")
    parser.add_argument("overrides", nargs="*", help="settings of unmask.run")
    options = parser.parse_args()
    register()
    register_resolvers()
    found: dict[str, list[list[float]]] = {}
    for init, steps in ((options.start, options.steps), (options.against, options.against_steps)):
        name = f"{init}, {steps} steps"
        in_w = int(steps * options.w_share + 1e-9)
        schedule = [f"method.init={init}", f"method.w_steps={in_w}", f"method.steps={steps - in_w}"]
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            settings = typed(compose("run", [*options.overrides, *schedule, "method.shrink_full=false"]))
        seed_everything(settings.seed)
        dataset = data.load_dataset(settings.data, settings.occlusion)
        method = build_method(settings, pick_device(settings.device))
        found[name] = [visible_losses(method, dataset[i]) for i in track(range(len(dataset)), description=name)]
    curves, against_curves = found.values()
    ours, theirs = ([curve[-1] for curve in each] for each in (curves, against_curves))
    answer = {
        "n": len(ours),
        **{name: asdict(mean_interval(losses)) for name, losses in zip(found, (ours, theirs), strict=True)},
        "at least as good in": sum(a <= b for a, b in zip(ours, theirs, strict=True)),
        f"steps from {options.against} to the same mean loss": reached(against_curves, fmean(ours)),
    }
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
