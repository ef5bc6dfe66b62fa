"""Which operators are taken, and which divisions: what arithmetic of tables needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zeroproof_ros.bundle.graph import OnnxGraph
from zeroproof_ros.bundle.operators import OPERATORS, check_operators
from zeroproof_ros.errors import GraphRefusedError

pytest.importorskip("onnx", reason="onnx, which builds the models of this test")
from onnx import defs

HERE = Path("model.onnx")
CONSTANTS = "int64 two = {2}, int64[2] pair = {2, 0}, float half = {0.5}, int64 zero = {0}"
WHOLE = "whole = Cast <to=7> (input_0)"


def check(build: Callable[..., bytes], nodes: str) -> None:
    content = build(nodes, outputs="float[n, k] c", constants=CONSTANTS)
    check_operators(OnnxGraph(content, HERE, lambda _: b""), HERE)


def test_every_operator_that_is_taken_exists() -> None:
    known = {schema.name for schema in defs.get_all_schemas() if not schema.domain}
    # Newer than the oldest onnx that is supported.
    assert OPERATORS - known <= {"RMSNormalization", "Swish"}


@pytest.mark.parametrize(
    "nodes",
    [
        "c = Div(input_0, input_0)",
        "n = Neg(input_0)  s = Softplus(n)  c = Div(input_0, s)",
        "t = Constant <value_float = 0.0> ()  c = Div(input_0, t)",
        "c = Mod <fmod = 1> (input_0, half)",
        f"{WHOLE}  f = Cast <to=1> (whole)  c = Div(f, f)",
        f"{WHOLE}  f = CastLike (whole, half)  c = Div(f, f)",
        f"{WHOLE}  g = Gather(input_0, zero)  c = Div(g, g)",
        "s = Shape(input_0)  f = ConstantOfShape(s)  c = Div(f, f)",
        "a = Equal(input_0, input_0)  w = Where(a, input_0, half)  c = Div(w, w)",
        f"{WHOLE}  t = Constant <value = int64 {{7}}> ()  d = Div(whole, t)  c = Cast <to=1> (d)",
    ],
)
def test_divisions_that_can_not_end_the_process_are_taken(
    graph: Callable[..., bytes], nodes: str
) -> None:
    check(graph, nodes)


@pytest.mark.parametrize(
    "nodes",
    [
        f"{WHOLE}  d = Div(whole, whole)",
        f"{WHOLE}  n = Neg(whole)  d = Div(n, n)",
        f"{WHOLE}  d = Mod(whole, whole)",
        f"{WHOLE}  d = Div(whole, zero)",
        f"{WHOLE}  d = Div(whole, pair)",
        f"{WHOLE}  t = Constant <value = int64 {{-1}}> ()  d = Div(whole, t)",
        "i = Cast <to=6> (input_0)  d = Div(i, i)",
        "u = Cast <to=2> (input_0)  d = Div(u, u)",
        "d = Div(two, zero)",
        "s = Size(input_0)  t = Shape(input_0)  d = Div(t, s)",
        "s = Shape(input_0)  e = ConstantOfShape <value = int64[1] {0}> (s)  d = Div(e, e)",
        "l = OneHot(input_0, two, pair)  d = Div(l, l)",
        "a = Equal(input_0, input_0)  w = Where(a, two, zero)  d = Div(w, w)",
        "t = Constant <value_int = 0> ()  d = Div(t, t)",
        f"{WHOLE}  a, b = Split <axis = 1, num_outputs = 2> (whole)  d = Div(a, b)",
    ],
)
def test_divisions_of_whole_numbers_are_refused(graph: Callable[..., bytes], nodes: str) -> None:
    with pytest.raises(GraphRefusedError, match=r"(Div|Mod) of whole numbers by") as caught:
        check(graph, f"{nodes}  c = Cast <to=1> (d)")
    assert caught.value.path == HERE


@pytest.mark.parametrize("op_type", ["Trilu", "Sigmoidal"])
def test_another_operator_is_refused_with_those_that_are_taken(op_type: str) -> None:
    from onnx import helper

    nodes = [helper.make_node(op_type, ["a"], ["b"])]
    model = helper.make_model(helper.make_graph(nodes, "one", [], []))
    graph = OnnxGraph(model.SerializeToString(), HERE, lambda _: b"")
    with pytest.raises(GraphRefusedError, match=f"operator {op_type} is not taken") as caught:
        check_operators(graph, HERE)
    assert caught.value.found == op_type
    assert "Sigmoid" in caught.value.expected  # type: ignore[operator]
