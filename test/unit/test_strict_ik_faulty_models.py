"""Models that are wrong, lie or break: nothing of theirs is served unverified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle
from zeroproof_ros.errors import DeploymentError, GraphMismatchError
from zeroproof_ros.pipeline import Policy, Reason, Source, StrictIK

MakeBundle = Callable[..., Bundle]
STRICT = "float[batch, 2] decoded, bool[batch] bottom_mask, bool[batch] gap_mask"
ROWS = np.array([[0.3, 1.2, 0.01, 0.02], [-0.5, 0.9, 0.0, -0.03], [1.0, -1.5, 0.02, 0.0]])

# Shared beginnings: zeros of the shapes of P and Q, and a false mask.
START = """
    theta1, theta2, task = Split <axis=1> (input_0, widths)
    zero_P = Sub(task, task)  zero_column = Sub(theta1, theta1)  zero_Q = Squeeze(zero_column, axis)
    one_Q = Cos(zero_Q)  no = Less(one_Q, zero_Q)  yes = Not(no)
"""
WIDTHS = "int64[3] widths = {1, 1, 2}, int64[1] axis = {1}"


def answering(a: str, b: str) -> str:
    return f"{WIDTHS}, float[2] answer = {{{a}, {b}}}"


@pytest.fixture
def lying(graph_bundle: MakeBundle) -> MakeBundle:
    """A bundle that answers the same pair (a, b) with Q = 1 to every row."""

    def build(a: str, b: str) -> Bundle:
        nodes = START + "numerator = Add(zero_P, answer)  denominator = Identity(one_Q)"
        return graph_bundle(nodes, constants=answering(a, b))

    return build


@pytest.fixture
def deciding(graph_bundle: MakeBundle) -> MakeBundle:
    """A strict bundle that answers (a, b) to every row and decides masks by itself."""

    def build(a: str, b: str, bottom: str = "no", gap: str = "no") -> Bundle:
        masks = f"bottom_mask = Identity({bottom})  gap_mask = Identity({gap})"
        nodes = f"{START} decoded = Add(zero_P, answer)  {masks}"
        return graph_bundle(nodes, outputs=STRICT, constants=answering(a, b))

    return build


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("0.01", "0.01", Reason.RESIDUAL),
        ("-0.01", "0.01", Reason.RESIDUAL),
        ("0.0", "0.0", Reason.RESIDUAL),
        ("1.0", "2.0", Reason.RESIDUAL),
        ("3.0e38", "-3.0e38", Reason.RESIDUAL),
    ],
)
def test_a_wrong_answer_is_replaced_by_the_solvers(
    lying: MakeBundle, exact_model: Bundle, a: str, b: str, reason: Reason
) -> None:
    table = StrictIK(lying(a, b)).solve(ROWS)
    assert table["source"].tolist() == [Source.ANALYTIC] * 3
    assert table["reason"].tolist() == [reason] * 3
    right = StrictIK(exact_model).solve(ROWS)
    np.testing.assert_allclose(table["resolved"], right["resolved"], atol=1e-6)
    assert (table["residual"] < 0.1).all()


def test_a_wrong_answer_is_refused_even_where_a_zero_step_was_asked_for(lying: MakeBundle) -> None:
    still = np.array([[0.3, 1.2, 0.0, 0.0]])
    table = StrictIK(lying("1e-6", "0.0")).solve(still)
    assert (table["source"].item(), table["reason"].item()) == (Source.ANALYTIC, Reason.RESIDUAL)
    np.testing.assert_array_equal(table["resolved"], 0.0)


@pytest.mark.parametrize("numerator", ["Log(zero_P)", "Sqrt(minus)", "Mul(huge, huge)"])
def test_a_projective_answer_that_is_not_finite_is_a_fault(
    graph_bundle: MakeBundle, numerator: str
) -> None:
    # log 0 = -inf, sqrt -1 = nan, 1e30 * 1e30 = inf in float32
    nodes = f"""{START} minus = Sub(zero_P, answer)  huge = Add(zero_P, large)
        numerator = {numerator}  denominator = Identity(one_Q)"""
    constants = answering("1.0", "1.0") + ", float large = {1.0e30}"
    table = StrictIK(graph_bundle(nodes, constants=constants)).solve(ROWS)
    assert table["fault"].tolist() == [1, 1, 1]
    assert table["reason"].tolist() == [Reason.BOTTOM] * 3
    assert table["source"].tolist() == [Source.ANALYTIC] * 3
    assert np.isnan(table["decoded"]).all()


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_a_graph_that_calls_a_non_finite_value_accepted_is_not_believed(
    graph_bundle: MakeBundle, value: str
) -> None:
    # log 0 = -inf, -log 0 = inf, log -1 = nan
    inside = "zero_P" if "inf" in value else "minus"
    sign = "Neg" if value == "inf" else "Identity"
    nodes = f"""{START} minus = Sub(zero_P, answer)  log = Log({inside})  decoded = {sign}(log)
        bottom_mask = Identity(no)  gap_mask = Identity(no)"""
    bundle = graph_bundle(nodes, outputs=STRICT, constants=answering("1.0", "1.0"))
    table = StrictIK(bundle, Policy(bottom_policy="reject")).solve(ROWS)
    assert table["fault"].tolist() == table["bottom"].tolist() == [1, 1, 1]
    assert table["semantic"].tolist() == [0, 0, 0]
    assert not table.served.any()
    assert np.isnan(table["decoded"]).all()


def test_a_strict_graph_that_accepts_a_wrong_value_is_checked(deciding: MakeBundle) -> None:
    table = StrictIK(deciding("0.01", "0.01")).solve(ROWS)
    assert table["reason"].tolist() == [Reason.RESIDUAL] * 3
    assert np.isnan(table["q_abs"]).all()


def test_a_finite_payload_under_a_bottom_mask_is_never_used(deciding: MakeBundle) -> None:
    table = StrictIK(deciding("0.01", "0.01", bottom="yes")).solve(ROWS)
    assert np.isnan(table["decoded"]).all()
    assert table["reason"].tolist() == [Reason.BOTTOM] * 3


def test_a_graph_that_says_bottom_and_gap_at_once_means_bottom(deciding: MakeBundle) -> None:
    bundle = deciding("0.01", "0.01", bottom="yes", gap="yes")
    table = StrictIK(bundle, Policy(gap_policy="accept")).solve(ROWS)
    assert table["gap"].tolist() == [0, 0, 0]
    assert table["reason"].tolist() == [Reason.BOTTOM] * 3


# Index 0 exists, others do not: the model raises for |theta1| >= 1.
RAISING = (
    START
    + """
    index = Cast <to=7> (theta1)  found = Gather(table, index)
    numerator = Mul(found, task)  denominator = Identity(one_Q)
"""
)


@pytest.fixture(scope="module")
def raising(graph_bundle: MakeBundle) -> Bundle:
    return graph_bundle(RAISING, constants=f"{WIDTHS}, float[1] table = {{1.0}}")


def test_a_model_that_raises_serves_nothing_of_that_batch(raising: Bundle) -> None:
    ik = StrictIK(raising)
    rows = np.array([[0.3, 1.2, 0.01, 0.02], [2.5, 1.2, 0.01, 0.02], [np.nan, 0, 0, 0]])
    table = ik.solve(rows)
    np.testing.assert_array_equal(table["in"], rows)
    expected = [Reason.RUNTIME_ERROR, Reason.RUNTIME_ERROR, Reason.BAD_INPUT]
    assert table["reason"].tolist() == expected
    assert not table.served.any()
    assert np.isnan(table["resolved"]).all()
    assert len(ik.waypoints(table)) == 0


def test_a_model_that_raised_serves_the_next_batch(raising: Bundle) -> None:
    ik = StrictIK(raising, Policy(max_batch=1))
    rows = np.array([[0.3, 1.2, 0.01, 0.02], [2.5, 1.2, 0.01, 0.02], [0.3, 1.2, 0.01, 0.02]])
    reasons = ik.solve(rows)["reason"].tolist()
    assert reasons[1] == Reason.RUNTIME_ERROR
    assert reasons[0] == reasons[2] != Reason.RUNTIME_ERROR


def test_a_model_that_raised_for_one_table_serves_the_others(raising: Bundle) -> None:
    ik = StrictIK(raising)
    good, bad = np.array([[0.3, 1.2, 0.01, 0.02]]), np.array([[2.5, 1.2, 0.01, 0.02]])
    tables = ik.solve_each([good, bad, np.concatenate([good, bad]), good])
    lost = [(t["reason"] == Reason.RUNTIME_ERROR).tolist() for t in tables]
    assert lost == [[False], [True], [True, True], [False]]


def test_a_model_that_loses_rows_serves_none(graph_bundle: MakeBundle) -> None:
    nodes = (
        START
        + """
        flat = Squeeze(theta1, axis)  keep = Less(flat, one_Q)
        numerator = Compress <axis=0> (task, keep)  denominator = Compress <axis=0> (one_Q, keep)
    """
    )
    outputs = "float[kept, 2] numerator, float[kept] denominator"
    ik = StrictIK(graph_bundle(nodes, outputs=outputs, constants=WIDTHS))
    rows = np.array([[0.3, 1.2, 0.01, 0.02], [2.5, 1.2, 0.01, 0.02]])
    assert ik.solve(rows)["reason"].tolist() == [Reason.RUNTIME_ERROR] * 2
    assert (ik.solve(rows[:1])["reason"] != Reason.RUNTIME_ERROR).all()


@pytest.mark.parametrize(
    ("nodes", "outputs", "error", "message"),
    [
        (
            "numerator = Add(zero_P, answer)  denominator = Identity(zero_column)",
            "float[batch, 2] numerator, float[batch, 1] denominator",
            None,
            "",
        ),
        (
            "numerator = Identity(zero_Q)  denominator = Identity(zero_column)",
            "float[batch] numerator, float[batch, 1] denominator",
            GraphMismatchError,
            "do not fit the contract: P has shape",
        ),
        (
            "numerator = Cast <to=7> (zero_P)  denominator = Identity(zero_Q)",
            "int64[batch, 2] numerator, float[batch] denominator",
            GraphMismatchError,
            "do not fit the contract: P has dtype int64",
        ),
        (
            "numerator = Identity(zero_column)  denominator = Identity(zero_Q)",
            "float[batch, 1] numerator, float[batch] denominator",
            DeploymentError,
            r"answers \(2, 1\) for 2 rows, the deployment block names 2 outputs",
        ),
        (
            "numerator = Identity(fixed)  denominator = Identity(fixed)",
            "float[3, 2] numerator, float[3, 2] denominator",
            GraphMismatchError,
            r"2 rows gave numerator of shape \(3, 2\)",
        ),
        (
            "decoded = Identity(zero_P)  bottom_mask = Cast <to=2> (no)  gap_mask = Identity(no)",
            "float[batch, 2] decoded, uint8[batch] bottom_mask, bool[batch] gap_mask",
            GraphMismatchError,
            "do not fit the contract: bottom has dtype uint8, expected bool",
        ),
        (
            "decoded = Identity(zero_P)  bottom_mask = Identity(no)  gap_mask = Identity(zero_Q)",
            "float[batch, 2] decoded, bool[batch] bottom_mask, float[batch] gap_mask",
            GraphMismatchError,
            "do not fit the contract: gap has dtype float32, expected bool",
        ),
    ],
)
def test_a_graph_whose_outputs_do_not_fit_is_refused_when_it_is_loaded(
    graph_bundle: MakeBundle, nodes: str, outputs: str, error: Any, message: str
) -> None:
    constants = answering("1.0", "1.0") + ", float[3, 2] fixed = {1.0, 1.0, 1.0, 1.0, 1.0, 1.0}"

    def build() -> Bundle:
        return graph_bundle(START + nodes, outputs=outputs, constants=constants)

    if error is None:
        assert build().deployment is not None
        return
    with pytest.raises(error, match=message):
        build()
