"""The rows a planar arm is learnt from: exact answers, reachable steps, singular poses, splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.errors import ConfigError
from zeroproof_ros.kinematics import JointLimits, Planar2R
from zeroproof_ros.pipeline.policy import drawn_step
from zeroproof_ros.training.planar_2r_rows import (
    NEAR_DETERMINANT,
    Rows,
    Splits,
    Stratum,
    planar_2r_rows,
    planar_2r_splits,
)

LENGTHS = st.sampled_from([(1.0, 0.8), (0.5, 0.5), (0.3, 0.25), (0.2, 1.5)])
LIMITS = st.sampled_from(
    [([-np.pi] * 2, [np.pi] * 2), ([-2.0, -0.4], [1.0, 2.9]), ([0.5, 0.0], [1.0, np.pi])]
)


def arm_of(lengths: Any, lower: Any, upper: Any) -> Planar2R:
    return Planar2R(lengths, JointLimits(np.array(lower), np.array(upper), np.array([3.0, 1.0])))


def rows_of(arm: Planar2R, count: int = 2000, seed: int = 0) -> Rows:
    return planar_2r_rows(arm, count, np.random.default_rng(seed))


@given(LENGTHS, LIMITS, st.integers(0, 2**32))
def test_every_row_is_exact_reachable_and_within_the_limits(
    lengths: Any, limits: Any, seed: int
) -> None:
    arm = arm_of(lengths, *limits)
    rows = rows_of(arm, 500, seed)
    q, dx = rows.x[:, :2], rows.x[:, 2:]
    assert arm.limits.contain(q).all()
    np.testing.assert_array_equal(rows.Q, arm.determinant(q))
    moved = (arm.jacobian(q) @ rows.P[:, :, None])[:, :, 0]
    np.testing.assert_allclose(moved, rows.Q[:, None] * dx, atol=1e-13)
    # no step is so short that it has no direction
    assert np.linalg.norm(dx, axis=1).min() > 1e-9
    largest = drawn_step(arm.limits)
    reach = np.sum(lengths) * largest[0] + lengths[1] * largest[1]
    assert np.linalg.norm(dx, axis=1).max() <= reach
    branches = arm.inverse(arm.forward(q) + dx)
    turns = (branches - q[:, None, :] + np.pi) % (2 * np.pi) - np.pi
    within = (np.abs(turns) <= largest * (1 + 1e-6) + 1e-6).all(axis=2).any(axis=1)
    # at the base of an arm with equal links every theta1 is right, and one is answered
    at_base = np.linalg.norm(arm.forward(q) + dx, axis=1) < 1e-3
    assert (within | at_base).all()


@given(LENGTHS, LIMITS)
def test_strata_are_what_they_say(lengths: Any, limits: Any) -> None:
    arm = arm_of(lengths, *limits)
    rows = rows_of(arm)
    share = np.abs(rows.Q) / arm.max_determinant
    assert set(rows.stratum) == set(Stratum)
    assert share[rows.stratum == Stratum.SINGULAR].max() < 1e-15
    near = share[rows.stratum == Stratum.NEAR]
    assert near.max() <= NEAR_DETERMINANT + 1e-12
    # evenly over |det J|, so that thresholds anywhere below have rows on both sides
    counts, _ = np.histogram(near, bins=5, range=(0, NEAR_DETERMINANT))
    assert counts.min() > 0.5 * counts.max()


def test_both_singular_poses_and_their_three_angles_are_there(arm: Planar2R) -> None:
    rows = rows_of(arm, 5000)
    angles = rows.x[rows.stratum == Stratum.SINGULAR, 1]
    assert set(angles) == {-np.pi, 0.0, np.pi}
    near = rows.x[rows.stratum == Stratum.NEAR, 1]
    # on both sides of each pose
    assert {(round(a / np.pi), a % np.pi < 1) for a in near} >= {(0, True), (0, False), (1, False)}


def test_uniform_rows_fill_the_limits_evenly(arm: Planar2R) -> None:
    rows = rows_of(arm, 40_000)
    uniform = rows.x[rows.stratum == Stratum.UNIFORM, :2]
    counts, *_ = np.histogram2d(uniform[:, 0], uniform[:, 1], bins=4, range=[[-np.pi, np.pi]] * 2)
    np.testing.assert_allclose(counts / len(uniform), 1 / 16, rtol=0.1)


def test_an_elbow_that_can_not_be_singular_gives_uniform_rows_only() -> None:
    rows = rows_of(arm_of([1.0, 0.8], [-1.0, 0.5], [1.0, 2.5]))
    assert set(rows.stratum) == {Stratum.UNIFORM}


def all_rows(splits: Splits) -> Any:
    return np.concatenate([part.x for part in vars(splits).values()])


def test_no_row_is_in_two_splits_nor_twice_in_one(arm: Planar2R) -> None:
    rows = all_rows(planar_2r_splits(arm, seed=0, rows=20_000))
    # as a model sees them
    assert len(np.unique(rows.astype(np.float32), axis=0)) == len(rows)


def test_a_seed_gives_the_same_rows_and_another_seed_others(arm: Planar2R) -> None:
    first, again, other = (planar_2r_splits(arm, seed=seed, rows=100) for seed in (3, 3, 4))
    np.testing.assert_array_equal(all_rows(first), all_rows(again))
    assert not np.isin(all_rows(other)[:, 0], all_rows(first)[:, 0]).any()


def test_the_number_of_training_rows_changes_no_other_split(arm: Planar2R) -> None:
    few, many = (planar_2r_splits(arm, seed=0, rows=rows) for rows in (1, 500))
    assert (len(few.train.x), len(many.train.x)) == (1, 500)
    np.testing.assert_array_equal(few.test.x, many.test.x)


def test_the_held_out_splits_are_large_enough_over_the_whole_workspace(arm: Planar2R) -> None:
    splits = planar_2r_splits(arm, seed=0, rows=1)
    for rows in (splits.calibration, splits.test):
        assert (rows.stratum == Stratum.UNIFORM).sum() >= 20_000


@pytest.mark.parametrize(("seed", "rows"), [(-1, 10), (0, 0)])
def test_splits_of_nothing_are_refused(arm: Planar2R, seed: int, rows: int) -> None:
    with pytest.raises(ConfigError, match=f"seed is {seed} and rows is {rows}, expected seed >= 0"):
        planar_2r_splits(arm, seed=seed, rows=rows)
