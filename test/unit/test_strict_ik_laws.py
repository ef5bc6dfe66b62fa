"""What holds of every result table, whatever the rows, the policy and the kind of model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeroproof_ros.bundle import Bundle, GraphKind, OutputKind
from zeroproof_ros.kinematics import AnalyticSolver
from zeroproof_ros.kinematics.analytic import first_step
from zeroproof_ros.pipeline import Policy, Reason, ResultTable, Source, StrictIK
from zeroproof_ros.pipeline.verify import finite_residual

FAR = st.floats() | st.sampled_from([np.nan, np.inf, -np.inf, 1e39, 1e200, 3e38, 5e-324, -0.0])
ANGLES = st.floats(-3.3, 3.3) | st.sampled_from([0.0, np.pi, -np.pi, 1e-9, 0.025, 0.0625])
STEPS = st.floats(-0.3, 0.3) | st.floats(-2, 2) | st.sampled_from([0.0, 1e-12, 1.8, 0.2])


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """(N, 4) rows: mostly sensible, some singular, some no numbers at all."""
    n = draw(st.integers(0, 8))
    columns = [draw(hnp.arrays(np.float64, n, elements=e)) for e in (ANGLES, ANGLES, STEPS, STEPS)]
    rows = np.stack(columns, axis=1)
    if n and draw(st.booleans()):
        rows[draw(st.integers(0, n - 1)), draw(st.integers(0, 3))] = draw(FAR)
    return rows


policies = st.builds(
    Policy,
    bottom_policy=st.sampled_from(["fallback", "reject"]),
    gap_policy=st.sampled_from(["fallback", "accept", "reject"]),
    residual_tolerance=st.sampled_from([1e-9, 0.05]),
    motion_tolerance=st.sampled_from([1e-6, 0.9]),
    position_tolerance=st.sampled_from([1e-6, 1e-3, 10.0]),
    step_duration=st.sampled_from([0.01, 0.1, 10.0]),
    max_batch=st.sampled_from([1, 3, 65536]),
)


@pytest.fixture(scope="module", params=["exact_model", "strict", "position_bundle"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    if request.param == "strict":
        made: Bundle = request.getfixturevalue("exact_bundle")(kind=GraphKind.STRICT)
        return made
    found: Bundle = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def plain_bundle(graph_bundle: Callable[..., Bundle]) -> Bundle:
    """P = (dx, dy), Q = theta2: wrong for the arm, but made of single operations."""
    nodes = """a, q2, numerator = Split <axis=1> (input_0, widths)
               denominator = Squeeze(q2, axis)"""
    return graph_bundle(nodes, constants="int64[3] widths = {1, 1, 2}, int64[1] axis = {1}")


def tool(q: Any) -> Any:
    """Forward kinematics of the shipped robot, written out once more."""
    turn = np.exp(1j * q[:, 0]) * (1.0 + 0.8 * np.exp(1j * q[:, 1]))
    return np.stack([turn.real, turn.imag], axis=1)


def jacobian_times(q: Any, dq: Any) -> Any:
    elbow, forearm = np.exp(1j * q[:, 0]), 0.8 * np.exp(1j * q.sum(axis=1))
    v = 1j * (elbow + forearm) * dq[:, 0] + 1j * forearm * dq[:, 1]
    return np.stack([v.real, v.imag], axis=1)


def residuals(ik: StrictIK, table: ResultTable) -> Any:
    """The residuals of the served rows, by the check of their source."""
    rows = table.rows[table.served]
    q, task, answer = rows["in"][:, :2], rows["in"][:, 2:], rows["resolved"]
    if ik.deployment.output_kind is OutputKind.JOINT_POSITION:
        return np.linalg.norm(tool(answer) - task, axis=1)
    by_model = (rows["source"] == Source.MODEL)[:, None]
    # of the solver's motion the whole is checked, its first step is served
    max_step = ik.deployment.arm.limits.max_step(ik.policy.step_duration)
    motion = AnalyticSolver(ik.deployment.arm).motion(q, task, max_step)
    np.testing.assert_array_equal(
        first_step(motion, max_step)[~by_model[:, 0]], answer[~by_model[:, 0]]
    )
    moved = np.where(by_model, jacobian_times(q, answer), tool(q + motion) - tool(q))
    return np.linalg.norm(moved - task, axis=1) / np.maximum(np.linalg.norm(task, axis=1), 1e-6)


@given(tables(), policies)
@pytest.mark.filterwarnings("error")
def test_every_row_comes_back_once_in_order(bundle: Bundle, rows: Any, policy: Policy) -> None:
    table = StrictIK(bundle, policy).solve(rows)
    assert len(table) == len(rows)
    np.testing.assert_array_equal(table["in"], rows)


@given(tables(), policies)
def test_the_masks_in_the_table_keep_the_contract(
    bundle: Bundle, rows: Any, policy: Policy
) -> None:
    table = StrictIK(bundle, policy).solve(rows)
    bottom, gap, fault, semantic = (table[m] for m in ("bottom", "gap", "fault", "semantic"))
    assert np.concatenate([bottom, gap, fault, semantic]).max(initial=0) <= 1
    np.testing.assert_array_equal(bottom, fault | semantic)
    assert not (bottom & gap).any()
    decoded = table["decoded"]
    np.testing.assert_array_equal(np.isnan(decoded).all(axis=1), bottom == 1)
    np.testing.assert_array_equal(np.isfinite(decoded).all(axis=1), bottom == 0)
    assert not np.isnan(table["residual"]).any()
    if bundle.kind is GraphKind.PROJECTIVE:
        q_abs = table["q_abs"]
        np.testing.assert_array_equal(semantic == 1, q_abs < 0.02)
        assert (q_abs[gap == 1] < 0.05).all()


@given(tables(), policies)
def test_what_is_served_is_finite_within_limits_and_close_enough(
    bundle: Bundle, rows: Any, policy: Policy
) -> None:
    ik = StrictIK(bundle, policy)
    table = ik.solve(rows)
    served = table.rows[table.served]
    commands = ik.commands(table)
    assert np.isfinite(commands).all()
    assert np.isfinite(served["resolved"]).all()
    assert (np.abs(commands) <= np.pi).all()
    longest = 3.0 * policy.step_duration
    assert (np.abs(commands - served["in"][:, :2]) <= longest + 1e-12).all()
    position = ik.deployment.output_kind is OutputKind.JOINT_POSITION
    by_source = (
        policy.position_tolerance
        if position
        else np.where(
            served["source"] == Source.MODEL, policy.residual_tolerance, policy.motion_tolerance
        )
    )
    assert (residuals(ik, table) <= by_source + 1e-9).all()
    if not position:
        model = served[served["source"] == Source.MODEL]
        q, task = model["in"][:, :2], model["in"][:, 2:]
        ends = finite_residual(ik.deployment.arm, q, model["resolved"], task)
        assert (ends <= policy.motion_tolerance + 1e-9).all()
    np.testing.assert_allclose(served["residual"], residuals(ik, table), atol=1e-9)


@given(tables(), policies)
def test_source_and_reason_agree_with_each_other_and_with_the_policy(
    bundle: Bundle, rows: Any, policy: Policy
) -> None:
    table = StrictIK(bundle, policy).solve(rows)
    source, reason = table["source"], table["reason"]
    np.testing.assert_array_equal(source == Source.MODEL, reason == Reason.OK)
    to_solver = [Reason.BOTTOM, Reason.GAP, Reason.RESIDUAL, Reason.LIMIT]
    assert np.isin(reason[source == Source.ANALYTIC], to_solver).all()
    np.testing.assert_array_equal(np.isnan(table["resolved"]).all(axis=1), source == Source.NONE)
    assert np.isinf(table["residual"][reason == Reason.BAD_INPUT]).all()
    assert (table["bottom"][reason == Reason.BOTTOM] == 1).all()
    assert (table["gap"][reason == Reason.GAP] == 1).all()
    model = table.rows[source == Source.MODEL]
    assert not model["bottom"].any()
    np.testing.assert_array_equal(model["resolved"], model["decoded"])
    if policy.bottom_policy == "reject":
        assert (source[table["bottom"] == 1] == Source.NONE).all()
    if policy.gap_policy == "reject":
        assert (source[table["gap"] == 1] == Source.NONE).all()
    if policy.gap_policy != "accept":
        assert not model["gap"].any()
    else:
        assert not (reason == Reason.GAP).any()


@given(tables())
def test_input_that_a_model_can_not_hold_is_bad_and_harms_no_other_row(
    bundle: Bundle, rows: Any
) -> None:
    ik = StrictIK(bundle)
    table = ik.solve(rows)
    with np.errstate(over="ignore"):
        usable = np.isfinite(rows.astype(np.float32)).all(axis=1)
    np.testing.assert_array_equal(table["reason"] != Reason.BAD_INPUT, usable)
    same(table.rows[usable], ik.solve(rows[usable]).rows)
    bad = table.rows[~usable]
    assert (bad["bottom"] & bad["fault"]).all()
    assert not bad["semantic"].any()
    assert np.isnan(bad["x"]).all()


@given(tables())
def test_the_tool_is_where_the_joints_of_the_row_put_it(bundle: Bundle, rows: Any) -> None:
    table = StrictIK(bundle).solve(rows)
    usable = table["reason"] != Reason.BAD_INPUT
    assume(usable.any() and (np.abs(rows[usable, :2]) < 1e6).all())
    xy = np.stack([table["x"], table["y"]], axis=1)[usable]
    np.testing.assert_allclose(xy, tool(rows[usable, :2]), atol=1e-6)
    assert not table["z"][usable].any()


@given(tables(), st.sampled_from([1, 2, 3, 5]))
def test_a_table_of_many_batches_is_that_of_each_in_turn(
    bundle: Bundle, rows: Any, size: int
) -> None:
    ik = StrictIK(bundle, Policy(max_batch=size))
    table = ik.solve(rows)
    for i in range(0, len(rows), size):
        same(table.rows[i : i + size], ik.solve(rows[i : i + size]).rows)


@given(tables(), st.sampled_from([1, 2, 3, 5]))
def test_a_model_without_rounding_of_its_own_answers_alike_in_any_batch(
    plain_bundle: Bundle, rows: Any, size: int
) -> None:
    # ONNX Runtime's sine differs in the last bit between long and short batches, so a Q at a
    # threshold may fall on either side of it; division does not.
    whole = StrictIK(plain_bundle).solve(rows)
    parts = StrictIK(plain_bundle, Policy(max_batch=size)).solve(rows)
    for field in ("in", "decoded", "q_abs", "bottom", "gap", "fault", "semantic"):
        np.testing.assert_array_equal(parts[field], whole[field], err_msg=field)
    np.testing.assert_allclose(parts["resolved"], whole["resolved"], atol=1e-12)


def same(found: Any, expected: Any) -> None:
    """Equal tables, field by field, a NaN being equal to a NaN."""
    assert found.dtype == expected.dtype
    for field in expected.dtype.names:
        np.testing.assert_array_equal(found[field], expected[field], err_msg=field)


@given(several=st.lists(tables(), min_size=1, max_size=6), policy=policies)
def test_tables_together_are_answered_bit_for_bit_as_alone(
    bundle: Bundle, several: list[Any], policy: Policy
) -> None:
    ik = StrictIK(bundle, policy)
    together = ik.solve_each(several)
    assert [t.rows.tobytes() for t in together] == [ik.solve(t).rows.tobytes() for t in several]
