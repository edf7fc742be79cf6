"""MobileStyleGAN's weights, out of the two OpenVINO networks they are published in.

The distilled FFHQ generator of Belousov, "MobileStyleGAN: A Lightweight Convolutional Neural Network for
High-Fidelity Image Synthesis", 2021, arXiv:2104.04767. The graph is followed edge by edge, from the result
back to the input, and every assumption the port makes about it (the structure of each block, slopes, wavelet
filters) is checked on the way: a file that differs in anything is refused instead of being read wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unmask.errors import UnmaskError
from unmask.weights.openvino_ir import Graph, Layer, Source, read_ir

MAPPING_LAYERS = 8
SYNTHESIS_LAYERS = 7
LEAKY_RELU_SLOPE = 0.2
MAPPING_GAIN = 2.0**0.5
NORMALIZE_EPS = 1e-8
HAAR = 0.5**0.5
"""The inverse Haar transform's two filters are (HAAR, HAAR), low-pass, and (HAAR, -HAAR), high-pass."""


def read_mobilestylegan(
    mapping_xml: Path, mapping_bin: Path, synthesis_xml: Path, synthesis_bin: Path
) -> dict[str, Tensor]:
    """The generator's weights by name, float32.

    Mapping (z -> w): x = z · rsqrt(mean(z²) + 1e-8), then 8 times x = LeakyReLU(x @ weight.T + bias) · gain:

    - ``mapping.{0..7}.weight`` (512,512), ``.bias`` (512), exactly as in the file;
    - ``mapping.gain`` (), √2, not folded into the weights.

    Synthesis (w_plus -> picture):

    - ``*.style.weight`` (C,512), ``.bias`` (C): the file's constant factor after the affine layer is folded
      in, so that style = w @ weight.T + bias multiplies the features as it is. Everything else is exactly as
      in the file;
    - ``synthesis.const`` (1,512,4,4);
    - ``synthesis.conv1``: ``.style.*``, ``.weight`` (512,512,3,3), ``.noise`` (1,1,4,4), ``.bias`` (512);
    - ``synthesis.layers.{0..6}.up``: ``.style.*``;
    - ``synthesis.layers.{0..6}.conv{1,2}``: ``.style.*``, ``.depthwise`` (C,1,3,3), ``.pointwise``
      (C',C,1,1), ``.noise`` (1,1,h,w), ``.bias`` (C');
    - ``synthesis.to_img``: ``.style.*``, ``.weight`` (12,64,1,1), ``.bias`` (12).

    Raises:
        UnmaskError: a file cannot be read, or the network is not the one described above.
    """
    tensors = _read_mapping(_Walker(read_ir(mapping_xml, mapping_bin), mapping_xml))
    tensors |= _read_synthesis(_Walker(read_ir(synthesis_xml, synthesis_bin), synthesis_xml))
    return {name: torch.from_numpy(array.copy(order="C")) for name, array in sorted(tensors.items())}


@dataclass(frozen=True)
class _Walker:
    """Follows a graph backwards, checking each step. `path` is named in errors."""

    graph: Graph
    path: Path

    def check(self, condition: bool, layer: Layer, expected: str) -> None:
        if not condition:
            raise UnmaskError(f"{self.path}: layer {layer.name} ({layer.type}) is not {expected}; another network?")

    def layer(self, source: Source, type_: str) -> Layer:
        layer = self.graph.layers[source.layer]
        self.check(layer.type == type_, layer, f"the expected {type_}")
        return layer

    def is_constant(self, source: Source) -> bool:
        return source.layer in self.graph.constants

    def constant(self, source: Source) -> np.ndarray:
        layer = self.graph.layers[source.layer]
        self.check(source.layer in self.graph.constants, layer, "the expected constant")
        return self.graph.constants[source.layer]

    def scalar(self, source: Source) -> float:
        value = self.constant(source)
        self.check(value.size == 1, self.graph.layers[source.layer], "a scalar")
        return float(value.reshape(()))

    def with_constant(self, layer: Layer) -> tuple[Source, np.ndarray]:
        """The variable and the constant operand of a sum or product, whichever way round they stand."""
        first, second = layer.inputs
        return (second, self.constant(first)) if self.is_constant(first) else (first, self.constant(second))

    def is_parameter(self, source: Source) -> bool:
        return self.graph.layers[source.layer].type == "Parameter"

    def leaky_relu(self, source: Source) -> Source:
        layer = self.layer(source, "PReLU")
        slope = self.scalar(layer.inputs[1])
        self.check(slope == np.float32(LEAKY_RELU_SLOPE), layer, f"a LeakyReLU of slope {LEAKY_RELU_SLOPE}")
        return layer.inputs[0]

    def linear(self, source: Source) -> tuple[Source, np.ndarray]:
        """The input and the (out,in) weight of x @ weight.T."""
        layer = self.layer(source, "MatMul")
        transposes = (layer.attributes.get("transpose_a"), layer.attributes.get("transpose_b"))
        self.check(transposes == ("false", "true"), layer, "x @ weight.T")
        return layer.inputs[0], self.constant(layer.inputs[1])

    def convolution(self, source: Source, type_: str, padding: int) -> tuple[Source, np.ndarray]:
        """The input and the weight of a convolution of stride 1."""
        layer = self.layer(source, type_)
        pad = f"{padding}, {padding}"
        expected = {
            "strides": "1, 1",
            "dilations": "1, 1",
            "pads_begin": pad,
            "pads_end": pad,
            "auto_pad": "explicit",
        }
        actual = {key: layer.attributes.get(key) for key in expected}
        self.check(actual == expected, layer, f"a convolution of stride 1 padded by {padding}")
        return layer.inputs[0], self.constant(layer.inputs[1])


# --- mapping ---


def _read_mapping(walker: _Walker) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {"mapping.gain": np.array(MAPPING_GAIN, np.float32)}
    source = walker.graph.only("Result").inputs[0]
    for index in reversed(range(MAPPING_LAYERS)):
        product = walker.layer(source, "Multiply")
        source, gain = walker.with_constant(product)
        walker.check(gain.size == 1 and gain.reshape(()) == np.float32(MAPPING_GAIN), product, "a product with √2")
        total = walker.layer(walker.leaky_relu(source), "Add")
        # The bias passes through a Reshape to (1,512) whose target is computed from the batch's shape.
        reshape = walker.layer(total.inputs[1], "Reshape")
        bias = walker.constant(reshape.inputs[0])
        source, weight = walker.linear(total.inputs[0])
        walker.check(weight.shape == (512, 512) and bias.shape == (512,), total, "a layer of 512 units")
        tensors[f"mapping.{index}.weight"], tensors[f"mapping.{index}.bias"] = weight, bias
    _check_normalization(walker, source)
    return tensors


def _check_normalization(walker: _Walker, source: Source) -> None:
    """z · 1/sqrt(mean(z², axis 1) + eps), spelt in the file as powers."""
    product = walker.layer(source, "Multiply")
    z, factor = product.inputs
    walker.check(walker.is_parameter(z), product, "the normalisation of z")
    scale = walker.layer(factor, "Multiply")
    reciprocal, one = walker.with_constant(scale)
    walker.check(one.size == 1 and float(one.reshape(())) == 1.0, scale, "a division of one")
    exponents = []
    for _ in range(2):
        power = walker.layer(reciprocal, "Power")
        exponents.append(walker.scalar(power.inputs[1]))
        reciprocal = power.inputs[0]
    walker.check(exponents == [-1.0, 0.5], scale, "a reciprocal square root")
    total = walker.layer(reciprocal, "Add")
    mean_source, eps = walker.with_constant(total)
    walker.check(eps.reshape(()) == np.float32(NORMALIZE_EPS), total, f"a sum with {NORMALIZE_EPS}")
    mean = walker.layer(mean_source, "ReduceMean")
    walker.check(walker.scalar(mean.inputs[1]) == 1, mean, "a mean over the channels")
    square = walker.layer(mean.inputs[0], "Power")
    walker.check(walker.is_parameter(square.inputs[0]) and walker.scalar(square.inputs[1]) == 2.0, square, "z squared")


# --- synthesis ---


def _read_synthesis(walker: _Walker) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}

    source = _inverse_wavelet(walker, walker.graph.only("Result").inputs[0])
    total = walker.layer(source, "Add")
    source, bias = walker.with_constant(total)
    source, tensors["synthesis.to_img.weight"] = walker.convolution(source, "Convolution", padding=0)
    tensors["synthesis.to_img.bias"] = bias.reshape(-1)
    source = _modulation(walker, source, "synthesis.to_img.style", tensors)

    for index in reversed(range(SYNTHESIS_LAYERS)):
        prefix = f"synthesis.layers.{index}"
        for conv in (f"{prefix}.conv2", f"{prefix}.conv1"):
            source = _noise_and_bias(walker, walker.leaky_relu(source), conv, tensors)
            source, tensors[f"{conv}.pointwise"] = walker.convolution(source, "Convolution", padding=0)
            source, depthwise = walker.convolution(source, "GroupConvolution", padding=1)
            walker.check(depthwise.shape[1:] == (1, 1, 3, 3), walker.graph.layers[source.layer], "depthwise 3×3")
            tensors[f"{conv}.depthwise"] = depthwise[:, 0]
            source = _modulation(walker, source, f"{conv}.style", tensors)
        source = _modulation(walker, _inverse_wavelet(walker, source), f"{prefix}.up.style", tensors)

    source = _noise_and_bias(walker, walker.leaky_relu(source), "synthesis.conv1", tensors)
    source, tensors["synthesis.conv1.weight"] = walker.convolution(source, "Convolution", padding=1)
    source = _modulation(walker, source, "synthesis.conv1.style", tensors)
    # The constant is repeated over the batch by Tile(Broadcast(const)).
    tile = walker.layer(source, "Tile")
    tensors["synthesis.const"] = walker.constant(walker.layer(tile.inputs[0], "Broadcast").inputs[0])
    return tensors


def _noise_and_bias(walker: _Walker, source: Source, prefix: str, tensors: dict[str, np.ndarray]) -> Source:
    """(x + noise) + bias; returns x."""
    source, bias = walker.with_constant(walker.layer(source, "Add"))
    total = walker.layer(source, "Add")
    source, noise = walker.with_constant(total)
    walker.check(noise.shape[:2] == (1, 1) and noise.shape[2] == noise.shape[3], total, "a sum with a noise map")
    tensors[f"{prefix}.noise"], tensors[f"{prefix}.bias"] = noise, bias.reshape(-1)
    return source


def _modulation(walker: _Walker, source: Source, prefix: str, tensors: dict[str, np.ndarray]) -> Source:
    """x × style, style = (w @ weight.T + bias) [× constant]; returns x, stores the folded affine layer."""
    product = walker.layer(source, "Multiply")
    first, second = product.inputs
    style, features = (first, second) if _is_style(walker, first) else (second, first)
    walker.check(_is_style(walker, style), product, "a product with a style")

    factor = np.float32(1.0)
    if walker.graph.layers[style.layer].type == "Multiply":
        style, constant = walker.with_constant(walker.graph.layers[style.layer])
        walker.check(constant.size == 1, product, "a style times one number")
        factor = np.float32(constant.reshape(()))
    total = walker.layer(walker.layer(style, "Reshape").inputs[0], "Add")
    product_source, bias = walker.with_constant(total)
    w, weight = walker.linear(product_source)
    walker.check(walker.is_parameter(w) and weight.shape == (bias.size, 512), total, "affine in w")
    tensors[f"{prefix}.weight"] = weight * factor
    tensors[f"{prefix}.bias"] = bias.reshape(-1) * factor
    return features


def _is_style(walker: _Walker, source: Source) -> bool:
    """Whether a factor is [constant ×] Reshape(w @ weight.T + bias) rather than features."""
    layer = walker.graph.layers[source.layer]
    if layer.type == "Multiply" and any(walker.is_constant(operand) for operand in layer.inputs):
        variable = next(operand for operand in layer.inputs if not walker.is_constant(operand))
        layer = walker.graph.layers[variable.layer]
    if layer.type != "Reshape":
        return False
    total = walker.graph.layers[layer.inputs[0].layer]
    return total.type == "Add" and any(walker.graph.layers[operand.layer].type == "MatMul" for operand in total.inputs)


def _inverse_wavelet(walker: _Walker, source: Source) -> Source:
    """Checks one inverse Haar transform (B,C,h,w) -> (B,C/4,2h,2w); returns its input.

    The first C/4 channels are low-pass; the other 3C/4, seen as (C/4,3), are (high down × low across),
    (low down × high across) and (high × high).
    """
    bands: list[Source] = []
    horizontal = walker.layer(source, "Add")
    for column, across in zip(horizontal.inputs, (HAAR, -HAAR), strict=True):
        vertical = walker.layer(_upsample(walker, column, across, horizontal=True), "Add")
        for row, down in zip(vertical.inputs, (HAAR, -HAAR), strict=True):
            bands.append(_upsample(walker, row, down, horizontal=False))

    low, *details = bands
    split = walker.layer(low, "VariadicSplit")
    sizes = walker.constant(split.inputs[2])
    walker.check(
        low.output == 0 and walker.scalar(split.inputs[1]) == 1 and sizes[1] in (-1, 3 * sizes[0]),
        split,
        "a split into a quarter and three quarters of the channels",
    )
    for expected, detail in enumerate(details):
        piece = walker.layer(detail, "Squeeze").inputs[0]
        pieces = walker.layer(piece, "VariadicSplit")
        walker.check(
            piece.output == expected
            and walker.scalar(pieces.inputs[1]) == 2
            and walker.constant(pieces.inputs[2]).tolist() == [1, 1, 1],
            pieces,
            "a split of (C/4,3) into three",
        )
        rest = walker.layer(pieces.inputs[0], "Reshape").inputs[0]
        walker.check(rest == Source(split.id, 1), pieces, "made of the last three quarters of the channels")
    return split.inputs[0]


def _upsample(walker: _Walker, source: Source, last_tap: float, *, horizontal: bool) -> Source:
    """Checks a per-channel transposed convolution with (HAAR, last_tap) along one axis; returns its input."""
    layer = walker.layer(source, "GroupConvolutionBackpropData")
    taps = walker.constant(layer.inputs[1])
    strides, shape = ("1, 2", (1, 1, 1, 2)) if horizontal else ("2, 1", (1, 1, 2, 1))
    expected = np.array([HAAR, last_tap], dtype=np.float32).reshape(shape)
    walker.check(
        taps.shape[1:] == shape and np.allclose(taps, expected, rtol=0.0, atol=1e-7),
        layer,
        f"a Haar filter ({HAAR:.4f}, {last_tap:.4f})",
    )
    walker.check(
        layer.attributes.get("strides") == strides
        and layer.attributes.get("pads_begin") == layer.attributes.get("pads_end") == "0, 0"
        and layer.attributes.get("output_padding", "0, 0") == "0, 0",
        layer,
        "an up-sampling by two along one axis",
    )
    return layer.inputs[0]
