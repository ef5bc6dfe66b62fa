"""Which rows of a table may be executed, and which of them one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.bundle import Bundle
from zeroproof_ros.kinematics import Planar2R
from zeroproof_ros.pipeline import StrictIK

STILL = [0.0, 0.0]
HOLE = [0.0, 0.0, 0.01, 0.0]  # stretched and sent further out: nobody serves it


def path(*elbows: float) -> Any:
    """Rows of a resting tool, at q1 = 0.2 and the given elbow angles."""
    return np.array([[0.2, elbow, *STILL] for elbow in elbows])


@pytest.fixture(scope="module")
def ik(exact_model: Bundle) -> StrictIK:
    return StrictIK(exact_model)


def test_commands_are_absolute_and_in_row_order(ik: StrictIK, arm: Planar2R) -> None:
    rows = np.array([[0.3, 1.2, 0.01, 0.02], HOLE, [0.4, 1.1, -0.01, 0.0]])
    commands = ik.commands(ik.solve(rows))
    assert commands.shape == (2, 2)
    np.testing.assert_allclose(
        arm.forward(commands), arm.forward(rows[::2, :2]) + rows[::2, 2:], atol=1e-3
    )


def test_a_path_without_hole_or_jump_is_kept_whole(ik: StrictIK) -> None:
    table = ik.solve(path(1.0, 1.1, 1.2, 1.4, 1.2))
    np.testing.assert_array_equal(ik.waypoints(table), ik.commands(table))
    assert len(ik.waypoints(table)) == 5


@pytest.mark.parametrize("hole", [0, 1, 2, 3])
def test_a_path_ends_before_its_first_hole(ik: StrictIK, hole: int) -> None:
    rows = path(1.0, 1.1, 1.2, 1.3)
    rows[hole] = HOLE
    table = ik.solve(rows)
    assert len(ik.commands(table)) == 3
    np.testing.assert_allclose(ik.waypoints(table), rows[:hole, :2])


@pytest.mark.parametrize(
    ("elbows", "kept"),
    [((1.0, 1.4), 1), ((1.0, 1.1, 1.5, 1.6), 2), ((1.0, 0.6), 1), ((1.0, 1.2, 1.4, 1.0, 1.1), 3)],
)
def test_a_path_ends_before_its_first_jump(ik: StrictIK, elbows: Any, kept: int) -> None:
    np.testing.assert_allclose(ik.waypoints(ik.solve(path(*elbows)))[:, 1], elbows[:kept])


def test_a_jump_after_a_hole_does_not_matter(ik: StrictIK) -> None:
    rows = path(1.0, 1.1, 1.2, 2.5)
    rows[1] = HOLE
    assert len(ik.waypoints(ik.solve(rows))) == 1


def test_steps_that_use_the_limit_exactly_are_no_jumps(ik: StrictIK) -> None:
    elbows = 0.5 + 0.3 * np.arange(9)
    # Some of these differences are a bit more than 0.3, some a bit less, by rounding alone.
    assert (np.diff(elbows) > 0.3).any()
    assert len(ik.waypoints(ik.solve(path(*elbows)))) == 9


@given(st.lists(st.sampled_from([0.2, 1.0, 1.1, 1.3, 2.0, np.nan]), max_size=8))
def test_waypoints_are_the_longest_beginning_without_hole_or_jump(
    ik: StrictIK, elbows: list[float]
) -> None:
    table = ik.solve(path(*elbows).reshape(-1, 4))
    waypoints = ik.waypoints(table)
    assert (np.abs(np.diff(waypoints, axis=0)) <= 0.3 * (1 + 1e-9)).all()
    n = len(waypoints)
    assert table.served[:n].all()
    np.testing.assert_array_equal(waypoints, ik.commands(table)[:n])
    if n < len(elbows):
        assert not table.served[n] or abs(elbows[n] - elbows[n - 1]) > 0.299


def test_a_table_in_which_nothing_is_served_moves_nothing(ik: StrictIK) -> None:
    table = ik.solve(np.array([HOLE, HOLE]))
    assert ik.commands(table).shape == (0, 2)
    assert ik.waypoints(table).shape == (0, 2)
