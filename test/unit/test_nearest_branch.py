"""Which branch of an inverse is taken, and the limits that forbid one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.errors import ArmError
from zeroproof_ros.kinematics import JointLimits, nearest_branch
from zeroproof_ros.kinematics.arm import moved_within

FREE = JointLimits.symmetric([100.0, 100.0], [1.0, 1.0])
HALF_TURN = JointLimits.symmetric([np.pi, np.pi], [1.0, 1.0])
angles = st.floats(-20, 20)
poses = st.tuples(angles, angles)


def choose(branches: Any, seed: Any, limits: JointLimits = FREE) -> Any:
    return nearest_branch(np.array([branches], dtype=float), np.array([seed], dtype=float), limits)[
        0
    ]


@given(st.lists(poses, min_size=1, max_size=4), poses)
def test_no_branch_in_any_turn_is_nearer_than_the_chosen_one(branches: Any, seed: Any) -> None:
    chosen = choose(branches, seed)
    turns = 2 * np.pi * np.arange(-9, 10)
    steps = np.abs(np.array(branches)[:, :, None] + turns - np.array(seed)[:, None])
    nearest = steps.min(axis=2).max(axis=1).min()
    np.testing.assert_allclose(np.abs(chosen - seed).max(), nearest, atol=1e-12)


def test_the_seed_decides_between_elbow_up_and_elbow_down() -> None:
    up, down = [0.0, 1.0], [0.5, -1.0]
    np.testing.assert_array_equal(choose([up, down], [0.2, 0.9]), up)
    np.testing.assert_array_equal(choose([up, down], [0.2, -0.9]), down)


def test_a_tie_goes_to_the_first_branch() -> None:
    np.testing.assert_array_equal(choose([[0.0, 1.0], [0.0, -1.0]], [0.0, 0.0]), [0.0, 1.0])


def test_each_joint_is_taken_in_the_turn_of_the_seed() -> None:
    np.testing.assert_allclose(
        choose([[0.1, -0.1]], [4 * np.pi, -2 * np.pi]), [4 * np.pi + 0.1, -2 * np.pi - 0.1]
    )


def test_an_angle_across_the_half_turn_is_not_reached_by_unwinding() -> None:
    assert np.isnan(choose([[-3.1, 0.0]], [3.1, 0.0], HALF_TURN)).all()
    np.testing.assert_allclose(choose([[-3.1, 0.0]], [3.1, 0.0]), [2 * np.pi - 3.1, 0.0])


def test_a_farther_branch_is_taken_where_limits_forbid_the_nearer() -> None:
    positive_elbow = JointLimits(np.array([-3.0, 0.0]), np.array([3.0, 3.0]), np.ones(2))
    np.testing.assert_array_equal(
        choose([[0.0, 1.0], [0.5, -1.0]], [0.5, -1.0], positive_elbow), [0.0, 1.0]
    )


def test_without_a_branch_in_the_limits_there_is_no_answer() -> None:
    narrow = JointLimits.symmetric([0.1, 0.1], [1.0, 1.0])
    assert np.isnan(choose([[0.0, 1.0], [0.5, -1.0]], [0.0, 0.0], narrow)).all()


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_branch_that_is_not_finite_is_never_chosen() -> None:
    nan, inf = np.nan, np.inf
    good = [1.0, 1.0]
    np.testing.assert_array_equal(choose([[nan, 0.0], [0.0, inf], good], [0.0, 0.0]), good)
    assert np.isnan(choose([[nan, nan], [0.0, nan]], [0.0, 0.0])).all()
    assert np.isnan(choose([good], [nan, 0.0])).all()
    assert np.isnan(choose([good], [inf, 0.0])).all()


def test_no_rows_have_no_branches() -> None:
    assert nearest_branch(np.empty((0, 2, 2)), np.empty((0, 2)), FREE).shape == (0, 2)


@pytest.mark.parametrize(
    ("lower", "upper", "velocity", "message"),
    [
        ([np.nan], [1.0], [1.0], r"lower limits are \[nan\], expected n finite numbers"),
        ([0.0], [np.inf], [1.0], r"upper limits are \[inf\], expected n finite numbers"),
        ([0.0], [1.0], [np.inf], r"velocity limits are \[inf\], expected n finite numbers"),
        ([[0.0]], [1.0], [1.0], r"lower limits are \[\[0.\]\], expected n finite numbers"),
        ([0.0], [1.0, 2.0], [1.0], "1 lower, 2 upper and 1 velocity limits, expected one of each"),
        ([0.0], [1.0], [1.0, 1.0], "1 lower, 1 upper and 2 velocity limits, expected one of each"),
        ([1.0], [1.0], [1.0], r"lower limits \[1.\] are not all below upper \[1.\]"),
        ([0.0, 2.0], [1.0, 1.0], [1.0, 1.0], "are not all below upper"),
        ([0.0], [1.0], [0.0], r"velocity limits are \[0.\], expected all > 0"),
        ([0.0], [1.0], [-1.0], r"velocity limits are \[-1.\], expected all > 0"),
    ],
)
def test_limits_that_limit_nothing_are_refused(
    lower: Any, upper: Any, velocity: Any, message: str
) -> None:
    with pytest.raises(ArmError, match=message):
        JointLimits(lower, upper, velocity)


def test_limits_are_copied_and_read_only() -> None:
    lower = np.array([-1.0])
    limits = JointLimits(lower, np.array([1.0]), np.array([1.0]))
    lower[0] = -5.0
    assert limits.lower[0] == -1.0
    with pytest.raises(ValueError, match="read-only"):
        limits.upper[0] = 5.0


def test_a_pose_on_a_limit_is_within_and_a_nan_is_not() -> None:
    limits = JointLimits.symmetric([1.0, 2.0], [1.0, 1.0])
    above = np.nextafter(1.0, 2.0)
    q = [[1.0, 2.0], [-1.0, -2.0], [above, 0.0], [0.0, np.nan], [np.inf, 0.0]]
    assert limits.contain(np.array(q)).tolist() == [True, True, False, False, False]


def test_a_step_is_judged_by_where_it_ends_and_by_how_long_it_is() -> None:
    limits = JointLimits.symmetric([1.0], [3.0])
    q = np.array([[0.0], [0.0], [0.9], [0.9], [0.0]])
    dq = np.array([[0.3], [0.301], [0.1], [0.101], [np.nan]])
    assert moved_within(limits, q + dq, dq, 0.1).tolist() == [True, False, True, False, False]
