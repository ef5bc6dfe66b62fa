"""The strict decode as ONNX nodes: the masks and values of the decode in Python, bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.runtimes.onnx import OnnxRuntime

pytest.importorskip("onnx", reason="onnx, which builds the graphs of this test")

from onnx import checker, load_from_string, numpy_helper

from zeroproof_ros.training.strict_graph import append_strict_decode

Session = Callable[..., OnnxRuntime]
K = 3
SHAPES = ["(N,) (N,)", "(N, 1) (N,)", "(N, K) (N,)", "(N, K) (N, 1)", "(N, K) (N, K)"]
TYPES = {np.float32: "float", np.float64: "double"}


def columns(shape: str) -> tuple[int, int]:
    """How many columns of the table are P, and how many are Q."""
    P, Q = shape.split(") (")
    return (K if "K" in P else 1), (K if "K" in Q else 1)


def projective(shape: str, dtype: Any, rows: Any) -> tuple[Any, Any]:
    """P and Q of a table that holds them as columns."""
    rows = rows.astype(dtype)
    p, _ = columns(shape)
    P, Q = rows[:, :p], rows[:, p:]
    return (P[:, 0] if shape == SHAPES[0] else P), (Q[:, 0] if "(N,)" in shape[3:] else Q)


@pytest.fixture(scope="module")
def strict(graph: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Loads a graph that answers the columns of its table as (P, Q), with the decode appended."""
    loaded: dict[Any, OnnxRuntime] = {}

    def build(shape: str, dtype: Any, config: InferenceConfig) -> OnnxRuntime:
        key = (shape, dtype, config)
        if key not in loaded:
            (p, q), name = columns(shape), TYPES[dtype]
            flat_p, flat_q = shape == SHAPES[0], "(N,)" in shape[3:]
            content = graph(
                "P, Q = Split <axis=1> (input_0, widths) "
                f"numerator = {'Squeeze(P, axis)' if flat_p else 'Identity(P)'} "
                f"denominator = {'Squeeze(Q, axis)' if flat_q else 'Identity(Q)'}",
                inputs=f"{name}[batch, {p + q}] input_0",
                outputs=f"{name}[batch{'' if flat_p else f', {p}'}] numerator, "
                f"{name}[batch{'' if flat_q else f', {q}'}] denominator",
                constants=f"int64[2] widths = {{{p}, {q}}}, int64[1] axis = {{1}}",
            )
            model = append_strict_decode(load_from_string(content), config)
            checker.check_model(model, full_check=True)
            path = tmp_path_factory.mktemp("strict") / "model.onnx"
            path.write_bytes(model.SerializeToString())
            loaded[key] = OnnxRuntime(path)
        return loaded[key]

    return build


def check(strict: Session, shape: str, dtype: Any, rows: Any, config: InferenceConfig) -> Any:
    """Compare the graph with the decode in Python; answers the bottom mask."""
    decoded, bottom, gap = strict(shape, dtype, config).run(rows.astype(dtype))
    expected = strict_inference(*projective(shape, dtype, rows), config)
    np.testing.assert_array_equal(bottom, expected.bottom_mask)
    np.testing.assert_array_equal(gap, expected.gap_mask)
    np.testing.assert_array_equal(decoded, expected.decoded)
    assert (decoded.dtype, bottom.dtype, gap.dtype) == (dtype, bool, bool)
    return bottom


INFER, TRAIN = 1e-3, 1 / 3
# The numbers next to a threshold, in both dtypes.
NEXT = [
    float(np.nextafter(dtype(tau), dtype(towards)))
    for tau in (INFER, TRAIN)
    for dtype in (np.float32, np.float64)
    for towards in (0.0, tau, 9.0)
]
EDGES = [*NEXT, INFER, TRAIN, 0.0, -0.0, np.nan, np.inf, 1e38, 3e38, 1e-40, 5e-324, 1e300, 1.0]
NUMBERS = st.sampled_from([*EDGES, *[-edge for edge in EDGES]]) | st.floats(-1, 1)
TABLES = hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(2 * K)), elements=NUMBERS)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tau_train", [None, INFER, TRAIN])
@given(TABLES)
def test_the_graph_answers_what_the_decode_answers(
    strict: Session, tau_train: float | None, shape: str, dtype: Any, rows: Any
) -> None:
    rows = rows[:, -sum(columns(shape)) :]
    with np.errstate(over="ignore", under="ignore"):
        check(strict, shape, dtype, rows, InferenceConfig(INFER, tau_train))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_any_number_of_rows(strict: Session, shape: str, dtype: Any, count: int) -> None:
    rows = np.random.default_rng(3).normal(0, 0.3, (count, sum(columns(shape))))
    rows[::3, -1] *= 1e-3
    bottom = check(strict, shape, dtype, rows, InferenceConfig(INFER, TRAIN))
    assert len(bottom) == count
    assert count < 1000 or 0 < bottom.sum() < bottom.size


@pytest.mark.parametrize("tau", [1e-6, 1e-3, 0.02, 0.1, 1 / 3, 1e-38, 2.0**-6])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("sign", [1, -1])
def test_one_ulp_around_a_threshold(strict: Session, sign: int, dtype: Any, tau: float) -> None:
    at = dtype(tau)
    around = [np.nextafter(at, dtype(0)), at, np.nextafter(at, dtype(1))]
    rows = np.array([[0.0, sign * q] for q in around], dtype=np.float64)
    bottom = check(strict, SHAPES[0], dtype, rows, InferenceConfig(tau, None))
    np.testing.assert_array_equal(bottom, np.abs(rows[:, 1]) < tau)
    gap = strict(SHAPES[0], dtype, InferenceConfig(1e-39, tau)).run(rows.astype(dtype))[2]
    np.testing.assert_array_equal(gap, np.abs(rows[:, 1]) < tau)


@pytest.mark.parametrize(
    ("P", "Q"),
    [
        (np.nan, 1.0),
        (np.inf, 1.0),
        (-np.inf, 1.0),
        (1.0, np.nan),
        (1.0, np.inf),
        (0.0, -np.inf),
        (np.inf, np.inf),
        (3e38, 0.01),
        (np.nan, 0.0),
    ],
)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_fault_is_bottom_for_all_that_share_the_denominator(
    strict: Session, shape: str, P: float, Q: float
) -> None:
    p, q = columns(shape)
    rows = np.ones((3, p + q))
    rows[1, 0], rows[1, p] = P, Q
    bottom = check(strict, shape, np.float32, rows, InferenceConfig(INFER, TRAIN))
    expected = np.zeros((3, q), dtype=bool)
    expected[1, 0] = True
    np.testing.assert_array_equal(bottom.reshape(3, q), expected)


def test_the_thresholds_are_doubles_that_a_comparison_reads(
    graph: Callable[..., bytes],
) -> None:
    content = graph(
        "numerator = Identity(input_0)  denominator = Identity(input_0)",
        outputs="float[batch, 4] numerator, float[batch, 4] denominator",
    )
    model = append_strict_decode(load_from_string(content), InferenceConfig(1e-6, 1 / 3))
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    compared = [
        constants[node.input[1]].item() for node in model.graph.node if node.op_type == "Less"
    ]
    assert compared == [1e-6, 1 / 3]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert not model.functions


def test_names_of_the_model_do_not_meet_those_of_the_decode(
    strict: Session, graph: Callable[..., bytes], tmp_path: Path
) -> None:
    names = ["q_abs", "small", "decoded", "bottom_mask", "gap_mask", "tau_infer"]
    chain = ["input_0", *names, "numerator"]
    nodes = " ".join(f"{b} = Identity({a})" for a, b in pairwise(chain))
    content = graph(
        f"{nodes} denominator = Mul(tau_infer, one)",
        outputs="float[batch, 4] numerator, float[batch, 4] denominator",
        constants="float one = {2.0}",
    )
    model = append_strict_decode(load_from_string(content), InferenceConfig(0.5))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    decoded, bottom, gap = OnnxRuntime(path).run(np.array([[1.0, -1.0, 0.25, 0.125]]))
    np.testing.assert_array_equal(decoded, [[0.5, 0.5, 0.5, np.nan]])
    assert bottom.tolist() == [[False, False, False, True]]
    assert not gap.any()


def test_what_the_model_says_of_itself_stays(graph: Callable[..., bytes]) -> None:
    content = load_from_string(
        graph(
            "numerator = Identity(input_0)  denominator = Identity(input_0)",
            outputs="float[batch, 4] numerator, float[batch, 4] denominator",
        )
    )
    content.producer_name, content.producer_version = "somebody", "1"
    model = append_strict_decode(content, InferenceConfig())
    assert (model.producer_name, model.producer_version) == ("somebody", "1")
    assert model.graph.name == content.graph.name
    assert [value.name for value in model.graph.input] == ["input_0"]
