"""The thresholds inside a graph that decodes by itself, compared with those of the metadata.

A mask output is made of comparisons by boolean operators. From the output back through those, the
comparisons of an absolute value with a constant are the thresholds of |Q|. The model before them is
not entered. A graph that compares in another way has no readable thresholds, which is no refusal:
the metadata then stands alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path

import numpy as np

from zeroproof_ros.bundle.graph import Node, OnnxGraph, Tensor
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import GraphMismatchError

_COMPARISONS = {"Less", "LessOrEqual", "Greater", "GreaterOrEqual"}
# What exporters build masks with, from a comparison to the output.
_BOOLEAN = {
    "And", "Or", "Xor", "Not", "Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape",
    "Flatten", "Expand", "ReduceMax", "ReduceMin", "ReduceSum",
}  # fmt: skip
# What leaves a number as it is.
_SAME = {"Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Expand"}
_DTYPES = {1: "<f4", 11: "<f8"}  # TensorProto.DataType


def check_thresholds(graph: OnnxGraph, config: InferenceConfig, path: Path) -> bool:
    """Refuse a strict graph whose readable thresholds are not those of the metadata.

    Returns:
        Whether tau_infer could be read from the graph.

    Raises:
        GraphMismatchError: the graph compares |Q| with another number, or lacks tau_train.
    """
    bottom = _thresholds(graph, "bottom_mask")
    gap = _thresholds(graph, "gap_mask")
    has_gap = config.tau_train is not None and config.tau_train > config.tau_infer
    allowed = (config.tau_infer, config.tau_train) if has_gap else (config.tau_infer,)
    strange = [c for c in bottom if not _agrees(c, config.tau_infer)]
    strange += [c for c in gap if not any(_agrees(c, tau) for tau in allowed)]
    missing = gap and has_gap and not any(_agrees(c, config.tau_train) for c in gap)
    if strange or missing:
        found = sorted({*bottom, *gap})
        raise GraphMismatchError(
            f"{path}: the graph compares |Q| with {', '.join(map(str, found))}, the metadata says "
            f"tau_infer {config.tau_infer} and tau_train {config.tau_train}; export the model "
            "again instead of editing its metadata",
            found=found,
            expected=(config.tau_infer, config.tau_train),
            path=path,
        )
    return bool(bottom)


def _agrees(constant: float, threshold: float | None) -> bool:
    """Whether a graph's constant is the threshold, in float64 or rounded to float32 or up to it.

    What rounds to 0 is no threshold: nothing is below it.
    """
    if threshold is None or constant == 0.0:
        return False
    with np.errstate(over="ignore", under="ignore"):
        nearest = np.float32(threshold)
        above = np.nextafter(nearest, np.float32(np.inf))
    up = float(nearest) if float(nearest) >= threshold else float(above)
    return constant in (threshold, float(nearest), up)


def _thresholds(graph: OnnxGraph, output: str) -> set[float]:
    """The constants that |Q| is compared with on the way to a mask output."""
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    found, seen, open_names = set(), set(), [output]
    while open_names:
        name = open_names.pop()
        node = makers.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type in _COMPARISONS:
            found |= set(_compared(graph, makers, node))
        if node.op_type in _BOOLEAN or node.op_type in _COMPARISONS:
            open_names.extend(node.inputs)
    return found


def _compared(graph: OnnxGraph, makers: Mapping[str, Node], node: Node) -> Iterator[float]:
    sources = [_source(makers, name) for name in node.inputs]
    for one, other in permutations(sources, 2):
        maker = makers.get(one)
        value = _constant(graph, makers, other)
        if value is not None and maker is not None and maker.op_type == "Abs":
            yield value


def _source(makers: Mapping[str, Node], name: str) -> str:
    """The name a number had before it was only cast or reshaped."""
    for _ in range(len(makers)):  # a graph that is none may go in circles
        node = makers.get(name)
        if node is None or node.op_type not in _SAME or not node.inputs:
            break
        name = node.inputs[0]
    return name


def _constant(graph: OnnxGraph, makers: Mapping[str, Node], name: str) -> float | None:
    node = makers.get(name)
    if node is None:
        return _scalar(graph.tensors.get(name))
    return _scalar(node.constant) if node.op_type == "Constant" else None


def _scalar(tensor: Tensor | None) -> float | None:
    if tensor is None or tensor.data is None or any(dim != 1 for dim in tensor.dims):
        return None
    dtype = _DTYPES.get(tensor.data_type)
    return None if dtype is None else float(np.frombuffer(tensor.data, dtype)[0])
