"""The Fréchet distance where the network is at hand, and the reason where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.errors import UnmaskError
from unmask.evaluation import fid as module
from unmask.evaluation.fid import INCEPTION_FILE, NO_PACKAGE, NO_WEIGHTS, fid, fid_of_features
from unmask.weights.digest import file_digest

PICTURES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_without_package_or_weights_there_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch_fidelity")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert fid(PICTURES, PICTURES) == module.Fid(None, NO_WEIGHTS)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert fid(PICTURES, PICTURES) == module.Fid(None, NO_PACKAGE)


def test_another_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch_fidelity")
    path = tmp_path / INCEPTION_FILE
    with pytest.raises(UnmaskError, match="no such file"):
        fid(PICTURES, PICTURES, path)
    path.write_bytes(b"something else")
    with pytest.raises(UnmaskError, match="not 6726825d"):
        fid(PICTURES, PICTURES, path)


def test_it_is_the_closed_form_of_gaussians() -> None:
    """|μ - ν|² + tr(S + T - 2 (S T)^½), which for diagonal covariances is a sum over features."""
    pytest.importorskip("torch_fidelity")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20000, 3)), rng.normal(size=(20000, 3)) * [2, 1, 0.5] + [1, 0, 0]
    found = fid_of_features(a, b)
    assert found.value == pytest.approx(1 + 1 + 0 + 0.25, abs=0.1)
    assert found.warning is None
    assert fid_of_features(a, a).value == pytest.approx(0, abs=1e-6)
    few = fid_of_features(a[:3], b[:3])
    assert few.warning is not None and "3 pictures are fewer than the 3 features" in few.warning
    assert fid_of_features(a[:1], b).value is None


@pytest.mark.slow
def test_a_file_with_the_right_hash_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights, since the real ones cannot be had here; that the program agrees is torch-fidelity's own test."""
    reference = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    # an untrained network is built from no file at all
    monkeypatch.setattr(reference, "load_state_dict_from_url", lambda *_, **__: {})
    monkeypatch.setattr(reference.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
    torch.manual_seed(0)
    untrained = reference.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    monkeypatch.undo()
    path = tmp_path / "hub" / "checkpoints" / INCEPTION_FILE
    path.parent.mkdir(parents=True)
    torch.save(untrained.state_dict(), path)
    monkeypatch.setattr(module, "INCEPTION_SHA256_START", file_digest(path)[:8])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    network = module.inception(path)
    found = module.inception_features(network, PICTURES, batch=2)
    levels = ((PICTURES + 1) * 127.5).round().to(torch.uint8)
    assert found == pytest.approx(untrained(levels)[0].numpy(), rel=1e-4, abs=1e-6)
    result = fid(PICTURES, PICTURES.flip(3))
    assert result.value is not None and result.value > 0
    assert result.warning is not None
