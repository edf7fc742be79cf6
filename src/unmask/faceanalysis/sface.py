"""SFace: a second opinion on identity, by a network that no method here optimises or starts from.

Zhong et al. 2021 (arXiv:2205.12010), MobileFaceNet, from OpenCV's model zoo (Apache-2.0), with weights of 8 bits.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from unmask.faceanalysis.identity import align
from unmask.faceanalysis.sessions import pictures, run


def embed_sface(images: Tensor, points: np.ndarray) -> np.ndarray:
    """Embeddings (B,128), of unit length, of the faces at `points`; two photographs of one person have a cosine above
    about .36 (OpenCV's threshold), strangers about 0.

    Args:
        images: (B,3,H,W) or (3,H,W) RGB in [-1,1].
        points: (B,5,2) or (5,2) x,y in pixels, in the order of `Detection.points`.
    Raises:
        UnmaskError: the network's weights are not there and cannot be fetched.
    """
    vectors = []
    for picture, five in zip(pictures(images), points.reshape(-1, 5, 2), strict=True):
        # levels 0..255 in the order RGB, on the template of ArcFace, as OpenCV's FaceRecognizerSF gives them
        (output,) = run("sface", align(picture, five).astype(np.float32).transpose(2, 0, 1)[None])
        vectors.append(output[0] / np.linalg.norm(output[0]))
    return np.stack(vectors)
