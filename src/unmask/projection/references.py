"""What other photographs of the person tell of the hidden part: where to start, and whom to aim at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.networks.face_embedding import FaceEmbedding

MEAN_SHARE = 0.45
"""Of the way from the moved start to the mean of the references' own w, with very many references; see
`informed_start`. Measured by scripts/measure_references.py."""


def informed_start(
    start: Tensor, references: Sequence[Tensor], visible: Tensor, tell: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Starts moved by what the references show where the pictures have their holes: the same shape as `start`.

    For a reference, what `tell` says of all of it less what it says with the picture's hole in it is what this person's
    hidden part adds to what is expected of it; the mean over the references is added to the start. The mean of several
    references' own w is the person too, rid of the pose and the light of each, so the start also goes a little of the
    way there: not at all with one reference, and the farther the more there are.

    Args:
        start: (B,L,w_dim), what `tell` says of the pictures.
        references: per picture (R,3,H,W) in [-1,1], FFHQ-aligned; empty, all or for one picture, leaves it as it is.
        visible: (B,1,H,W), 0 where the pictures have their holes.
        tell: (N,3,H,W) pictures and (N,1,H,W) what is visible of them -> (N,L,w_dim).
    """
    if not references:
        return start
    rows = []
    for row, known in enumerate(references):
        found = start[row : row + 1]
        if len(known) > 0:
            seen = visible[row : row + 1].expand(len(known), -1, -1, -1)
            whole = tell(known, torch.ones_like(seen))
            found = found + (whole - tell(known, seen)).mean(0, keepdim=True)
            share = MEAN_SHARE * (1 - 1 / len(known))
            found = found + share * (whole.mean(0, keepdim=True) - found)
        rows.append(found)
    return torch.cat(rows)


@dataclass(frozen=True)
class WantedIdentity:
    """What the identity term aims at.

    Attributes:
        embeddings: (B,128) of the faces that are wanted.
        shares: (B,) what the term's weight is multiplied with; None: 1.
    """

    embeddings: Tensor
    shares: Tensor | None = None


@torch.no_grad()
def wanted_identity(
    expected: Tensor, references: Sequence[Tensor], embedding: FaceEmbedding, *, prior: float, share: float
) -> WantedIdentity:
    """The expected embeddings, and for pictures with references the mean of theirs and of the expected one.

    A photograph's embedding is about as far from that of another one of the same person as the expected embedding is
    from the true one, and both err on their own: so the latter counts as one more photograph with prior=1.

    Args:
        expected: (B,128), told from the visible part.
        references: per picture (R,3,H,W) in [-1,1], FFHQ-aligned; () where there are none at all.
        prior: how many references the expected embedding counts as.
        share: for pictures with references, see `WantedIdentity.shares`.
    """
    if not any(len(known) for known in references):
        return WantedIdentity(expected)
    rows, shares = [], []
    for told, known in zip(expected, references, strict=True):
        total = told * prior + embedding(known).sum(0) if len(known) else told
        rows.append(total / (prior + len(known)) if len(known) else told)
        shares.append(share if len(known) else 1.0)
    return WantedIdentity(torch.stack(rows), torch.tensor(shares, device=expected.device))
