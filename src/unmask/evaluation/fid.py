"""The Fréchet Inception Distance (Heusel et al. 2017, arXiv:1706.08500), by torch-fidelity.

The number is only comparable when computed with one network, the Inception of 2015-12-05 that the first paper used,
on pictures scaled as TensorFlow 1 did. Package registries do not have its weights, so there is a value only where the
user has the file; no other network's distance goes by this name.
"""

from __future__ import annotations

import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask.errors import UnmaskError
from unmask.images import to_uint8
from unmask.tensorfiles import UNREADABLE, is_state, read_torch_file, unwrapped
from unmask.weights.digest import file_digest

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
"""What torch-fidelity publishes; the name ends in the start of the file's SHA-256."""
INCEPTION_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_FILE}"
INCEPTION_SHA256_START = "6726825d"
INCEPTION_WIDTH = 2048
NO_PACKAGE = "torch-fidelity is not installed (pip install 'unmask[fid]')"
NO_WEIGHTS = f"Inception's weights are not there; fetch {INCEPTION_URL} and give its path"


@dataclass(frozen=True)
class Fid:
    """The distance, or None and the reason; perhaps a warning that it means little."""

    value: float | None
    reason: str | None = None
    warning: str | None = None


def fid(generated: Tensor, real: Tensor, weights: Path | None = None, *, batch: int = 8) -> Fid:
    """The distance of two sets of pictures (N,3,H,W) and (M,3,H,W), RGB in [-1,1], of any sizes.

    It is biased upward by an amount that shrinks as one over the number of pictures (Bińkowski et al. 2018): only
    distances of equally many can be compared, and with fewer pictures than the 2048 features it has a warning.

    Args:
        weights: torch-fidelity's file; None looks for it where torch-fidelity itself would keep it.
    Raises:
        UnmaskError: `weights` names another file, or none.
    """
    if importlib.util.find_spec("torch_fidelity") is None:
        return Fid(None, NO_PACKAGE)
    path = weights if weights is not None else Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE
    if weights is None and not path.is_file():
        return Fid(None, NO_WEIGHTS)
    network = inception(path)
    return fid_of_features(*(inception_features(network, pictures, batch=batch) for pictures in (generated, real)))


def fid_of_features(generated: np.ndarray, real: np.ndarray) -> Fid:
    """The distance of Inception features (N,2048) and (M,2048)."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    fewest = min(len(generated), len(real))
    if fewest < 2:
        return Fid(None, f"{fewest} pictures have no covariance")
    statistics = [fid_features_to_statistics(torch.from_numpy(one.astype(np.float64))) for one in (generated, real)]
    value = float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])
    width = generated.shape[1]
    few = f"{fewest} pictures are fewer than the {width} features, so the covariances are singular"
    return Fid(value, None, few if fewest <= width else None)


def inception(path: Path) -> Any:
    """torch-fidelity's Inception with the weights of the file.

    torch-fidelity would unpickle the file. So it is read here as plain tensors, without running its code, and
    torch-fidelity is handed a copy in memory that holds nothing else.

    Raises:
        UnmaskError: the file is not the published one.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    if not path.is_file():
        raise UnmaskError(f"{path}: there is no such file. It should be {INCEPTION_URL}.")
    digest = file_digest(path)
    if not digest.startswith(INCEPTION_SHA256_START):
        raise UnmaskError(
            f"{path}: its SHA-256 starts with {digest[:8]}, not {INCEPTION_SHA256_START}: it is damaged, or other "
            f"weights, whose distance would not be the FID. Fetch {INCEPTION_URL}."
        )
    try:
        state = unwrapped(read_torch_file(path))
    except UNREADABLE as error:
        raise UnmaskError(f"{path}: cannot be read as a torch file ({error}).") from error
    if not is_state(state):
        raise UnmaskError(f"{path}: holds no state dict.")
    copy = io.BytesIO()
    torch.save(dict(state), copy)
    copy.seek(0)
    return FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=copy)


def inception_features(network: Any, pictures: Tensor, *, batch: int = 8) -> np.ndarray:
    """(N,2048) float32 of pictures (N,3,H,W) in [-1,1], on the pictures' device."""
    network = network.to(pictures.device)
    rows = np.empty((len(pictures), INCEPTION_WIDTH), np.float32)
    for start in range(0, len(pictures), batch):
        part = pictures[start : start + batch]
        levels = np.stack([to_uint8(one) for one in part]).transpose(0, 3, 1, 2)
        with torch.no_grad():
            (found,) = network(torch.from_numpy(np.ascontiguousarray(levels)).to(pictures.device))
        rows[start : start + len(part)] = found.cpu().numpy()
    return rows
