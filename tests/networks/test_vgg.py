"""VGG-16 by layer name: structure against torchvision's, receptive fields against autograd."""

import pytest
import torch
import torchvision
from torchvision.models.vgg import cfgs, make_layers

from unmask.errors import UnmaskError
from unmask.networks.vgg import IMAGENET_MEAN, IMAGENET_STD, VGG16Features, layer_names, reach, stride


@pytest.fixture(scope="module")
def reference() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return make_layers(cfgs["D"]).eval()  # of the whole vgg16, only what its `features` are


def test_equals_torchvision_layer_by_layer(reference: torch.nn.Sequential) -> None:
    layers = ("relu1_2", "relu2_2", "relu3_3", "relu4_1")
    ours = VGG16Features(layers, reference.state_dict())
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    x = torchvision.transforms.functional.normalize((images + 1) / 2, IMAGENET_MEAN, IMAGENET_STD)
    wanted = []
    for index, module in enumerate(reference):
        x = module(x)
        if index in (3, 8, 15, 18):
            wanted.append(x.clone())
    for found, expected in zip(ours(images), wanted, strict=True):
        # float32: sums in another order
        assert torch.allclose(found, expected, atol=1e-5)


def test_stops_at_the_deepest_layer_asked_for(reference: torch.nn.Sequential) -> None:
    ours = VGG16Features(("relu2_2",), reference.state_dict())
    assert sum(len(block) for block in ours.blocks) == 4


@pytest.mark.parametrize("layer", ["relu1_1", "relu1_2", "relu2_2", "relu3_3"])
def test_reach_and_stride_are_the_receptive_field(reference: torch.nn.Sequential, layer: str) -> None:
    ours = VGG16Features((layer,), reference.state_dict())
    images = (torch.rand(1, 3, 96, 96) * 2 - 1).requires_grad_(True)
    features = ours(images)[0]
    assert features.shape[-1] == 96 // stride(layer)
    cell = features.shape[-1] // 2
    features[0, :, cell, cell].sum().backward()
    assert images.grad is not None
    rows = images.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    first, last = cell * stride(layer), (cell + 1) * stride(layer) - 1
    assert first - rows.min() <= reach(layer) and rows.max() - last <= reach(layer)
    # Not a loose bound either: at most one stride more than what is really seen.
    assert max(first - rows.min(), rows.max() - last) >= reach(layer) - stride(layer)


def test_unknown_layers_are_named(reference: torch.nn.Sequential) -> None:
    with pytest.raises(UnmaskError, match="conv9"):
        VGG16Features(("conv9",), reference.state_dict())
    assert len(layer_names()) == 13


@pytest.mark.weights
def test_pretrained_features_are_those_of_imagenet_training() -> None:
    ours = VGG16Features.pretrained(("relu2_2",))
    weight = ours.blocks[0][0].weight
    # The published first-layer kernels of torchvision's VGG-16 have this norm; random ones do not.
    assert weight.shape == (64, 3, 3, 3)
    assert not ours.training and not weight.requires_grad
    edge = torch.ones(1, 3, 32, 32)
    edge[..., 16:] = -1
    response = ours(edge)[0][0].amax(0)
    assert response[4, 7:9].max() > 2 * response[4, 3]
