"""What ONNX Runtime gets of a model: all that was looked at, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.bundle.graph import OnnxGraph
from zeroproof_ros.bundle.onnx_proto import Reader, varint, write
from zeroproof_ros.errors import DigestMismatchError, ModelLoadError

onnx = pytest.importorskip("onnx", reason="onnx, which builds the models of this test")
from onnx import AttributeProto, TensorProto, helper

HERE = Path("model.onnx")
ROWS = np.random.default_rng(0).normal(size=(5, 4))
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
FLOATS = st.floats(width=32, allow_nan=False)

NODES = """
    h = Gemm(input_0, w, b)  numerator = Tanh(h)
    q = ReduceSum <keepdims=0> (h, axis)  denominator = Mul(q, half)
"""
CONSTANTS = """
    float[4,2] w = {0.5,-1.0,0.25,1.0,0.5,-0.5,0.75,0.5}, float[2] b = {0.5,-0.5},
    int64[1] axis = {1}, float half = {0.5}
"""


def no_weights(name: str) -> bytes:
    raise AssertionError(f"{name} was asked for")


@pytest.fixture
def outside(
    edit: Callable[..., Path],
    graph: Callable[..., bytes],
    save_weights_outside: Callable[[bytes, Path], None],
) -> Path:
    """A bundle with all weights in another file."""
    folder = edit(model_bytes=..., model_sha256=..., deployment=...)
    save_weights_outside(graph(NODES, constants=CONSTANTS), folder / "model.onnx")
    return folder


# Reading and writing


@given(
    dims=st.lists(INT64, max_size=5),
    floats=st.lists(FLOATS, max_size=5),
    integers=st.lists(INT64, max_size=5),
    raw=st.binary(max_size=20),
    name=st.text(max_size=10),
    entries=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
def test_a_tensor_is_written_as_it_was_read(
    dims: list[int],
    floats: list[float],
    integers: list[int],
    raw: bytes,
    name: str,
    entries: dict[str, str],
) -> None:
    tensor = TensorProto(
        dims=dims, float_data=floats, int64_data=integers, raw_data=raw, name=name, data_type=1
    )
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    message = Reader(HERE).read("Tensor", tensor.SerializeToString())
    assert TensorProto.FromString(write(message)) == tensor


@given(
    integers=st.lists(INT64, max_size=5),
    floats=st.lists(FLOATS, max_size=5),
    strings=st.lists(st.binary(max_size=5), max_size=5),
    one=st.tuples(INT64, FLOATS, st.binary(max_size=5)),
)
def test_an_attribute_is_written_as_it_was_read(
    integers: list[int], floats: list[float], strings: list[bytes], one: tuple[int, float, bytes]
) -> None:
    attribute = AttributeProto(
        name="a", i=one[0], f=one[1], s=one[2], ints=integers, floats=floats, strings=strings
    )
    message = Reader(HERE).read("Attribute", attribute.SerializeToString())
    assert AttributeProto.FromString(write(message)) == attribute


@given(st.binary(max_size=12))
def test_a_varint_is_a_number_of_64_bits_or_none(content: bytes) -> None:
    try:
        number, at = varint(content, 0)
    except ValueError:
        return
    assert 0 <= number < 1 << 64
    assert 0 < at <= min(len(content), 10)
    assert content[at - 1] < 0x80


@pytest.mark.parametrize(
    "tensor",
    [TensorProto(name="abc"), TensorProto(data_type=300), TensorProto(float_data=[1.0, 2.0])],
)
def test_a_field_that_is_cut_off_is_refused(tensor: TensorProto) -> None:
    content = tensor.SerializeToString()
    Reader(HERE).read("Tensor", content)
    for end in range(1, len(content)):
        with pytest.raises(ModelLoadError, match="cut off|a number that does not end"):
            Reader(HERE).read("Tensor", content[:end])


def test_numbers_may_be_packed_in_parts() -> None:
    parts = b"\x0a\x02\x01\x02" + b"\x08\x03" + b"\x0a\x01\x04"
    dims = Reader(HERE).read("Tensor", parts).get("dims", b"")
    assert TensorProto.FromString(parts).dims == [1, 2, 3, 4]
    assert bytes(dims) == b"\x01\x02\x03\x04"


def test_what_has_no_use_is_left_out(graph: Callable[..., bytes]) -> None:
    model = onnx.load_model_from_string(graph(NODES, constants=CONSTANTS))
    plain = OnnxGraph(model.SerializeToString(), HERE, no_weights).content
    model.doc_string = "a" * 1000
    model.metadata_props.add(key="a", value="b")
    model.graph.value_info.append(helper.make_tensor_value_info("h", TensorProto.INT64, [7, 7]))
    model.graph.quantization_annotation.add(tensor_name="h")
    model.graph.node[0].doc_string = "b" * 1000
    model.graph.initializer[0].external_data.add(key="location", value="/etc/hostname")
    assert OnnxGraph(model.SerializeToString(), HERE, no_weights).content == plain


def test_a_model_read_again_is_the_same(exact_folder: Path) -> None:
    once = OnnxGraph((exact_folder / "model.onnx").read_bytes(), HERE, no_weights)
    twice = OnnxGraph(once.content, HERE, no_weights)
    assert twice.content == once.content
    assert twice.nodes == once.nodes
    assert twice.tensors == once.tensors
    assert once.tensors["l1"].dims == ()


# Weights in another file


def test_weights_in_another_file_are_those_inside(
    outside: Path, graph: Callable[..., bytes], tmp_path: Path
) -> None:
    inside = Path(shutil.copytree(outside, tmp_path / "inside"))
    (inside / "model.onnx").write_bytes(graph(NODES, constants=CONSTANTS))
    for found, expected in zip(
        load_bundle(outside).run(ROWS), load_bundle(inside).run(ROWS), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_the_digest_covers_the_weights(outside: Path) -> None:
    digest = load_bundle(outside).digest
    path = outside / "model.onnx.data"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert load_bundle(outside).digest != digest
    with pytest.raises(DigestMismatchError, match="is not the bundle that was asked for"):
        load_bundle(outside, expected_digest=digest)


def test_weights_of_the_working_directory_are_not_used(
    outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_bundle(outside)
    decoded = expected.run(ROWS).decoded
    size = (outside / "model.onnx.data").stat().st_size
    (tmp_path / "model.onnx.data").write_bytes(b"\0\0\x80?" * (size // 4))
    monkeypatch.chdir(tmp_path)
    found = load_bundle(outside.name)
    assert found.digest == expected.digest
    np.testing.assert_array_equal(found.run(ROWS).decoded, decoded)


def test_weights_written_later_are_not_used(outside: Path) -> None:
    bundle = load_bundle(outside)
    decoded = bundle.run(ROWS).decoded
    path = outside / "model.onnx.data"
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(bundle.run(ROWS).decoded, decoded)


def test_a_file_without_weights_may_be_empty(outside: Path, graph: Callable[..., bytes]) -> None:
    model = onnx.load_model_from_string(graph(NODES, constants=CONSTANTS))
    nothing = TensorProto(name="nothing", data_type=1, dims=[0], data_location=1)
    nothing.external_data.add(key="location", value="model.onnx.data")
    model.graph.initializer.append(nothing)
    (outside / "model.onnx").write_bytes(model.SerializeToString())
    (outside / "model.onnx.data").write_bytes(b"")
    assert load_bundle(outside).run(ROWS).decoded.shape == (5, 2)
