"""The solver: exact away from singularities, bounded and honest at them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.kinematics import AnalyticSolver, JointLimits, Planar2R, damped_least_squares
from zeroproof_ros.kinematics.analytic import NEAR_SINGULAR, first_step

FREE = JointLimits.symmetric([1e3, 1e3], [1.0, 1.0])
HALF_TURN = JointLimits.symmetric([np.pi, np.pi], [3.0, 3.0])
STEP = np.array([0.3, 0.3])

lengths = st.floats(0.05, 5.0)
arms = st.builds(lambda l1, l2: Planar2R([l1, l2], FREE), lengths, lengths)
# Poses at and around both singularities, and anywhere.
elbows = st.floats(-np.pi, np.pi) | st.sampled_from([0.0, np.pi, -np.pi, 1e-9, 1e-4, np.pi - 1e-6])
poses = st.tuples(st.floats(-np.pi, np.pi), elbows).map(lambda q: np.array([q]))
directions = st.floats(-np.pi, np.pi).map(lambda a: np.array([[np.cos(a), np.sin(a)]]))


def miss(arm: Planar2R, q: Any, dq: Any, dx: Any) -> Any:
    """How far the tool ends from where it was sent, (N,) [m]."""
    return np.linalg.norm(arm.forward(q + dq) - arm.forward(q) - dx, axis=1)


@given(arms, poses, directions, st.floats(1e-6, 0.5))
def test_damping_only_ever_shortens_the_move_of_the_tool(
    arm: Planar2R, q: Any, direction: Any, size: float
) -> None:
    dx, J, w = size * direction, arm.jacobian(q), np.abs(arm.determinant(q))
    dq = damped_least_squares(J, dx, w, w0=0.1 * arm.max_determinant, k0=1e-3)
    assert np.isfinite(dq).all()
    moved = np.linalg.norm((J @ dq[:, :, None])[:, :, 0])
    assert moved <= size * (1 + 1e-9)


@given(arms, poses, directions)
def test_without_a_singularity_near_damping_changes_nothing(
    arm: Planar2R, q: Any, direction: Any
) -> None:
    w0 = 0.1 * arm.max_determinant
    q[:, 1] = np.clip(np.abs(q[:, 1]), 0.2, 2.9)
    w, J = np.abs(arm.determinant(q)), arm.jacobian(q)
    assert w >= w0
    exact = np.linalg.solve(J, direction[:, :, None])[:, :, 0]
    damped = damped_least_squares(J, direction, w, w0=w0, k0=1.0)
    np.testing.assert_allclose(damped, exact, rtol=1e-6 * (arm.outer_radius**2 / w.item()) ** 2)


def test_damping_sets_in_exactly_at_its_threshold() -> None:
    J, dx = np.eye(2)[None], np.array([[1.0, 0.0]])
    for w, share in ((1.0, 1.0), (2.0, 1.0), (0.5, 1 / 1.25), (0.0, 0.5)):
        dq = damped_least_squares(J, dx, np.array([w]), w0=1.0, k0=1.0)
        np.testing.assert_allclose(dq, [[share, 0.0]])


def test_at_an_exact_singularity_the_lost_direction_gives_no_step() -> None:
    arm = Planar2R([1.0, 0.8], FREE)
    q = np.zeros((2, 2))
    dx = np.array([[0.1, 0.0], [0.0, 0.1]])
    dq = damped_least_squares(arm.jacobian(q), dx, np.zeros(2), w0=0.08, k0=1e-3)
    np.testing.assert_array_equal(dq[0], 0.0)
    assert (dq[1] > 0).all()


@given(arms, poses, directions, st.floats(1e-6, 0.01))
def test_away_from_a_singularity_the_step_is_the_exact_differential_one(
    arm: Planar2R, q: Any, direction: Any, share: float
) -> None:
    q[:, 1] = np.clip(np.abs(q[:, 1]), 0.2, 2.9)
    dx = share * min(arm.l1, arm.l2) * 0.1 * direction
    dq = AnalyticSolver(arm).motion(q, dx, np.full(2, np.inf))
    J = arm.jacobian(q)
    np.testing.assert_allclose((J @ dq[:, :, None])[:, :, 0], dx, atol=1e-12 * arm.outer_radius)


@given(arms, poses, directions, st.floats(0, 2), st.floats(1e-3, 1.0))
def test_the_first_step_of_a_motion_keeps_the_limit_and_its_direction(
    arm: Planar2R, q: Any, direction: Any, size: float, limit: float
) -> None:
    max_step = np.array([limit, 2 * limit])
    motion = AnalyticSolver(arm).motion(q, size * direction, max_step)
    step = first_step(motion, max_step)
    assert np.isfinite(step).all()
    assert (np.abs(step) <= max_step * (1 + 1e-12)).all()
    if (np.abs(motion) <= max_step).all():
        np.testing.assert_array_equal(step, motion)
    else:
        np.testing.assert_allclose((np.abs(step) / max_step).max(), 1.0)
        np.testing.assert_allclose(step[0, 0] * motion[0, 1], step[0, 1] * motion[0, 0])


@given(st.floats(0.05, 5.0), poses, directions, st.floats(1e-4, 0.3))
def test_an_arm_of_another_size_gets_as_close(
    scale: float, q: Any, direction: Any, size: float
) -> None:
    misses = []
    for s in (1.0, scale):
        arm, dx = Planar2R([s * 1.0, s * 0.8], FREE), s * size * direction
        misses.append(miss(arm, q, AnalyticSolver(arm).motion(q, dx, STEP), dx) / s)
    # Not the joints: where both elbows are equally near, rounding chooses.
    np.testing.assert_allclose(misses[0], misses[1], atol=1e-6)


@given(arms, st.floats(-np.pi, np.pi), st.floats(1e-5, 0.3))
def test_an_exactly_stretched_arm_is_pulled_in_radially(
    arm: Planar2R, q1: float, share: float
) -> None:
    q = np.array([[q1, 0.0]])
    dx = -share * min(arm.l1, arm.l2) * np.array([[np.cos(q1), np.sin(q1)]])
    dq = AnalyticSolver(arm).motion(q, dx, np.full(2, np.inf))
    np.testing.assert_allclose(miss(arm, q, dq, dx), 0.0, atol=1e-8 * arm.outer_radius)


@given(arms, st.floats(-np.pi, np.pi), st.sampled_from([np.pi, -np.pi]), st.floats(1e-5, 0.3))
def test_an_exactly_folded_arm_is_pushed_out_radially(
    arm: Planar2R, q1: float, q2: float, share: float
) -> None:
    q = np.array([[q1, q2]])
    outwards = arm.forward(q) if abs(arm.l1 - arm.l2) > 1e-6 else np.array([[1.0, 0.0]])
    dx = share * min(arm.l1, arm.l2) * outwards / np.linalg.norm(outwards)
    dq = AnalyticSolver(arm).motion(q, dx, np.full(2, np.inf))
    np.testing.assert_allclose(miss(arm, q, dq, dx), 0.0, atol=1e-8 * arm.outer_radius)


@given(
    st.floats(-1.2, 1.2),
    elbows.filter(lambda q2: abs(q2) <= np.pi),
    st.floats(0.2, 1.8) | st.sampled_from([0.2, 1.8]),
    st.floats(-0.8, 0.8),
)
def test_steps_arrive_from_everywhere_everywhere(
    q1: float, q2: float, radius: float, angle: float
) -> None:
    arm = Planar2R([1.0, 0.8], HALF_TURN)
    q, target = np.array([[q1, q2]]), radius * np.array([[np.cos(angle), np.sin(angle)]])
    for _ in range(30):
        q = q + first_step(AnalyticSolver(arm).motion(q, target - arm.forward(q), STEP), STEP)
    np.testing.assert_allclose(arm.forward(q), target, atol=1e-8)


def test_a_stretched_arm_sent_further_out_stays() -> None:
    arm = Planar2R([1.0, 0.8], HALF_TURN)
    dq = AnalyticSolver(arm).motion(np.zeros((1, 2)), np.array([[0.5, 0.0]]), STEP)
    np.testing.assert_array_equal(dq, 0.0)


@pytest.mark.parametrize("offset", [-1e-9, 0.0, 1e-9])
def test_both_sides_of_the_threshold_between_the_methods_move_the_tool_alike(
    offset: float,
) -> None:
    arm = Planar2R([1.0, 0.8], HALF_TURN)
    q = np.array([[0.3, np.arcsin(NEAR_SINGULAR) + offset]])
    dx = np.array([[1e-4, 1e-4]])
    dq = AnalyticSolver(arm).motion(q, dx, STEP)
    assert miss(arm, q, dq, dx) < 0.05 * np.linalg.norm(dx)


def test_a_position_out_of_reach_has_no_answer() -> None:
    arm = Planar2R([1.0, 0.8], HALF_TURN)
    x = np.array([[1.9, 0.0], [0.1, 0.0], [1.0, 0.8]])
    q = AnalyticSolver(arm).position(np.zeros((3, 2)), x)
    assert np.isnan(q).all(axis=1).tolist() == [True, True, False]
    np.testing.assert_allclose(arm.forward(q[2:]), x[2:])


@pytest.mark.filterwarnings("ignore:invalid value")
def test_rows_that_are_not_finite_harm_no_other_row() -> None:
    arm = Planar2R([1.0, 0.8], HALF_TURN)
    q = np.array([[0.1, 0.5], [np.nan, 0.5], [0.1, 0.5], [0.1, 0.5], [0.1, 0.0]])
    dx = np.array([[0.01, 0.0], [0.01, 0.0], [np.nan, 0.0], [0.01, 0.0], [np.nan, 0.0]])
    dq = AnalyticSolver(arm).motion(q, dx, STEP)
    assert np.isfinite(dq).all(axis=1).tolist() == [True, False, False, True, False]
    np.testing.assert_array_equal(dq[0], dq[3])


@pytest.mark.parametrize("turns", [1e8, 2.96785371e16, 1e22, 1e300])
def test_a_row_of_uncounted_turns_harms_no_other_row(turns: float) -> None:
    # q1 + q2 rounds to q1 there, so J is exactly singular although q2 is not.
    arm = Planar2R([1.0, 0.8], HALF_TURN)
    q, dx = np.array([[turns, 1.0], [0.1, 0.5], [turns, 0.0]]), np.full((3, 2), 0.01)
    dq = AnalyticSolver(arm).motion(q, dx, STEP)
    np.testing.assert_allclose(dq[1:2], AnalyticSolver(arm).motion(q[1:2], dx[1:2], STEP))


def test_no_rows_need_no_steps() -> None:
    arm = Planar2R([1.0, 0.8], HALF_TURN)
    none = np.empty((0, 2))
    assert AnalyticSolver(arm).motion(none, none, STEP).shape == (0, 2)
    assert AnalyticSolver(arm).position(none, none).shape == (0, 2)
