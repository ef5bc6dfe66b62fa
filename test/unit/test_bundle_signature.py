"""Names, dtypes, shapes and batch axis in the metadata: those of the graph, or refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.errors import GraphMismatchError, MetadataMalformedError, ModelRunError

pytest.importorskip("onnx", reason="onnx, which builds the models of this test")

Edit = Callable[..., Path]
INPUT = {"name": "input_0", "dtype": "float32", "shape": ["batch", 4]}
NUMERATOR = {"name": "numerator", "dtype": "float32", "shape": ["batch", 2]}
DENOMINATOR = {"name": "denominator", "dtype": "float32", "shape": ["batch"]}
AXES = {
    "axis_name": "batch",
    "input_axes": {"input_0": 0},
    "output_axes": {"numerator": 0, "denominator": 0},
}
# What need not be told.
UNTOLD: dict[str, Any] = dict.fromkeys(("inputs", "outputs", "batch_axis_semantics"), ...)


def told(**changes: Any) -> dict[str, Any]:
    """Signatures of the exact graph, `input_shape=[...]` and the like changed."""
    tensors = {"input": INPUT, "numerator": NUMERATOR, "denominator": DENOMINATOR}
    made = {name: dict(tensor) for name, tensor in tensors.items()}
    for key, value in changes.items():
        name, field = key.split("_")
        made[name][field] = value
    return {"inputs": [made["input"]], "outputs": [made["numerator"], made["denominator"]]}


def test_the_signature_of_the_graph_is_accepted(edit: Edit) -> None:
    load_bundle(edit(**told(), batch_axis_semantics=AXES))


@pytest.mark.parametrize(
    "changes",
    [
        {"input_shape": ["n", 4]},
        {"input_shape": ["batch", "features"]},
        {"numerator_shape": ["batch", "joints"]},
        {"denominator_shape": ["rows"]},
    ],
)
def test_a_free_dimension_may_have_any_name(edit: Edit, changes: dict[str, Any]) -> None:
    load_bundle(edit(**{**UNTOLD, **told(**changes)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_dtype": "float64"}, "the dtype of input_0 in the graph is float32, .* float64"),
        ({"numerator_dtype": "float64"}, "the dtype of numerator in the graph is float32"),
        ({"denominator_dtype": "bool"}, "the dtype of denominator in the graph is float32"),
        ({"input_shape": ["batch", 5]}, r"the shape of input_0 is \['batch', 4\], .* 5\]"),
        ({"input_shape": ["batch", True]}, "the shape of input_0 is|inputs"),
        ({"input_shape": ["batch"]}, "the shape of input_0 is"),
        ({"input_shape": [1, 4]}, "the shape of input_0 is"),
        ({"input_shape": ["batch", 4, 1]}, "the shape of input_0 is"),
        ({"numerator_shape": ["batch", 3]}, "the shape of numerator is"),
        ({"numerator_shape": [2, "batch"]}, "the shape of numerator is"),
        ({"numerator_shape": []}, "the shape of numerator is"),
        ({"denominator_shape": ["batch", 1]}, "the shape of denominator is"),
        ({"denominator_shape": [2]}, "the shape of denominator is"),
    ],
)
def test_another_signature_is_refused(edit: Edit, changes: dict[str, Any], message: str) -> None:
    with pytest.raises((GraphMismatchError, MetadataMalformedError), match=message):
        load_bundle(edit(**told(**changes)))


@pytest.mark.parametrize("changes", [{"input_name": "rows"}, {"numerator_name": "denominator"}])
def test_names_that_contradict_each_other_are_refused(edit: Edit, changes: dict[str, Any]) -> None:
    with pytest.raises(MetadataMalformedError, match="(in|out)puts: .* contradicts the rest"):
        load_bundle(edit(**told(**changes)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axis_name": "rows"}, r"the first axis of input_0 is \['batch'\], .* \['rows'\]"),
        ({"input_axes": {"input_0": 1}}, "batch_axis_semantics.input_axes.input_0: 0 was expected"),
        ({"output_axes": {"numerator": -1, "denominator": 0}}, "output_axes.numerator: 0 was"),
        ({"input_axes": {}}, "input_axes: .* contradicts the rest"),
        ({"input_axes": {"rows": 0}}, "input_axes: .* contradicts the rest"),
        ({"output_axes": {"numerator": 0}}, "output_axes: .* contradicts the rest"),
    ],
)
def test_another_batch_axis_is_refused(edit: Edit, changes: dict[str, Any], message: str) -> None:
    with pytest.raises((GraphMismatchError, MetadataMalformedError), match=message):
        load_bundle(edit(**told(), batch_axis_semantics={**AXES, **changes}))


# Graphs that do not say what they answer: the answer tells

PAIR = "float[n, k] numerator, float[m] denominator"
FLAT = "axis = Constant <value_ints = [1]> ()  denominator = ReduceSum <keepdims=0> (input_0, axis)"


@pytest.fixture
def answering(edit: Edit, good: Path, graph: Callable[..., bytes]) -> Callable[..., Path]:
    """A bundle with another graph, and the digest of that."""

    def build(nodes: str, *, declared: str = PAIR, **changes: Any) -> Path:
        content = graph(nodes, outputs=declared)
        (good / "model.onnx").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        silent = {"deployment": ..., **UNTOLD}
        return edit(**{**silent, **changes}, model_bytes=len(content), model_sha256=digest)

    return build


def test_an_open_dimension_is_told_by_the_answer(answering: Callable[..., Path]) -> None:
    nodes = f"""
        kept = Constant <value = bool[4] {{1, 1, 1, 1}}> ()
        numerator = Compress <axis=1> (input_0, kept)  {FLAT}
    """
    load_bundle(answering(nodes, **told(numerator_shape=["batch", 4])))
    with pytest.raises(
        GraphMismatchError, match=r"2 rows gave numerator of shape \[2, 4\], .* 2\]"
    ):
        load_bundle(answering(nodes, **told()))


SUMMED = "axis = Constant <value_ints = [0]> ()  sum = ReduceSum <keepdims=0> (input_0, axis)"


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (f"numerator = Transpose(input_0)  {FLAT}", r"2 rows gave numerator of shape \(4, 2\)"),
        (
            f"numerator = Identity(input_0)  {SUMMED}  denominator = Identity(sum)",
            r"2 rows gave denominator of shape \(4,\)",
        ),
        (
            f"numerator = Concat <axis=0> (input_0, input_0)  {FLAT}",
            r"2 rows gave numerator of shape \(4, 4\)",
        ),
    ],
)
def test_an_answer_that_is_not_one_row_for_each_is_refused(
    answering: Callable[..., Path], nodes: str, message: str
) -> None:
    with pytest.raises(GraphMismatchError, match=message):
        load_bundle(answering(nodes))


def test_shapes_that_do_not_fit_each_other_are_refused(answering: Callable[..., Path]) -> None:
    nodes = "numerator = Identity(input_0)  denominator = Concat <axis=1> (input_0, input_0)"
    declared = "float[n, k] numerator, float[m, l] denominator"
    with pytest.raises(GraphMismatchError, match="the outputs of the graph do not fit the contrac"):
        load_bundle(answering(nodes, declared=declared))


def test_masks_that_are_no_booleans_are_refused(answering: Callable[..., Path]) -> None:
    names = ["decoded", "bottom_mask", "gap_mask"]
    nodes = f"""
        decoded = Identity(input_0)  {FLAT.replace("denominator", "bottom_mask")}
        gap_mask = Neg(bottom_mask)
    """
    declared = "float[n, k] decoded, float[n] bottom_mask, float[n] gap_mask"
    with pytest.raises(GraphMismatchError, match="bottom has dtype float32, expected bool"):
        load_bundle(answering(nodes, declared=declared, output_names=names))


def test_a_graph_that_answers_two_rows_only_is_found_when_it_is_run(
    answering: Callable[..., Path],
) -> None:
    nodes = f"""
        ones = Constant <value_floats = [1.0]> ()  rows = Constant <value_ints = [2, 4]> ()
        numerator = Expand(ones, rows)  {FLAT}
    """
    bundle = load_bundle(answering(nodes))
    assert bundle.run(np.ones((2, 4))).decoded.shape == (2, 4)
    with pytest.raises(ModelRunError, match=r"answered 3 rows with an array of shape \(2, 4\)"):
        bundle.run(np.ones((3, 4)))
