"""A run of several answers, held against the truth: is it among them as often as it should be?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch

from unmask import faceanalysis
from unmask.errors import UnmaskError
from unmask.evaluation.calibration import Calibration, calibration, covered_in_hole, covered_mouth
from unmask.evaluation.calibration_picture import draw_calibration
from unmask.evaluation.metrics import scored_hole
from unmask.evaluation.truth import Truth
from unmask.faces import Original
from unmask.files import write_json
from unmask.images import load_image
from unmask.results.pictures import Hidden, written_samples

PIXELS = "pixels of the hole"
TABLE, PICTURE = "calibration.json", "calibration.png"


def calibrate(
    folder: Path, originals: Iterable[Original], hidden: Callable[[str], Hidden], *, samples: int = 2000, seed: int = 0
) -> dict[str, Calibration]:
    """Write calibration.json and calibration.png into a run directory, and return the tables by measure.

    Of the pixels inside the hole, and of how far the mouth opens, how wide it is and how much it smiles.

    Args:
        originals: the run's pictures, with clean ones.
        hidden: where a picture's face mask is, by id.
        samples, seed: of the bootstrap over people.
    Raises:
        UnmaskError: the run has one answer to each picture, or as many as differ from picture to picture.
    """
    rows: dict[str, list[np.ndarray]] = {}
    counts: set[int] = set()
    for original in originals:
        truth, answers = Truth(original), [load_image(path) for path in written_samples(folder, original.id)]
        counts.add(len(answers))
        if len(counts) > 1 or len(answers) < 2:
            raise UnmaskError(
                f"{folder}: number of answers to {original.id}: {len(answers)}. It takes several, as many to every "
                "picture; run with method.num_samples=8, say."
            )
        assert truth.clean is not None, "there are clean pictures"
        where = scored_hole(hidden(original.id).occlusion)
        rows.setdefault(PIXELS, []).append(covered_in_hole(truth.clean, torch.stack(answers), where))
        for name, covered in _mouth(truth, answers).items():
            rows.setdefault(name, []).append(covered)
    (count,) = counts
    tables = {
        name: calibration(np.stack(found), count, samples=samples, seed=seed)
        for name, found in rows.items()
        if np.isfinite(found).any()
    }
    write_json(folder / TABLE, {name: _plain(table) for name, table in tables.items()})
    draw_calibration(tables, folder / PICTURE)
    return tables


def _mouth(truth: Truth, answers: list[torch.Tensor]) -> Mapping[str, np.ndarray]:
    """NaN where the clean picture has no face."""
    if truth.face is None:
        return dict.fromkeys(("opening", "width", "smile"), np.full(len(answers) // 2, np.nan))
    mouths = [faceanalysis.mouth_of(faceanalysis.landmarks106(one, truth.face).points) for one in answers]
    return covered_mouth(truth.mouth, mouths)


def _plain(table: Calibration) -> dict[str, object]:
    return {
        "answers": table.answers,
        "people": table.people,
        "nominal": table.nominal.tolist(),
        "observed": table.observed.tolist(),
        "ci95": [list(ends) for ends in zip(table.low.tolist(), table.high.tolist(), strict=True)],
    }
