"""Finding, measuring and recognising faces with small ONNX networks (weights for non-commercial research).

The first three networks come from insightface's model zoo: SCRFD-500M with five points (Guo et al. 2021,
arXiv:2105.04714), 2d106det (106 landmarks) and ArcFace on MobileFaceNet trained on WebFace600K (Deng et al.
2019, arXiv:1801.07698). All three work on faces that wear a mask. SFace, a second measure of identity, comes from
OpenCV's (Apache-2.0).
"""

from unmask.faceanalysis.detector import Detection, detect, detect_pixels, main_face, suppress
from unmask.faceanalysis.expression import MOUTH_CORNERS_106, Mouth, mouth_of
from unmask.faceanalysis.identity import ARCFACE_TEMPLATE, align, cosine, embed
from unmask.faceanalysis.landmarks import BRIDGE_106, CONTOUR_106, MOUTH_106, Landmarks, landmarks106, landmarks_in
from unmask.faceanalysis.sface import embed_sface

__all__ = [
    "ARCFACE_TEMPLATE",
    "BRIDGE_106",
    "CONTOUR_106",
    "MOUTH_106",
    "MOUTH_CORNERS_106",
    "Detection",
    "Landmarks",
    "Mouth",
    "align",
    "cosine",
    "detect",
    "detect_pixels",
    "embed",
    "embed_sface",
    "landmarks106",
    "landmarks_in",
    "main_face",
    "mouth_of",
    "suppress",
]
