"""Whether reference photographs are of the person in the picture, as far as the visible part tells."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from unmask.data.references import Known
from unmask.networks.face_embedding import FaceEmbedding
from unmask.projection.identity import ExpectedIdentity

FROM_EXPECTED = 0.65
"""Distance between a photograph's embedding and the one that is expected of the whole face, above which it is taken for
somebody else's; docs/references.md says what was measured."""
FROM_OTHERS = 0.6
"""The same from the nearest of the person's other photographs: dlib's own threshold for whole faces."""


@torch.no_grad()
def strangers(known: Known, masked: Tensor, visible: Tensor) -> tuple[str, ...]:
    """A sentence for each photograph that seems to be of somebody else.

    Args:
        masked: (1,3,H,W) in [-1,1], FFHQ-aligned; visible: (1,1,H,W), 0 where it is hidden.
    Raises:
        UnmaskError: the weights of the embedding are not there and cannot be fetched.
    """
    if not known.names:
        return ()
    embedding, expected = _networks()
    found = embedding(known.pictures)
    from_expected = (found - expected.of(masked, visible)).norm(dim=1)
    between = torch.cdist(found, found)
    between.fill_diagonal_(torch.inf)
    sentences = []
    for name, apart, nearest in zip(known.names, from_expected.tolist(), between.min(1).values.tolist(), strict=True):
        if apart > FROM_EXPECTED:
            why = f"{apart:.2f} from what is visible, where few are more than {FROM_EXPECTED} apart"
        elif FROM_OTHERS < nearest < torch.inf:
            why = f"{nearest:.2f} from the nearest of the other references, where few are more than {FROM_OTHERS} apart"
        else:
            continue
        sentences.append(f"The reference {name} seems to show somebody else: {why}.")
    return tuple(sentences)


@cache
def _networks() -> tuple[FaceEmbedding, ExpectedIdentity]:
    return FaceEmbedding.pretrained(), ExpectedIdentity.load()
