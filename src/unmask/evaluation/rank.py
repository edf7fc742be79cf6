"""Is a generated face nearest to its own original among those of everybody?"""

from __future__ import annotations

import numpy as np

TIE = 1e-9
"""Cosines closer than this are the same: a matrix product may round equal columns differently."""
BLOCK = 256
"""Rows of the n x n cosines in memory at once."""


def rank1(generated: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Of each generated picture 1 if its own clean one is the nearest of all clean ones, else 0: (n,) float64.

    Nearest by the cosine. A tie is a miss: embeddings that are all the same recognise nobody. So is a second clean
    picture with exactly the own one's embedding; several pictures of one person should be in the list once. Chance is
    1/n, so the share depends on n, and only shares among the same pictures can be compared.

    NaN where a picture's generated or clean embedding is not finite (no face); such clean ones are nobody's rivals.

    Args:
        generated, clean: embeddings (n,d), row i of both of one person. Any length but 0.
    """
    assert generated.shape == clean.shape, f"{generated.shape} and {clean.shape} are not pairs"
    ours, theirs = _unit(generated), _unit(clean)
    there = np.isfinite(theirs).all(1)
    known = there & np.isfinite(ours).all(1)
    rivals = np.where(there[:, None], theirs, 0.0)
    hits = np.full(len(ours), np.nan)
    for start in range(0, len(ours), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(ours)))
        cosines = np.where(known[rows, None], ours[rows], 0.0) @ rivals.T
        cosines[:, ~there] = -np.inf
        own = cosines[np.arange(len(rows)), rows].copy()
        cosines[np.arange(len(rows)), rows] = -np.inf
        hits[rows] = np.where(known[rows], own > cosines.max(1) + TIE, np.nan)
    return hits


def _unit(embeddings: np.ndarray) -> np.ndarray:
    vectors = embeddings.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    assert not (lengths == 0).any(), "an embedding of length 0 has no direction"
    return np.asarray(vectors / lengths)
