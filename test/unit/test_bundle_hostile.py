"""Bundles made to do harm: each is refused by name, soon, and in bounded memory.

All are written first and then loaded by one child process with limited memory, so that a crash is a
failure here and nothing worse. Each case has a test of its own that looks at what the child saw.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import read_deployment
from zeroproof_ros.errors import DeploymentError
from zeroproof_ros.runtimes.onnx import MAX_MEMORY

onnx = pytest.importorskip("onnx", reason="onnx, which builds the models of this test")
from onnx import TensorProto, helper, numpy_helper

# What a process has besides: the libraries, and copies of a bundle of the largest size.
BESIDES = 300 << 20
# Each takes less than a second of processor time; a machine that is busy may take longer.
SECONDS = 20.0

CHILD = """
import json, resource, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]), int(sys.argv[3])))
from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.errors import ZeroProofError
load_bundle(Path(sys.argv[2]) / "good")
for folder in sorted(Path(sys.argv[2]).iterdir()):
    wall, cpu = time.monotonic(), time.process_time()
    try:
        load_bundle(folder)
        found, message = "loads", ""
    except ZeroProofError as error:
        found, message = type(error).__name__, str(error)
    except BaseException as error:
        found, message = "raised " + type(error).__name__, str(error)
    print(json.dumps({
        "name": folder.name,
        "found": found,
        "message": message,
        "wall": time.monotonic() - wall,
        "cpu": time.process_time() - cpu,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }), flush=True)
"""

Spoil = Callable[[Path], None]
CASES: dict[str, tuple[Spoil, str, str]] = {}


def case(error: str, message: str) -> Callable[[Spoil], Spoil]:
    """A case: what spoils a good bundle, and the refusal that is expected."""

    def add(spoil: Spoil) -> Spoil:
        CASES[spoil.__name__] = (spoil, error, message)
        return spoil

    return add


def cases(error: str, message: str, **variants: Any) -> Callable[[Callable[..., None]], None]:
    """The same with one argument more, once for each variant."""

    def add(spoil: Callable[..., None]) -> None:
        for name, variant in variants.items():
            CASES[f"{spoil.__name__}_{name}"] = (
                lambda folder, variant=variant: spoil(folder, variant),
                error,
                message,
            )

    return add


# Good parts, and how they are put together


def tensor(name: str, dims: list[int], data: list[float] | None = None) -> Any:
    made = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims)
    if data is not None:
        made.float_data.extend(data)
    return made


def integers(name: str, *values: int) -> Any:
    return TensorProto(
        name=name, data_type=TensorProto.INT64, dims=[len(values)], int64_data=values
    )


def value(name: str, *shape: str | int, dtype: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)


def good_model() -> Any:
    """numerator = input_0 w, denominator = input_0 v."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["input_0", "w"], ["numerator"]),
            helper.make_node("MatMul", ["input_0", "v"], ["denominator"]),
        ],
        "rows",
        [value("input_0", "batch", 4)],
        [value("numerator", "batch", 2), value("denominator", "batch")],
        [tensor("w", [4, 2], [1.0] * 8), tensor("v", [4], [1.0] * 4)],
    )
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)])


def save(folder: Path, model: Any) -> None:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (folder / "model.onnx").write_bytes(content)


def add(folder: Path, *nodes: Any, initializers: Any = (), adds: str = "") -> None:
    """Save the good model with more nodes, one result of which is added to the denominator."""
    model = good_model()
    graph = model.graph
    if adds:
        graph.node[1].output[0] = "q"
        nodes = (*nodes, helper.make_node("Add", ["q", adds], ["denominator"]))
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)
    save(folder, model)


def outside(folder: Path, location: str = "w.bin", **entries: Any) -> Any:
    """Save the good model with `w` in another file, which is good unless told otherwise."""
    (folder / "w.bin").write_bytes(b"\0\0\x80?" * 8)
    model = good_model()
    w = model.graph.initializer[0]
    w.ClearField("float_data")
    w.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **entries}.items():
        w.external_data.add(key=key, value=str(text))
    save(folder, model)
    return model


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}), encoding="utf-8")


def wire(number: int, content: bytes) -> bytes:
    """A field of bytes as protobuf writes it."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    low = bytes([number & 0x7F])
    return bytes([low[0] | 0x80]) + _varint(number >> 7) if number > 0x7F else low


# Weights in other files


@cases(
    "BundlePathError",
    "tensor w in '.*': expected a plain file name in the folder of the model",
    above="../w.bin",
    inside="folder/w.bin",
    here="./w.bin",
    root="/etc/hostname",
    backslash="..\\w.bin",
    hidden=".w.bin",
    nothing="",
    null="w.bin\0",
    memory_of_the_process="*/_ORT_MEM_ADDR_/*",
)
def weights_elsewhere(folder: Path, location: str) -> None:
    outside(folder, location)


@cases(
    "BundlePathError",
    "'w.bin' is not a regular file inside",
    missing=lambda path: path.unlink(),
    folder=lambda path: (path.unlink(), path.mkdir()),
    pipe=lambda path: (path.unlink(), os.mkfifo(path)),
    link_outside=lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
    link_inside=lambda path: (path.rename(path.with_name("real")), path.symlink_to("real")),
)
def weights_that_are_no_file(folder: Path, change: Callable[[Path], Any]) -> None:
    outside(folder)
    change(folder / "w.bin")


@cases(
    "BundlePathError",
    "can not be read from .*: expected a plain file name, each file for one purpose",
    model="model.onnx",
    metadata="metadata.json",
)
def weights_in_a_file_with_another_purpose(folder: Path, location: str) -> None:
    outside(folder, location)


@cases(
    "DigestMismatchError",
    "tensor w in 'w.bin' takes 32 bytes, told are .* it was cut off or exchanged",
    offset={"offset": 4},
    far={"offset": 10**17},
    short={"length": 31},
    none={"length": 0},
    long={"length": 33},
    endless={"offset": 10**17, "length": 10**17},
)
def weights_beyond_the_file(folder: Path, entries: dict[str, Any]) -> None:
    outside(folder, **entries)


@case("DigestMismatchError", "takes 32 bytes, told are 32 from 0, the file has 31")
def weights_cut_off(folder: Path) -> None:
    outside(folder)
    (folder / "w.bin").write_bytes(b"\0" * 31)


@cases(
    "GraphRefusedError",
    "tensor w in 'w.bin': its (offset|length) is '.*', expected a number of bytes",
    negative_offset={"offset": -4},
    negative_length={"length": -32},
    word={"offset": "begin"},
    hexadecimal={"length": "0x20"},
    spaced={"offset": " 0"},
    fraction={"offset": "0.0"},
    other_digits={"offset": "\u0660"},
    endless={"length": "9" * 10_000},
)
def weights_at_no_number(folder: Path, entries: dict[str, Any]) -> None:
    outside(folder, **entries)


@case("GraphRefusedError", "the tensors there take more than the 4194304 bytes of the file")
def weights_used_thousands_of_times(folder: Path) -> None:
    model = outside(folder)
    (folder / "big.bin").write_bytes(b"\0" * (1 << 22))
    for index in range(3000):
        w = tensor(f"w{index}", [1 << 20])
        w.data_location = TensorProto.EXTERNAL
        w.external_data.add(key="location", value="big.bin")
        model.graph.initializer.append(w)
    save(folder, model)


@case("BundlePathError", "has more than [0-9]+ bytes, the most it may have; a bundle has up to")
def weights_in_many_large_files(folder: Path) -> None:
    model = outside(folder)
    for index in range(50):
        with (folder / f"{index}.bin").open("wb") as file:
            file.truncate(1 << 22)
        w = tensor(f"w{index}", [1])
        w.data_location = TensorProto.EXTERNAL
        w.external_data.add(key="location", value=f"{index}.bin")
        model.graph.initializer.append(w)
    save(folder, model)


@case("GraphRefusedError", "tensor w has its elements in float_data and another file")
def weights_inside_and_outside(folder: Path) -> None:
    model = outside(folder)
    model.graph.initializer[0].float_data.extend([1.0] * 8)
    save(folder, model)


@case("BundlePathError", "tensor t in '../w.bin': expected a plain file name")
def weights_of_an_attribute_elsewhere(folder: Path) -> None:
    t = tensor("t", [1])
    t.data_location = TensorProto.EXTERNAL
    t.external_data.add(key="location", value="../w.bin")
    add(folder, helper.make_node("Constant", [], ["c"], value=t))


@case("BundlePathError", "tensor t in '/etc/hostname': expected a plain file name")
def weights_of_a_list_of_tensors_elsewhere(folder: Path) -> None:
    t = tensor("t", [1])
    t.data_location = TensorProto.EXTERNAL
    t.external_data.add(key="location", value="/etc/hostname")
    add(folder, helper.make_node("Constant", [], ["c"], value=[t]))


# What is given in two pieces is joined by a protobuf library; each piece alone looks harmless.


@case("ModelLoadError", "it is no ONNX model \\(Model.graph is given twice\\)")
def a_graph_in_two_pieces(folder: Path) -> None:
    first = outside(folder, "/etc/hostname")
    del first.graph.node[:]
    save(folder, first.SerializeToString() + good_model().SerializeToString()[2:])


@case("ModelLoadError", "it is no ONNX model \\(Attribute.t is given twice\\)")
def a_tensor_in_two_pieces(folder: Path) -> None:
    t = tensor("t", [1])
    t.data_location = TensorProto.EXTERNAL
    node = helper.make_node("Constant", [], ["c"])
    attribute = wire(1, b"value") + wire(5, t.SerializeToString()) + wire(5, b"")
    graph = good_model().graph.SerializeToString()
    graph += wire(1, node.SerializeToString() + wire(5, attribute))
    save(folder, b"\x08\x09" + wire(7, graph) + wire(8, b"\x10\x12"))


# Operators and graphs that are not taken


@cases(
    "GraphRefusedError",
    "operator .* is of the domain .*, expected the default ONNX operators only",
    custom=("Launch", "com.example"),
    microsoft=("Gelu", "com.microsoft"),
    trees=("TreeEnsembleRegressor", "ai.onnx.ml"),
    look_alike=("Identity", "ai.onnx "),
)
def an_operator_of_another_domain(folder: Path, operator: tuple[str, Any]) -> None:
    name, domain = operator
    add(folder, helper.make_node(name, ["w"], ["c"], domain=domain))


@cases("ModelLoadError", "text that is none: b'.xff'", domain=7, op_type=4, name=3, output=2)
def a_name_that_is_no_text(folder: Path, field: int) -> None:
    graph = good_model().graph.SerializeToString() + wire(1, wire(field, b"\xff"))
    save(folder, b"\x08\x09" + wire(7, graph) + wire(8, b"\x10\x12"))


@case("ModelLoadError", "text that is none: b'batc.xff'")
def a_dimension_that_is_no_text(folder: Path) -> None:
    content = good_model().SerializeToString()
    save(folder, content.replace(b"\x12\x05batch", b"\x12\x05batc\xff"))


@case("GraphRefusedError", "an operator set is of the domain com.example")
def an_operator_set_of_another_domain(folder: Path) -> None:
    model = good_model()
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    save(folder, model)


def image(op_type: str, **attributes: Any) -> list[Any]:
    """Nodes that take `w` for images and make `c` of them."""
    pixels = helper.make_node("Unsqueeze", ["w", "axes"], ["pixels"])
    return [pixels, helper.make_node(op_type, ["pixels"], ["c"], **attributes)]


# Each but the first ended the process of some ONNX Runtime from 1.17 to 1.31.
@cases(
    "GraphRefusedError",
    "operator [A-Za-z0-9]+ is not taken, expected arithmetic of tables",
    unknown=[helper.make_node("Launch", ["w"], ["c"])],
    diagonal_of_minus_2_63=[helper.make_node("Trilu", ["w", "k"], ["c"])],
    strides_of_0=image("MaxPool", kernel_shape=[1, 1], strides=[0, 0]),
    average_over_strides_of_0=image("AveragePool", kernel_shape=[1, 1], strides=[0, 0]),
    groups_of_0=[
        helper.make_node("Conv", ["w", "w"], ["c"], group=0),
        helper.make_node("ConvTranspose", ["w", "w"], ["d"], group=0),
    ],
    normalised_groups_of_0=[
        helper.make_node("GroupNormalization", ["w", "v", "v"], ["c"], num_groups=0)
    ],
    blocks_of_0=[helper.make_node("Col2Im", ["w", "size", "block"], ["c"])],
    heads_of_0=[helper.make_node("Attention", ["w", "w", "w"], ["c"], q_num_heads=0)],
    places_beyond_an_image=[helper.make_node("MaxUnpool", ["w", "k"], ["c"], kernel_shape=[1])],
    a_sequence=[helper.make_node("SequenceConstruct", ["w"], ["c"])],
    a_text=[helper.make_node("StringNormalizer", ["w"], ["c"])],
    dice=[helper.make_node("RandomUniformLike", ["w"], ["c"])],
)
def an_operator_that_is_not_for_tables(folder: Path, nodes: list[Any]) -> None:
    add(folder, *nodes, initializers=[integers("axes", 0, 1), integers("k", -(1 << 63))])


WHOLE = [
    helper.make_node("Cast", ["input_0"], ["whole"], to=TensorProto.INT64),
    helper.make_node("Sub", ["whole", "whole"], ["zeros"]),
]
FLOAT_CAST = helper.make_node("Cast", ["c"], ["d"], to=TensorProto.FLOAT)


@cases(
    "GraphRefusedError",
    "(Div|Mod) of whole numbers by something that is no constant above 0",
    zero=[*WHOLE, helper.make_node("Div", ["whole", "zeros"], ["c"])],
    remainder=[*WHOLE, helper.make_node("Mod", ["whole", "zeros"], ["c"])],
    overflow=[
        *WHOLE,
        helper.make_node("Add", ["zeros", "least"], ["a"]),
        helper.make_node("Div", ["a", "minus_one"], ["c"]),
    ],
    told_by_another=[
        *WHOLE,
        helper.make_node("CastLike", ["input_0", "least"], ["like"]),
        helper.make_node("Where", ["mask", "like", "like"], ["chosen"]),
        helper.make_node("Gather", ["chosen", "least"], ["gathered"]),
        helper.make_node("Div", ["gathered", "zeros"], ["c"]),
    ],
    shape=[
        helper.make_node("Shape", ["input_0"], ["a"]),
        helper.make_node("ConstantOfShape", ["a"], ["b"], value=integers("", 0)),
        helper.make_node("Div", ["a", "b"], ["c"]),
    ],
    constant=[
        *WHOLE,
        helper.make_node("Constant", [], ["b"], value_ints=[0]),
        helper.make_node("Div", ["whole", "b"], ["c"]),
    ],
    place=[
        helper.make_node("ArgMax", ["input_0"], ["a"]),
        helper.make_node("Div", ["a", "a"], ["c"]),
    ],
)
def a_division_of_whole_numbers(folder: Path, nodes: list[Any]) -> None:
    known = [
        numpy_helper.from_array(np.array([number]), name)
        for name, number in (("least", -(1 << 63)), ("minus_one", -1))
    ]
    add(folder, *nodes, FLOAT_CAST, initializers=known)


@case("GraphRefusedError", "Mod of whole numbers by something that is no constant above 0")
def a_remainder_of_a_kind_that_is_no_integer(folder: Path) -> None:
    node = helper.make_node("Mod", ["whole", "zeros"], ["c"], fmod=1)
    node.attribute[0].type = onnx.AttributeProto.FLOAT
    add(folder, *WHOLE, node)


@case("GraphRefusedError", "fmod is made 2 times")
def a_remainder_of_two_kinds(folder: Path) -> None:
    node = helper.make_node("Mod", ["whole", "zeros"], ["c"], fmod=0)
    node.attribute.append(helper.make_attribute("fmod", 1))
    add(folder, *WHOLE, node)


@case("GraphRefusedError", "has functions of its own")
def functions_that_call_each_other(folder: Path) -> None:
    model = good_model()
    opset = [helper.make_opsetid("", 18)]
    for level in range(40):
        inner = f"f{level - 1}" if level else "Identity"
        nodes = [
            helper.make_node(inner, ["x"], ["y"], domain="" if not level else "f"),
            helper.make_node(inner, ["y"], ["z"], domain="" if not level else "f"),
        ]
        model.functions.append(helper.make_function("f", f"f{level}", ["x"], ["z"], nodes, opset))
    save(folder, model)


def branch(op_type: str, name: str) -> Any:
    return helper.make_graph([helper.make_node(op_type, ["w"], [name])], name, [], [value(name)])


@case("GraphRefusedError", "has a graph inside If")
def a_graph_inside_if(folder: Path) -> None:
    branches = {"then_branch": branch("Neg", "a"), "else_branch": branch("Abs", "b")}
    add(folder, helper.make_node("If", ["c"], ["d"], **branches))


@case("GraphRefusedError", "has a graph inside Loop")
def a_loop(folder: Path) -> None:
    add(folder, helper.make_node("Loop", ["m", "c"], ["d"], body=branch("Neg", "a")))


@case("GraphRefusedError", "has a graph inside Scan")
def a_list_of_graphs(folder: Path) -> None:
    node = helper.make_node("Scan", ["c"], ["d"], num_scan_inputs=1)
    node.attribute.append(helper.make_attribute("bodies", [branch("Neg", "a")]))
    add(folder, node)


def sparse() -> Any:
    values = numpy_helper.from_array(numpy_helper.to_array(tensor("s", [1], [1.0])), "s")
    return helper.make_sparse_tensor(values, integers("i", 0), [1 << 40])


@case("GraphRefusedError", "has sparse tensors")
def sparse_weights(folder: Path) -> None:
    model = good_model()
    model.graph.sparse_initializer.append(sparse())
    save(folder, model)


@case("GraphRefusedError", "has sparse tensors")
def a_sparse_constant(folder: Path) -> None:
    add(folder, helper.make_node("Constant", [], ["c"], sparse_value=sparse()))


@case("GraphRefusedError", "has a training graph")
def a_training_graph(folder: Path) -> None:
    model = good_model()
    model.training_info.add().algorithm.CopyFrom(model.graph)
    save(folder, model)


@case("GraphRefusedError", "w is made 2 times, expected each value once")
def weights_of_the_same_name(folder: Path) -> None:
    add(folder, initializers=[tensor("w", [4, 2], [0.0] * 8)])


@cases("GraphRefusedError", "is made 2 times", weights="w", result="numerator")
def a_result_with_the_name_of_another(folder: Path, name: str) -> None:
    add(folder, helper.make_node("Abs", ["v"], [name]))


@cases(
    "ModelLoadError",
    "does not load|answers",
    text=helper.make_node("Constant", [], ["denominator"], value_string="text"),
    no_output=helper.make_node("Identity", ["input_0"], ["other"]),
)
def an_answer_of_no_numbers(folder: Path, node: Any) -> None:
    model = good_model()
    model.graph.node[1].CopyFrom(node)
    model.graph.output[1].ClearField("type")
    save(folder, model)


# More parts than any model has


@cases(
    "GraphRefusedError",
    "has more than 25000 parts",
    nodes=lambda: wire(7, wire(1, b"") * 4_000_000),
    initializers=lambda: wire(7, wire(5, b"") * 4_000_000),
    value_infos=lambda: wire(7, wire(13, b"") * 4_000_000),
    attributes=lambda: wire(7, wire(1, wire(5, b"") * 4_000_000)),
    names_of_inputs=lambda: wire(7, wire(1, wire(1, b"") * 4_000_000)),
    dimensions=lambda: wire(7, wire(11, wire(2, wire(1, wire(2, wire(1, b"") * 4_000_000))))),
    operator_sets=lambda: wire(8, b"") * 4_000_000,
    unknown=lambda: wire(99, b"") * 4_000_000,
    integers=lambda: wire(7, wire(1, wire(5, b"\x40\x00" * 4_000_000))),
)
def millions_of(folder: Path, content: Callable[[], bytes]) -> None:
    save(folder, b"\x08\x09" + content())


@case("loads", "^$")
def as_many_nodes_without_use_as_are_taken(folder: Path) -> None:
    add(folder, *[helper.make_node("Abs", ["w"], [f"c{i}"]) for i in range(6200)])


@case("loads", "^$")
def as_many_nodes_in_a_row_as_are_taken(folder: Path) -> None:
    chain = [helper.make_node("Abs", [f"c{i}"], [f"c{i + 1}"]) for i in range(6200)]
    summed(folder, "c6200", *chain, initializers=[tensor("c0", [1], [1.0])])


# Tensors that are larger than they are


@cases(
    "GraphRefusedError",
    "tensor big (of shape .* takes|has the dimensions)",
    empty=[1 << 20],
    large=[1 << 30],
    product=[1 << 30, 1 << 30, 4],
    overflow=[1 << 30] * 8,
    one=[1 << 62],
    negative=[-1],
    two_negatives=[-(1 << 31), -(1 << 31)],
    zero_times_endless=[0, 1 << 62],
    rank=[1] * 9,
    endless_rank=[1] * 20_000,
)
def a_tensor_without_its_elements(folder: Path, dims: list[int]) -> None:
    add(folder, initializers=[tensor("big", dims)])


@case("GraphRefusedError", "tensor big of shape \\(\\) takes 4 bytes or integers, 8000000 are")
def more_elements_than_dimensions(folder: Path) -> None:
    add(folder, initializers=[tensor("big", [], [0.0] * 2_000_000)])


@case("GraphRefusedError", "takes 3 bytes or integers, 2 are given")
def fewer_integers_than_dimensions(folder: Path) -> None:
    made = integers("big", 1, -1)
    made.dims[0] = 3
    add(folder, initializers=[made])


@cases(
    "GraphRefusedError",
    "tensor t has the ONNX data type (0|8|14|99|18446744073709551615)",
    undefined=0,
    text=8,
    complex=14,
    unknown=99,
    negative=-1,
)
def a_tensor_of_no_numbers(folder: Path, data_type: int) -> None:
    add(folder, initializers=[TensorProto(name="t", data_type=data_type, dims=[0])])


@case("GraphRefusedError", "tensor t has its elements in raw_data, float_data")
def a_tensor_with_two_contents(folder: Path) -> None:
    add(
        folder,
        initializers=[
            TensorProto(name="t", data_type=1, dims=[1], float_data=[1.0], raw_data=b"\0" * 4)
        ],
    )


# Work and memory that a few constants ask for

ONE = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])


def summed(folder: Path, name: str, *nodes: Any, initializers: Any) -> None:
    """Save a model that computes a large tensor and adds its sum to the denominator."""
    reduce = helper.make_node("ReduceSum", [name], ["sum"], keepdims=0)
    add(folder, *nodes, reduce, initializers=initializers, adds="sum")


@cases("ModelRunError", "the model failed on 2 rows: .*", some=1 << 29, more=1 << 40, most=1 << 61)
def constant_of_shape(folder: Path, size: int) -> None:
    node = helper.make_node("ConstantOfShape", ["n"], ["big"], value=ONE)
    summed(folder, "big", node, initializers=[integers("n", size)])


@cases("ModelRunError", "the model failed on 2 rows: .*", some=(1 << 15,) * 2, more=(1 << 20,) * 3)
def expand(folder: Path, shape: tuple[int, ...]) -> None:
    node = helper.make_node("Expand", ["v", "n"], ["big"])
    summed(folder, "big", node, initializers=[integers("n", *shape, 4)])


@cases("ModelRunError", "the model failed on 2 rows: .*", some=1 << 28, most=1 << 61)
def tile(folder: Path, times: int) -> None:
    node = helper.make_node("Tile", ["v", "n"], ["big"])
    summed(folder, "big", node, initializers=[integers("n", times)])


@cases(
    "ModelRunError",
    "(failed on|did not answer) 2 rows.*",
    some=1 << 28,
    more=1 << 40,
    most=1 << 62,
)
def a_range(folder: Path, limit: int) -> None:
    nodes = (
        helper.make_node("Range", ["start", "limit", "step"], ["r"]),
        helper.make_node("Cast", ["r"], ["big"], to=TensorProto.FLOAT),
    )
    scalars = [
        TensorProto(name=name, data_type=TensorProto.INT64, int64_data=[number])
        for name, number in (("start", 0), ("limit", limit), ("step", 1))
    ]
    summed(folder, "big", *nodes, initializers=scalars)


@case("ModelRunError", "(failed on|did not answer) 2 rows")
def a_chain_that_doubles(folder: Path) -> None:
    nodes = [
        helper.make_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(60)
    ]
    summed(folder, "c60", *nodes, initializers=[tensor("c0", [1], [1.0])])


@case("ModelRunError", "the model failed on 2 rows: .*")
def padding(folder: Path) -> None:
    node = helper.make_node("Pad", ["v", "n"], ["big"])
    summed(folder, "big", node, initializers=[integers("n", 0, 1 << 34)])


@case("ModelRunError", "the model failed on 2 rows: .*")
def one_hot(folder: Path) -> None:
    node = helper.make_node("OneHot", ["n", "depth", "pair"], ["big"])
    tables = [integers("n", 0, 1), integers("depth", 1 << 40), tensor("pair", [2], [0.0, 1.0])]
    summed(folder, "big", node, initializers=tables)


@case("ModelRunError", "the model did not answer 2 rows within 0.4 s")
def multiplications_for_minutes(folder: Path) -> None:
    start = helper.make_node("ConstantOfShape", ["n"], ["c0"], value=ONE)
    nodes = [helper.make_node("MatMul", [f"c{i}", f"c{i}"], [f"c{i + 1}"]) for i in range(900)]
    summed(folder, "c900", start, *nodes, initializers=[integers("n", 1500, 1500)])


# Tables that are too wide


@cases(
    "GraphMismatchError", "input_0 has [0-9]+ columns, expected 1 to 4096", far=1 << 40, near=4097
)
def features(folder: Path, width: int) -> None:
    model = good_model()
    model.graph.input[0].CopyFrom(value("input_0", "batch", width))
    model.graph.node[0].CopyFrom(helper.make_node("Identity", ["input_0"], ["numerator"]))
    reduce = helper.make_node("ReduceMax", ["input_0"], ["denominator"], keepdims=0, axes=None)
    model.graph.node[1].CopyFrom(reduce)
    model.graph.node[1].input.append("axis")
    model.graph.initializer.append(integers("axis", 1))
    model.graph.output[0].CopyFrom(value("numerator", "batch", "columns"))
    save(folder, model)


@case("GraphMismatchError", "numerator has 1073741824 columns, expected 1 to 4096")
def declared_outputs(folder: Path) -> None:
    add(folder, initializers=[integers("n", 2, 1 << 30)])
    model = onnx.load(folder / "model.onnx")
    model.graph.node[0].CopyFrom(helper.make_node("Expand", ["q", "n"], ["numerator"]))
    model.graph.node.insert(0, helper.make_node("MatMul", ["input_0", "one"], ["q"]))
    model.graph.initializer.append(tensor("one", [4, 1], [1.0] * 4))
    model.graph.output[0].CopyFrom(value("numerator", "batch", 1 << 30))
    save(folder, model)


@cases(
    "GraphMismatchError",
    "numerator has [0-9]+ columns, expected 1 to 4096",
    wide=1 << 14,
    wider=1 << 30,
)
def outputs(folder: Path, width: int) -> None:
    model = good_model()
    model.graph.node[0].CopyFrom(helper.make_node("Expand", ["q", "n"], ["numerator"]))
    model.graph.node.insert(0, helper.make_node("MatMul", ["input_0", "one"], ["q"]))
    model.graph.initializer.extend([tensor("one", [4, 1], [1.0] * 4), integers("n", 2, width)])
    model.graph.output[0].CopyFrom(value("numerator", "batch", "columns"))
    save(folder, model)


# Files that are no models


@cases(
    "ModelLoadError",
    "it is no ONNX model",
    empty=b"",
    text=b"no model\n" * 100,
    random=bytes((i * i * 31 + i * 7) & 0xFF for i in range(5000)),
    zeros=bytes(5000),
    ones=b"\xff" * 5000,
    groups=b"\x3b" * 1_000_000,
    an_endless_number=b"\x08" + b"\x80" * 1000,
    a_length_beyond_the_file=b"\x3a\xff\xff\xff\xff\x0f",
    a_negative_length=b"\x3a" + b"\xff" * 9 + b"\x01",
    a_graph_that_is_a_number=b"\x38\x01",
)
def no_model(folder: Path, content: bytes) -> None:
    save(folder, content)


@cases("ModelLoadError", "does not load", half=0.5, almost=0.99, a_byte=0.01)
def a_model_cut_off(folder: Path, part: float) -> None:
    content = good_model().SerializeToString()
    save(folder, content[: int(len(content) * part)])


@case("BundlePathError", "has more than [0-9]+ bytes, the most it may have")
def a_model_of_a_terabyte(folder: Path) -> None:
    with (folder / "model.onnx").open("wb") as file:
        file.truncate(1 << 40)


# Metadata


@cases(
    "MetadataMalformedError",
    "is not strict JSON|lie inside each other|has more than|required|is not of type|too long|names",
    keys=lambda _: "{" + ",".join(f'"{i}":0' for i in range(9_000)) + "}",
    a_key_many_times=lambda _: "{" + ",".join('"a":0' for _ in range(10_000)) + "}",
    nested_lists=lambda text: text.replace("{", '{"x":' + "[" * 900 + "]" * 900 + ",", 1),
    nested_objects=lambda text: text.replace(
        "{", '{"x":' + '{"a":' * 100 + "0" + "}" * 100 + ",", 1
    ),
    nested_without_end=lambda _: '{"a":' * 20_000,
    nested_in_a_key_that_is_checked=lambda text: text.replace(
        "{", '{"inputs":' + "[" * 500 + "]" * 500 + ",", 1
    ),
    digits=lambda text: text.replace("{", '{"x":' + "9" * 100_000 + ",", 1),
    not_a_number=lambda text: text.replace("{", '{"x":{"y":[NaN]},', 1),
    infinity=lambda text: text.replace("{", '{"x":-Infinity,', 1),
    beyond_every_float=lambda text: text.replace("{", '{"x":1e400,', 1),
    a_key_twice=lambda text: text.replace("{", '{"tau_infer":0.5,', 1),
    half_a_character=lambda text: text.replace("{", '{"x":"\\ud800",', 1),
    a_mark_of_byte_order=lambda text: "\ufeff" + text,
    a_null_byte=lambda text: text + "\0",
    a_comment=lambda text: text + "// and more",
)
def metadata(folder: Path, change: Callable[[str], str]) -> None:
    path = folder / "metadata.json"
    path.write_text(change(path.read_text("utf-8")), encoding="utf-8")


@cases(
    "BundlePathError",
    "metadata.json has more than 131072 bytes",
    keys="{" + ",".join(f'"{i}":0' for i in range(100_000)) + "}",
    nested="[" * 200_000,
    features='{"deployment":{"features":[' + ",".join(["{}"] * 100_000) + "]}}",
)
def metadata_that_is_large(folder: Path, content: str) -> None:
    (folder / "metadata.json").write_text(content, encoding="utf-8")


@cases(
    "DeploymentError|MetadataMalformedError",
    "deployment",
    dicts=[{}] * 30_000,
    lists=[[[]]] * 20_000,
    equal=["a"] * 20_000,
    names=[f"{i}" for i in range(10_000)],
    long=["a" * 120_000],
)
def features_of_a_deployment(folder: Path, names: list[Any]) -> None:
    block = json.loads((folder / "block.json").read_text())
    edit(folder, deployment={**block, "features": names})


# Running and judging


@pytest.fixture(scope="module")
def outcomes(exact_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What a child process saw when it loaded the bundle of each case."""
    base = tmp_path_factory.mktemp("hostile")
    good = Path(shutil.copytree(exact_folder, base / "good"))
    text = json.loads((good / "metadata.json").read_text("utf-8"))
    (good / "block.json").write_text(json.dumps(text.pop("deployment")), encoding="utf-8")
    # What need not be told, and would be found to be wrong before the harm is.
    for key in ("model_bytes", "model_sha256", "inputs", "outputs", "batch_axis_semantics"):
        del text[key]
    (good / "metadata.json").write_text(json.dumps(text), encoding="utf-8")
    save(good, good_model())
    for name, (spoil, _, _) in CASES.items():
        spoil(Path(shutil.copytree(good, base / name)))
    limit = 2 * (MAX_MEMORY + BESIDES)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(Path(__file__).parents[2]), str(base), str(limit)],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS * len(CASES),
    )
    seen = {line["name"]: line for line in map(json.loads, child.stdout.splitlines())}
    seen["the child"] = {"rc": child.returncode, "stderr": child.stderr}
    return seen


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_bundle_is_refused_by_name(name: str, outcomes: Mapping[str, Any]) -> None:
    _, error, message = CASES[name]
    assert name in outcomes, f"the child died before or here: {outcomes['the child']}"
    seen = outcomes[name]
    assert seen["found"] in error.split("|"), seen["message"]
    assert re.search(message, seen["message"]), seen["message"]
    assert len(seen["message"]) < 3000
    assert seen["wall"] < SECONDS


def test_the_good_bundle_loads_and_nothing_is_logged(outcomes: Mapping[str, Any]) -> None:
    assert outcomes["good"]["found"] == "loads", outcomes["good"]["message"]
    assert outcomes["the child"] == {"rc": 0, "stderr": ""}


def test_memory_is_bounded(outcomes: Mapping[str, Any]) -> None:
    most = max(outcomes[name]["memory"] for name in CASES if name in outcomes)
    assert most < MAX_MEMORY + BESIDES


# Deployment files


@pytest.fixture
def robot(robot_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the robot file with its text changed."""
    path = tmp_path / "robot.yaml"

    def write(change: Callable[[str], str]) -> Path:
        path.write_text(change(robot_file.read_text("utf-8")), encoding="utf-8")
        return path

    return write


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text + LAUGHS, "it has an alias"),
        (lambda text: text + "model: &m {a: *m}\n", "it has an alias"),
        (lambda text: text + "base_frame: other\n", "key 'base_frame' is given twice"),
        (lambda text: text.replace("robot:", "robot:\n  type: x", 1), "key 'type' is given twice"),
        (lambda text: text + "model: {a: {b: 1, 'b': 2}}\n", "key 'b' is given twice"),
        (lambda text: text + "model: {<<: {a: 1}, a: 2}\n", "key '<<' is given twice or is no"),
        (lambda text: text + "model: {a: !!bool x}\n", "is not a readable YAML file"),
        (lambda text: text + "model: {a: !!timestamp x}\n", "is not a readable YAML file"),
        (lambda text: text + "model: {[1]: 2}\n", "is given twice or is no text"),
        (lambda text: text + "model: {a: " + "[" * 90 + "]" * 90 + "}\n", "lie inside each other"),
        (lambda text: text + "#" * 20_000, "has more than 16384 bytes"),
        (lambda text: text + "---\na: 1\n", "is not a readable YAML file"),
        (lambda _: "[" * 16_000, "is not a readable YAML file"),
        (lambda _: "- " * 8_000, "is not a readable YAML file"),
        (lambda _: "? " * 8_000, "is not a readable YAML file"),
        (lambda text: text + "x: " + "9" * 15_000, "robot.yaml"),
    ],
)  # fmt: skip
def test_a_hostile_deployment_file_is_refused(
    robot: Callable[..., Path], change: Callable[[str], str], message: str
) -> None:
    path = robot(change)
    with pytest.raises(DeploymentError, match=message) as caught:
        read_deployment(path)
    assert caught.value.path == path
