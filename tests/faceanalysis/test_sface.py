"""The second identity network against OpenCV's own program on the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unmask import weights
from unmask.errors import UnmaskError
from unmask.faceanalysis import ARCFACE_TEMPLATE, cosine, embed_sface
from unmask.faceanalysis.sface import embed_crops, feedable
from unmask.images import load_image

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "ffhq" / "00000"


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)


@pytest.mark.weights
def test_opencv_agrees(tmp_path: Path) -> None:
    """OpenCV's FaceRecognizerSF takes BGR and swaps the channels itself."""
    import cv2

    path = tmp_path / "sface.onnx"
    path.write_bytes(feedable(weights.path("sface")))
    try:
        reference = cv2.FaceRecognizerSF.create(str(path), "")
        features = [reference.feature(np.ascontiguousarray(crop[..., ::-1]))[0].copy() for crop in crops(2)]
    except cv2.error as error:
        pytest.skip(f"this OpenCV cannot run the file: {error}")
    expected = np.stack([one / np.linalg.norm(one) for one in features])
    assert embed_crops(crops(2)) == pytest.approx(expected, abs=1e-4)
    assert np.abs(embed_crops(crops(2)[..., ::-1]) - expected).max() > 0.01


@pytest.mark.weights
def test_a_batch_is_its_pictures_one_by_one() -> None:
    many = crops(33)
    together = embed_crops(many)
    assert together.shape == (33, 128)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(33), abs=1e-5)
    assert together[[0, 32]] == pytest.approx(np.concatenate([embed_crops(many[[i]]) for i in (0, 32)]), abs=1e-5)


@pytest.mark.weights
def test_a_face_is_itself_under_noise_and_mirrored_but_not_another() -> None:
    from unmask.faceanalysis import main_face

    first, second = (load_image(SAMPLE / f"synthetic-{id}.jpg") for id in ("00000", "00022"))
    faces = main_face(torch.stack([first, second]))
    points = np.stack([face.points for face in faces if face is not None])
    noisy = first + 0.05 * torch.randn(first.shape, generator=torch.Generator().manual_seed(0))
    a, b = embed_sface(torch.stack([first, second]), points)
    (again,) = embed_sface(noisy, points[0])
    # OpenCV's own threshold for one person is .363
    assert cosine(a, again) > 0.8
    assert cosine(a, b) < 0.363
    assert points.shape == (2, *ARCFACE_TEMPLATE.shape)


def test_another_file_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "other.onnx"
    path.write_bytes(b"\xff\xffnothing of the kind")
    with pytest.raises(UnmaskError, match="cannot be read"):
        feedable(path)
    graph = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(graph), str(path))
    with pytest.raises(UnmaskError, match="not SFace"):
        feedable(path)
