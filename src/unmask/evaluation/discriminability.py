"""Can a linear classifier tell generated pictures from real ones? P-IDS and U-IDS.

Zhao et al. 2021 (CoModGAN, arXiv:2103.10428, section 4): a linear support vector machine is fitted to the features of
real and generated pictures and asked about the same ones. As in the authors' program it is scikit-learn's
`LinearSVC(dual=False)` with all else at its defaults, on features as they are. The paper's features are those of the
Inception network; with others say which.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Discriminability:
    """Both scores, 0 (always told apart) to .5 (not at all); higher is better.

    Attributes:
        p_ids: share of pairs whose generated picture seems more real than its own real one.
        u_ids: share of all pictures that the classifier takes for the other kind.
        warning: why the numbers mean little, if they do.
    """

    p_ids: float
    u_ids: float
    warning: str | None = None


def discriminability(generated: np.ndarray, real: np.ndarray) -> Discriminability:
    """Both scores of features (n,d) and (n,d), where row i of both belongs to one picture.

    A hyperplane in d dimensions parts 2n points in general position however they are labelled as long as
    2n ≤ d + 1, and half of all labellings up to 2n = 2 (d + 1) (Cover 1965). Up to there the scores are near 0 for any
    two sets, and the result has a warning.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    n, width = real.shape
    assert generated.shape == real.shape, f"{generated.shape} and {real.shape} are not pairs"
    assert n > 0, "no pictures"
    remarks = []
    if n <= width + 1:
        remarks.append(
            f"{n} pairs are too few for {width} features: up to {width + 1} a plane parts nearly any two sets"
        )
    machine = LinearSVC(dual=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        machine.fit(np.concatenate([real, generated]), np.repeat([1, 0], n))
    if any(issubclass(one.category, ConvergenceWarning) for one in caught):
        remarks.append(f"the classifier was not fitted to the end in {machine.max_iter} iterations")
    of_real, of_generated = machine.decision_function(real), machine.decision_function(generated)
    mistaken = np.concatenate([of_real <= 0, of_generated > 0])
    return Discriminability(
        p_ids=float(np.mean(of_generated > of_real)),
        u_ids=float(np.mean(mistaken)),
        warning="; ".join(remarks) or None,
    )
