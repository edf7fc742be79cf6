"""The reader of OpenVINO networks, on made-up ones, and the checks on the way to MobileStyleGAN's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unmask.errors import UnmaskError
from unmask.weights.mobilestylegan import HAAR, _upsample, _Walker
from unmask.weights.openvino_ir import Graph, Layer, Source, read_ir

# The split comes first in the file and its ids are shuffled: only the edges tell the order.
XML = """<?xml version="1.0"?>
<net name="toy" version="10">
  <layers>
    <layer id="7" name="halves" type="VariadicSplit" version="opset1">
      <input><port id="0"/><port id="1"/><port id="2"/></input>
      <output><port id="3"/><port id="4"/></output>
    </layer>
    <layer id="0" name="x" type="Parameter" version="opset1"><output><port id="0"/></output></layer>
    <layer id="5" name="axis" type="Const" version="opset1">
      <data element_type="i64" offset="0" shape="" size="8"/><output><port id="0"/></output>
    </layer>
    <layer id="2" name="lengths" type="Const" version="opset1">
      <data element_type="i64" offset="8" shape="2" size="16"/><output><port id="0"/></output>
    </layer>
    <layer id="3" name="weights" type="Const" version="opset1">
      <data element_type="f32" offset="24" shape="1, 3" size="12"/><output><port id="0"/></output>
    </layer>
    <layer id="1" name="sum" type="Add" version="opset1">
      <input><port id="0"/><port id="1"/></input><output><port id="2"/></output>
    </layer>
    <layer id="9" name="out" type="Result" version="opset1"><input><port id="0"/></input></layer>
  </layers>
  <edges>
    <edge from-layer="2" from-port="0" to-layer="7" to-port="2"/>
    <edge from-layer="0" from-port="0" to-layer="7" to-port="0"/>
    <edge from-layer="5" from-port="0" to-layer="7" to-port="1"/>
    <edge from-layer="3" from-port="0" to-layer="1" to-port="1"/>
    <edge from-layer="7" from-port="4" to-layer="1" to-port="0"/>
    <edge from-layer="1" from-port="2" to-layer="9" to-port="0"/>
  </edges>
</net>
"""
BINARY = np.array([1, 2, 3], "<i8").tobytes() + np.array([0.5, -1.5, 2.5], "<f4").tobytes()


@pytest.fixture
def network(tmp_path: Path) -> tuple[Path, Path]:
    xml, binary = tmp_path / "toy.xml", tmp_path / "toy.bin"
    xml.write_text(XML)
    binary.write_bytes(BINARY)
    return xml, binary


def test_constants_and_edges(network: tuple[Path, Path]) -> None:
    graph = read_ir(*network)
    constants = {graph.layers[id].name: value for id, value in graph.constants.items()}
    np.testing.assert_array_equal(constants["weights"], np.array([[0.5, -1.5, 2.5]], np.float32))
    np.testing.assert_array_equal(constants["lengths"], [2, 3])
    assert constants["axis"].shape == ()
    assert constants["axis"] == 1
    assert graph.layers["7"].inputs == (Source("0", 0), Source("5", 0), Source("2", 0))
    assert graph.layers["1"].inputs == (Source("7", 1), Source("3", 0))  # the split's second output
    assert graph.only("Result").inputs == (Source("1", 0),)
    with pytest.raises(UnmaskError, match="3 layers of type Const"):
        graph.only("Const")


def test_truncated_binary_names_the_constant(network: tuple[Path, Path]) -> None:
    xml, binary = network
    binary.write_bytes(BINARY[:-1])
    with pytest.raises(UnmaskError, match=r"toy\.bin: constant weights wants 12 bytes at 24"):
        read_ir(xml, binary)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("</net>", "", "cannot be read"),
        ('from-layer="3"', 'from-layer="33"', "do not exist"),
        ('from-port="4"', 'from-port="5"', "do not exist"),
        ('"f32"', '"f16"', "f16"),
        ('shape="1, 3"', 'shape="1, 4"', "weights wants"),
    ],
)
def test_a_bad_graph_is_refused(network: tuple[Path, Path], old: str, new: str, words: str) -> None:
    xml, binary = network
    xml.write_text(XML.replace(old, new))
    with pytest.raises(UnmaskError, match=words):
        read_ir(xml, binary)


def test_other_xml_is_refused(network: tuple[Path, Path]) -> None:
    xml, binary = network
    xml.write_text("<html><body/></html>")
    with pytest.raises(UnmaskError, match="not an OpenVINO network"):
        read_ir(xml, binary)


def up_sampling(taps: tuple[float, float], strides: str = "1, 2") -> tuple[_Walker, Source]:
    """A graph of one transposed convolution of two channels along the width."""
    attributes = {"strides": strides, "pads_begin": "0, 0", "pads_end": "0, 0", "output_padding": "0, 0"}
    kernel = np.tile(np.array(taps, np.float32).reshape(1, 1, 1, 1, 2), (2, 1, 1, 1, 1))
    layers = {
        "x": Layer("x", "x", "Parameter", {}, ()),
        "k": Layer("k", "taps", "Const", {}, ()),
        "u": Layer("u", "up", "GroupConvolutionBackpropData", attributes, (Source("x", 0), Source("k", 0))),
    }
    return _Walker(Graph(layers, {"k": kernel}), Path("toy.xml")), Source("u", 0)


def test_only_haar_filters_are_accepted() -> None:
    walker, source = up_sampling((HAAR, -HAAR))
    assert _upsample(walker, source, -HAAR, horizontal=True) == Source("x", 0)
    with pytest.raises(UnmaskError, match=r"toy\.xml: layer up .*Haar"):
        _upsample(walker, source, HAAR, horizontal=True)
    with pytest.raises(UnmaskError, match="Haar"):
        _upsample(walker, source, -HAAR, horizontal=False)
    other, source = up_sampling((0.5, -0.5))
    with pytest.raises(UnmaskError, match="Haar"):
        _upsample(other, source, -HAAR, horizontal=True)
    strided, source = up_sampling((HAAR, -HAAR), strides="1, 1")
    with pytest.raises(UnmaskError, match="up-sampling by two"):
        _upsample(strided, source, -HAAR, horizontal=True)
