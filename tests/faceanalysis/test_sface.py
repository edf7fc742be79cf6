"""SFace against OpenCV's own program, and what its numbers mean."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from unmask import weights
from unmask.faceanalysis import cosine, embed_sface, main_face
from unmask.faceanalysis.identity import align
from unmask.images import load_image, to_uint8

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "ffhq" / "00000"

pytestmark = pytest.mark.weights


def test_opencv_gets_the_same_embedding(tmp_path: Path) -> None:
    model = onnx.load(weights.path("sface"))
    del model.graph.input[1:]  # OpenCV 5 refuses them as onnxruntime does
    onnx.save(model, tmp_path / "sface.onnx")
    try:
        reference = cv2.FaceRecognizerSF.create(str(tmp_path / "sface.onnx"), "")
    except (cv2.error, AttributeError) as error:
        pytest.skip(f"this OpenCV cannot load SFace with weights of 8 bits: {error}")
    picture = load_image(sorted(SAMPLE.iterdir())[0])
    (face,) = main_face(picture)
    assert face is not None
    crop = align(to_uint8(picture), face.points)
    try:
        theirs = reference.feature(np.ascontiguousarray(crop[..., ::-1])).ravel()
    except cv2.error as error:
        pytest.skip(f"this OpenCV cannot run SFace with weights of 8 bits: {error}")
    # float32 sums in another order
    assert cosine(embed_sface(picture, face.points)[0], theirs) > 0.9999


def test_people_are_told_apart() -> None:
    pictures = [load_image(path) for path in sorted(SAMPLE.iterdir())[:4]]
    found = [main_face(picture)[0] for picture in pictures]
    vectors = [embed_sface(picture, face.points)[0] for picture, face in zip(pictures, found, strict=True) if face]
    again = embed_sface(pictures[0].flip(-1).flip(-1) * 0.9, found[0].points)[0]  # type: ignore[union-attr]
    assert cosine(vectors[0], again) > 0.95
    assert max(cosine(vectors[i], vectors[j]) for i in range(4) for j in range(i)) < 0.5
