"""docs/extending.md is followed to the letter in a copy of the project, and what it promises is there.

All blocks of the page are applied, and all its commands given, with settings that make them quick. One process gives
them, since starting one takes seconds.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.command import QUICK, write_pair_tree
from unmask.evaluation.metrics import scored_hole
from unmask.images import load_image

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = ("A method", "A learner", "A generator", "A metric", "A data set", "An occlusion source")
SIZE = 32
PAIRS = ("data.root=pairs", *QUICK, "wait=true")
RUNS: dict[str, tuple[str, ...]] = {
    "A method": (*PAIRS, "data.limit=2"),
    "A learner": (
        *PAIRS, "training.max_steps=60", "training.validate_every=30", "training.validation_pictures=1",
        "training.log_every=10", "training.monitor=hole/psnr", "training.num_workers=0",
    ),
    "A generator": (
        *PAIRS, "data.limit=2", "method.w_steps=20", "method.steps=40", "method.w_lr=0.1", "method.lr=0.1",
        "method.lambda_anchor=0", "method.focus=0", "method.layer_shrinkage=0", "method.compile=false",
    ),
    "A data set": (*QUICK[1:], "method=copy"),
    "An occlusion source": (*PAIRS, "data.limit=2", "method=copy"),
}  # fmt: skip
"""What makes the page's commands quick."""
DRIVER = """
import json, sys
from unmask import measure, run
for arguments in json.loads(sys.argv[1]):
    sys.argv = [arguments[0], *arguments[1:]]
    try:
        code = {"unmask.run": run.main, "unmask.measure": measure.main}[arguments[0]]()
    except SystemExit as ending:
        code = ending.code
    if code:
        sys.exit(f"{arguments}: {code}")
"""

pytestmark = [pytest.mark.weights, pytest.mark.slow]


@dataclass(frozen=True)
class Block:
    """A fenced block: of a file, its path and content; of additions, what precedes them and what is added."""

    language: str
    text: str

    def apply(self, root: Path) -> None:
        """Do what the block says."""
        first, rest = self.text.split("\n", 1)
        if self.language == "diff":
            path = root / first.removeprefix("--- ")
            lines = rest.splitlines()
            before = [line[1:] for line in lines if not line.startswith("+")]
            added = [line[1:] for line in lines if line.startswith("+")]
            assert [line[:1] for line in lines] == [*(" " * len(before)), *("+" * len(added))], self.text
            anchor, source = "\n".join(before) + "\n", path.read_text(encoding="utf-8")
            assert source.count(anchor) == 1, f"{path.name} has these lines {source.count(anchor)} times:\n{anchor}"
            path.write_text(source.replace(anchor, anchor + "\n".join(added) + "\n"), encoding="utf-8")
        else:
            path = root / first.removeprefix("# ")
            assert not path.exists(), path
            path.write_text(rest, encoding="utf-8")


def blocks(section: str) -> Iterator[Block]:
    text = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (body,) = (one for one in text if one.startswith(f"{section}\n"))
    for language, content in re.findall(r"^```(\w*)\n(.*?)^```$", body, flags=re.MULTILINE | re.DOTALL):
        yield Block(language, content)


def command(section: str) -> list[str]:
    (only,) = (block.text for block in blocks(section) if not block.language)
    python, dash, *arguments = shlex.split(only)
    assert (python, dash) == ("python", "-m")
    return arguments


def copy_project(target: Path) -> None:
    """Source and configuration; what is large is linked."""
    shutil.copytree(ROOT / "configs", target / "configs")
    shutil.copytree(
        ROOT / "src", target / "src", ignore=shutil.ignore_patterns("__pycache__"), copy_function=os.symlink
    )
    for path in (target / "src").rglob("*.py"):
        original = path.resolve()
        path.unlink()
        shutil.copy(original, path)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's commands were given, each run in a folder called as its section."""
    here = tmp_path_factory.mktemp("extending")
    copy_project(here / "project")
    write_pair_tree(here / "pairs", 12, size=SIZE)
    for name, index in (("anna", 0), ("ben", 1)):
        for folder, source in (("photos", f"ffhq/00000/{index:05d}.png"), ("maps", f"occlusion/00000/{index:05d}.png")):
            (here / folder).mkdir(exist_ok=True)
            file = f"{name}.png" if folder == "photos" else f"{index + 1}.png"
            shutil.copy(here / "pairs" / source, here / folder / file)
        Image.open(here / f"pairs/cmfd/00000/{index:05d}_Mask.jpg").save(here / "photos" / f"{name} with mask.png")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}

    def give(*commands: list[str]) -> None:
        words = [sys.executable, "-c", DRIVER, json.dumps(commands)]
        done = subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout

    give(["unmask.run", "method=copy", *PAIRS, "data.limit=2", "hydra.run.dir=outputs/RUN"])  # by the version before
    for section in SECTIONS:
        for block in blocks(section):
            if block.language:
                block.apply(here if block.language == "csv" else here / "project")
    environment["PYTHONPATH"] = str(here / "project" / "src")
    learner = [*command("A learner"), *RUNS["A learner"]]
    still = [*command("A generator"), *RUNS["A generator"], "method.w_steps=0", "method.steps=0"]
    give(
        *([*command(section), *settings, f"hydra.run.dir={section}"] for section, settings in RUNS.items()),
        [*learner, "method.checkpoint=A learner", "hydra.run.dir=again"],
        [*still, "hydra.run.dir=still"],
        command("A metric"),
    )
    return here


def mean(run: Path, metric: str) -> float:
    return float(json.loads((run / "metrics.json").read_text())["metrics"][metric]["mean"])


def levels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(float)


def test_the_sections_are_those_followed() -> None:
    assert tuple(re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)) == SECTIONS


def test_a_method(followed: Path) -> None:
    picture, masked = levels(followed / "A method/raw/00000.png"), levels(followed / "pairs/cmfd/00000/00000_Mask.jpg")
    filled = np.abs(picture - masked).max(2) > 30
    assert 50 < filled.sum() < SIZE**2 / 2
    colour = masked[:12].reshape(-1, 3).min(0), masked[:12].reshape(-1, 3).max(0)
    inside = picture[filled]
    assert (np.ptp(inside, axis=0) == 0).all(), "one colour"
    assert (colour[0] <= inside[0]).all() and (inside[0] <= colour[1]).all(), "which the visible part has"


def test_a_learner(followed: Path) -> None:
    lines = [json.loads(line) for line in (followed / "A learner/scalars.jsonl").read_text().splitlines()]
    losses = [line["value"] for line in lines if line["tag"] == "objective/l1"]
    assert len(losses) == 6
    assert losses[-1] < 0.7 * losses[0]
    written = sorted((followed / "A learner/composite").glob("*.png"))
    assert written
    for path in written:
        assert np.array_equal(levels(path), levels(followed / "again/composite" / path.name))


def test_a_generator(followed: Path) -> None:
    assert mean(followed / "A generator", "raw_visible/psnr") > mean(followed / "still", "raw_visible/psnr") + 1


def test_a_metric(followed: Path) -> None:
    run, expected = followed / "outputs/RUN", []
    for id in ("00000", "00001"):
        occlusion = (load_image(run / f"occlusion/{id}.png")[:1] > 0).float()
        hole = scored_hole(occlusion)[0].numpy() > 0
        clean = levels(followed / f"pairs/ffhq/00000/{id}.png")
        expected.append(np.abs(levels(run / f"composite/{id}.png") - clean)[hole].mean())
    assert mean(run, "hole/l1") == pytest.approx(np.mean(expected))
    with (run / "metrics.csv").open() as file:
        assert [float(row["hole/l1"]) for row in csv.DictReader(file)] == pytest.approx(expected)
    assert mean(followed / "A method", "hole/l1") > 0


def test_a_data_set(followed: Path) -> None:
    report = json.loads((followed / "A data set/metrics.json").read_text())
    assert report["n"] == 2
    assert {path.stem for path in (followed / "A data set/composite").iterdir()} == {"anna", "ben"}
    assert mean(followed / "A data set", "hole/psnr") > 0, "there are clean pictures"


def test_an_occlusion_source(followed: Path) -> None:
    kept = load_image(followed / "An occlusion source/occlusion/00001.png")
    assert torch.equal(kept[0] > 0, (torch.arange(SIZE) >= SIZE // 2)[:, None].expand(SIZE, SIZE))
    assert "taken for the face mask, unseen" in (followed / "An occlusion source/run.log").read_text()
