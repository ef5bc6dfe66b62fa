"""Thresholds inside a graph: read through what exporters write, and compared to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zeroproof_ros.bundle import Bundle, GraphKind, load_bundle
from zeroproof_ros.bundle.graph import OnnxGraph
from zeroproof_ros.bundle.thresholds import check_thresholds
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import GraphMismatchError

onnx = pytest.importorskip("onnx", reason="onnx, which builds the models of this test")
from onnx import helper, numpy_helper

HERE = Path("model.onnx")
CONFIG = InferenceConfig(0.02, 0.05)
Build = Callable[..., bytes]

STRICT = "float[batch, 2] decoded, bool[batch] bottom_mask, bool[batch] gap_mask"
START = """
    q = ReduceSum <keepdims=0> (input_0, axis)  size = Abs(q)
    decoded = Gather <axis=1> (input_0, two)
"""
CONSTANTS = """
    int64[1] axis = {1}, int64[2] two = {0, 1}, float tau = {0.02}, float train = {0.05},
    double wide_tau = {0.02}, double wide_train = {0.05}, float[1] one_tau = {0.02},
    float other = {0.03}
"""
BOTTOM = "bottom_mask = Less(size, tau)"
GAP = "large = Not(bottom_mask)  below = Less(size, train)  gap_mask = And(large, below)"


def read(build: Build, nodes: str) -> OnnxGraph:
    """The graph of some nodes after those that all have."""
    content = build(f"{START} {nodes}", outputs=STRICT, constants=CONSTANTS)
    return OnnxGraph(content, HERE, lambda _: b"")


def comparing(tau: Any, train: Any) -> OnnxGraph:
    """A graph whose constants are the given numpy scalars."""
    nodes = [
        helper.make_node("Abs", ["input_0"], ["size"]),
        helper.make_node("Less", ["size", "tau"], ["bottom_mask"]),
        helper.make_node("Less", ["size", "train"], ["gap_mask"]),
    ]
    constants = {"tau": tau, "train": train}
    graph = helper.make_graph(
        nodes, "a", [], [], [numpy_helper.from_array(np.array(v), k) for k, v in constants.items()]
    )
    return OnnxGraph(helper.make_model(graph).SerializeToString(), HERE, lambda _: b"")


@pytest.mark.parametrize(
    "nodes",
    [
        f"{BOTTOM} {GAP}",
        f"large = GreaterOrEqual(size, tau)  bottom_mask = Not(large)  {GAP.split('  ', 1)[1]}",
        f"bottom_mask = Greater(tau, size)  {GAP}",
        f"bottom_mask = LessOrEqual(size, tau)  {GAP}",
        f"wide = Cast <to=11> (size)  bottom_mask = Less(wide, wide_tau)  {GAP}",
        f"c = Unsqueeze(size, axis)  s = Less(c, one_tau)  bottom_mask = Squeeze(s, axis)  {GAP}",
        f"t = Identity(tau)  bottom_mask = Less(size, t)  {GAP}",
        f"t = Constant <value = float {{0.02}}> ()  bottom_mask = Less(size, t)  {GAP}",
        f"t = Constant <value_float = 0.02> ()  bottom_mask = Less(size, t)  {GAP}",
        f"s = Less(size, tau)  n = IsNaN(q)  bottom_mask = Or(s, n)  {GAP}",
        f"s = Less(size, tau)  i = Cast <to=7> (s)  bottom_mask = Cast <to=9> (i)  {GAP}",
        f"{BOTTOM}  a = GreaterOrEqual(size, tau)  b = Less(size, train)  gap_mask = And(a, b)",
        f"{BOTTOM}  wide = Cast <to=11> (size)  gap_mask = Less(wide, wide_train)",
    ],
)
def test_thresholds_are_read_through_what_exporters_write(graph: Build, nodes: str) -> None:
    found = read(graph, nodes)
    assert check_thresholds(found, CONFIG, HERE)
    for config in (
        InferenceConfig(0.021, 0.05),
        InferenceConfig(0.02, 0.051),
        InferenceConfig(0.02),
    ):
        with pytest.raises(GraphMismatchError, match=r"the graph compares \|Q\| with .*0.0"):
            check_thresholds(found, config, HERE)


@pytest.mark.parametrize(
    "nodes",
    [
        "qq = Mul(q, q)  t = Mul(tau, tau)  bottom_mask = Less(qq, t)",
        "t = Add(tau, tau)  bottom_mask = Less(size, t)",
        "bottom_mask = Less(q, other)",
        "bottom_mask = IsNaN(q)",
        "d = Sub(size, other)  s = Sign(d)  z = Sub(tau, tau)  bottom_mask = Less(s, z)",
    ],
)
def test_thresholds_that_can_not_be_read_are_not_guessed(graph: Build, nodes: str) -> None:
    found = read(graph, f"{nodes}  gap_mask = Identity(bottom_mask)")
    assert not check_thresholds(found, CONFIG, HERE)


def test_comparisons_inside_the_model_are_not_thresholds(graph: Build) -> None:
    nodes = """
        big = Greater(size, other)  f = Cast <to=1> (big)  r = Mul(q, f)  absolute = Abs(r)
        bottom_mask = Less(absolute, tau)  gap_mask = Less(absolute, train)
    """
    assert check_thresholds(read(graph, nodes), CONFIG, HERE)


@pytest.mark.parametrize(
    ("nodes", "train"),
    [
        (f"{BOTTOM}  gap_mask = Less(size, tau)", 0.05),
        (f"{BOTTOM}  gap_mask = Less(size, other)", 0.05),
        (f"{BOTTOM}  {GAP}", None),
        (f"{BOTTOM}  {GAP}", 0.02),
        (f"a = Less(size, tau)  b = Less(size, other)  bottom_mask = Or(a, b)  {GAP}", 0.05),
        ("bottom_mask = Less(size, train)  gap_mask = Less(size, train)", 0.05),
    ],
)
def test_a_graph_with_another_threshold_is_refused(
    graph: Build, nodes: str, train: float | None
) -> None:
    config = InferenceConfig(0.02, train)
    with pytest.raises(GraphMismatchError, match="export the model again instead") as caught:
        check_thresholds(read(graph, nodes), config, HERE)
    assert caught.value.expected == (0.02, train)


THRESHOLDS = st.floats(1e-30, 1e30)


@given(THRESHOLDS, st.floats(1.5, 100.0), st.booleans())
def test_a_threshold_may_be_rounded_to_float32_or_up(tau: float, factor: float, up: bool) -> None:
    config = InferenceConfig(tau, tau * factor)
    nearest = [np.float32(tau), np.float32(tau * factor)]
    above = [
        np.nextafter(near, np.float32(np.inf)) if float(near) < exact else near
        for near, exact in zip(nearest, (tau, tau * factor), strict=True)
    ]
    assert check_thresholds(comparing(*(above if up else nearest)), config, HERE)
    assert check_thresholds(comparing(np.float64(tau), np.float64(tau * factor)), config, HERE)


@given(THRESHOLDS, st.sampled_from([np.float32, np.float64]), st.booleans())
def test_one_bit_beside_a_threshold_is_refused(tau: float, dtype: Any, up: bool) -> None:
    exact = dtype(tau) if dtype is np.float64 else dtype(np.float32(tau))
    config = InferenceConfig(float(exact))
    beside = np.nextafter(exact, dtype(np.inf if up else 0.0))
    # What is rounded to float32 is accepted.
    assume(dtype is np.float32 or float(np.float32(beside)) != beside)
    with pytest.raises(GraphMismatchError, match=r"the graph compares \|Q\| with"):
        check_thresholds(comparing(beside, exact), config, HERE)
    assert check_thresholds(comparing(exact, exact), config, HERE)


def test_a_threshold_beyond_float32_is_infinite_or_the_least_there() -> None:
    huge, tiny = np.float32(np.inf), np.nextafter(np.float32(0), np.float32(1))
    assert check_thresholds(comparing(huge, huge), InferenceConfig(1e300), HERE)
    assert check_thresholds(comparing(tiny, tiny), InferenceConfig(1e-300), HERE)


@pytest.mark.parametrize("zero", [np.float32(0.0), np.float32(-0.0), np.float64(0.0)])
def test_a_threshold_that_was_rounded_to_0_is_refused(zero: Any) -> None:
    with pytest.raises(GraphMismatchError, match=r"the graph compares \|Q\| with -?0.0"):
        check_thresholds(comparing(zero, zero), InferenceConfig(1e-60), HERE)


@pytest.mark.parametrize("kind", ["Cast", "Identity"])
def test_a_graph_in_a_circle_is_left(kind: str) -> None:
    nodes = [
        helper.make_node(kind, ["b"], ["a"]),
        helper.make_node(kind, ["a"], ["b"]),
        helper.make_node("Less", ["a", "b"], ["bottom_mask"]),
        helper.make_node("Not", ["gap_mask"], ["gap_mask"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "circle", [], []))
    found = OnnxGraph(model.SerializeToString(), HERE, lambda _: b"")
    assert not check_thresholds(found, CONFIG, HERE)


def test_a_constant_with_two_values_has_none() -> None:
    nodes = [
        helper.make_node("Constant", [], ["t"], value_float=0.02, value_int=7),
        helper.make_node("Abs", ["q"], ["size"]),
        helper.make_node("Less", ["size", "t"], ["bottom_mask"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "two", [], []))
    found = OnnxGraph(model.SerializeToString(), HERE, lambda _: b"")
    assert not check_thresholds(found, CONFIG, HERE)


# A whole bundle


def test_a_bundle_says_whether_its_graph_was_read(
    exact_bundle: Callable[..., Bundle], exact_model: Bundle, graph_bundle: Callable[..., Bundle]
) -> None:
    assert exact_bundle(kind=GraphKind.STRICT).thresholds_in_graph is True
    assert exact_model.thresholds_in_graph is None
    unread = "bottom_mask = IsNaN(q)  gap_mask = IsNaN(q)"
    bundle = graph_bundle(f"{START} {unread}", outputs=STRICT, constants=CONSTANTS)
    assert bundle.thresholds_in_graph is False


@pytest.mark.parametrize(("key", "value"), [("tau_infer", 0.03), ("tau_train", 0.06)])
def test_metadata_that_was_edited_is_refused(
    exact_bundle: Callable[..., Bundle], key: str, value: float
) -> None:
    path = exact_bundle(kind=GraphKind.STRICT).path
    metadata = json.loads((path / "metadata.json").read_text("utf-8"))
    (path / "metadata.json").write_text(json.dumps(metadata | {key: value}), encoding="utf-8")
    with pytest.raises(
        GraphMismatchError, match=f"{key} {value}.* instead of editing its metadata"
    ):
        load_bundle(path)


def test_thresholds_in_another_file_are_read(
    edit: Callable[..., Path], graph: Build, save_weights_outside: Callable[[bytes, Path], None]
) -> None:
    changes = {"output_names": ["decoded", "bottom_mask", "gap_mask"], "deployment": ...}
    untold = ("model_bytes", "model_sha256", "inputs", "outputs", "batch_axis_semantics")
    folder = edit(**changes, **dict.fromkeys(untold, ...))
    content = graph(f"{START} {BOTTOM} {GAP}", outputs=STRICT, constants=CONSTANTS)
    save_weights_outside(content, folder / "model.onnx")
    assert load_bundle(folder).thresholds_in_graph is True
    with pytest.raises(GraphMismatchError, match="the graph compares"):
        load_bundle(edit(tau_infer=0.021))
