"""How soon a projection from one start fits the visible part as well as one from another does in the end, as JSON.

    python scripts/measure_starts.py data=ffhq_cmfd data.root=/path/to/pairs data.limit=12
    python scripts/measure_starts.py --start encoder --steps 30 --against mean --against-steps 150 data.limit=12

Two thirds of the steps are in W, the others in W+. The visible loss is that of pixels and features after the last step.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from hydra import compose, initialize_config_dir
from rich.progress import track

from unmask import data
from unmask.config import register
from unmask.config_dir import config_dir
from unmask.evaluation.bootstrap import mean_interval
from unmask.faces import Faces
from unmask.methods.base import Method, StepReport
from unmask.run import build_method, pick_device, seed_everything, typed
from unmask.sweep.naming import register_resolvers

VISIBLE = ("pixel", "perceptual")


def visible_loss(method: Method, faces: Faces) -> float:
    """After the last step, of one picture."""
    last: list[StepReport] = []

    def keep(report: StepReport) -> None:
        last[:] = [report]

    method.unmask(faces, on_step=keep)
    return sum(float(last[0].losses[name]) for name in VISIBLE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", default="encoder", help="method.init")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--against", default="mean", help="method.init of the other")
    parser.add_argument("--against-steps", type=int, default=150)
    parser.add_argument("overrides", nargs="*", help="settings of unmask.run")
    options = parser.parse_args()
    register()
    register_resolvers()
    found: dict[str, list[float]] = {}
    for init, steps in ((options.start, options.steps), (options.against, options.against_steps)):
        name = f"{init}, {steps} steps"
        schedule = [f"method.init={init}", f"method.w_steps={steps * 2 // 3}", f"method.steps={steps - steps * 2 // 3}"]
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            settings = typed(compose("run", [*options.overrides, *schedule, "method.shrink_full=false"]))
        seed_everything(settings.seed)
        dataset = data.load_dataset(settings.data, settings.occlusion)
        method = build_method(settings, pick_device(settings.device))
        found[name] = [visible_loss(method, dataset[i]) for i in track(range(len(dataset)), description=name)]
    ours, theirs = found.values()
    answer = {
        "n": len(ours),
        **{name: asdict(mean_interval(losses)) for name, losses in found.items()},
        "at least as good in": sum(a <= b for a, b in zip(ours, theirs, strict=True)),
    }
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
