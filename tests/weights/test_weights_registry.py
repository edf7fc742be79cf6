"""What the registry says is complete, and the real weights are what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import load_file

from unmask import weights
from unmask.errors import UnmaskError
from unmask.weights.registry import ARTIFACTS, Artifact, find

GOLDEN = Path(__file__).parents[1] / "golden" / "mobilestylegan.safetensors"


def test_names_and_files_are_unique() -> None:
    assert len({artifact.name for artifact in ARTIFACTS}) == len(ARTIFACTS)
    assert len({artifact.file_name for artifact in ARTIFACTS}) == len(ARTIFACTS)
    assert len({artifact.variable for artifact in ARTIFACTS}) == len(ARTIFACTS)


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda artifact: artifact.name)
def test_every_entry_is_complete(artifact: Artifact) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", artifact.digest)
    assert re.fullmatch(r"[0-9a-f]{64}", artifact.package.sha256)
    assert artifact.what
    assert artifact.licence
    assert artifact.members
    assert Path(artifact.file_name).suffix in {".safetensors", ".onnx"}
    assert artifact.size > 0
    assert artifact.package.size > 0
    if artifact.hub_file is not None:
        assert re.fullmatch(r"[0-9a-f]{8}", artifact.hub_file.sha256_prefix)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UnmaskError, match="arcface"):
        find("arcfce")


@pytest.mark.weights
@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda artifact: artifact.name)
def test_the_listed_size_is_the_files(artifact: Artifact) -> None:
    assert weights.path(artifact.name).stat().st_size == pytest.approx(artifact.size, rel=0.01)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("name", "network"),
    [("vgg16-features", torchvision.models.vgg16), ("alexnet-features", torchvision.models.alexnet)],
)
def test_features_load_strictly_into_torchvision(name: str, network: torch.nn.Module) -> None:
    with torch.device("meta"):
        features = network().features
    features.load_state_dict(weights.load(name), strict=True, assign=True)
    assert features(torch.zeros(1, 3, 64, 64)).isfinite().all()


@pytest.mark.weights
def test_vgg16_is_torchvisions() -> None:
    """The first kernel's first filter as torchvision's vgg16-397923af prints it."""
    kernel = weights.load("vgg16-features")["0.weight"][0, 0]
    published = torch.tensor([[-0.5537, 0.1427, 0.5290], [-0.5831, 0.3566, 0.7657], [-0.6902, -0.0480, 0.4841]])
    torch.testing.assert_close(kernel, published, atol=5e-5, rtol=0.0)


@pytest.mark.weights
def test_mapping_network_reproduces_the_published_graph() -> None:
    """The documented formula on the converted tensors gives what the interpreted graph gave."""
    tensors, golden = weights.load("mobilestylegan-ffhq"), load_file(GOLDEN)
    x = golden["z"] * torch.rsqrt(golden["z"].square().mean(1, keepdim=True) + 1e-8)
    for i in range(8):
        x = F.linear(x, tensors[f"mapping.{i}.weight"], tensors[f"mapping.{i}.bias"])
        x = F.leaky_relu(x, 0.2) * tensors["mapping.gain"]
    # float32
    torch.testing.assert_close(x, golden["w"], atol=1e-5, rtol=0.0)


@pytest.mark.weights
def test_synthesis_tensors_have_the_documented_shapes() -> None:
    tensors = weights.load("mobilestylegan-ffhq")
    assert tensors["synthesis.const"].shape == (1, 512, 4, 4)
    assert tensors["synthesis.to_img.weight"].shape == (12, 64, 1, 1)
    channels = 512
    for i, out in enumerate((512, 512, 512, 512, 256, 128, 64)):
        prefix, size = f"synthesis.layers.{i}", 8 << i
        assert tensors[f"{prefix}.up.style.weight"].shape == (channels, 512)
        for conv, inputs in (("conv1", channels // 4), ("conv2", out)):
            assert tensors[f"{prefix}.{conv}.style.weight"].shape == (inputs, 512)
            assert tensors[f"{prefix}.{conv}.depthwise"].shape == (inputs, 1, 3, 3)
            assert tensors[f"{prefix}.{conv}.pointwise"].shape == (out, inputs, 1, 1)
            assert tensors[f"{prefix}.{conv}.noise"].shape == (1, 1, size, size)
            assert tensors[f"{prefix}.{conv}.bias"].shape == (out,)
        channels = out
    assert sum(name.endswith("style.bias") for name in tensors) == 23
