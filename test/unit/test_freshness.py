"""Whether a target is still worth following."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.pipeline import Freshness, judge_freshness

S = 1_000_000_000
NOW = 1_700_000_000 * S


def judge(
    stamp_age: float | None = 0.0, arrival_age: float = 0.0, timeout: float = 0.5, now: int = NOW
) -> Freshness:
    stamp = 0 if stamp_age is None else NOW - int(stamp_age * S)
    return judge_freshness(
        stamp_ns=stamp, now_ns=now, arrival_age_ns=int(arrival_age * S), timeout=timeout
    )


def test_a_target_within_the_timeout_is_fresh() -> None:
    assert judge(0.4, 0.1) == Freshness(False, 0.4, 0.1, False)


def test_exactly_the_timeout_is_fresh_and_a_nanosecond_more_is_stale() -> None:
    for extra, stale in ((0, False), (1, True)):
        by_stamp = judge_freshness(
            stamp_ns=NOW - S // 2 - extra, now_ns=NOW, arrival_age_ns=0, timeout=0.5
        )
        by_arrival = judge_freshness(
            stamp_ns=0, now_ns=NOW, arrival_age_ns=S // 2 + extra, timeout=0.5
        )
        assert by_stamp.stale == by_arrival.stale == stale


@pytest.mark.parametrize(("stamp_age", "arrival_age"), [(0.6, 0.0), (0.0, 0.6), (0.6, 0.6)])
def test_either_clock_is_enough_to_make_a_target_stale(
    stamp_age: float, arrival_age: float
) -> None:
    assert judge(stamp_age, arrival_age).stale


def test_a_target_without_a_stamp_is_judged_by_its_arrival() -> None:
    assert judge(None, 0.1) == Freshness(False, None, 0.1, False)
    assert judge(None, 0.6).stale


def test_a_clock_that_has_not_started_says_nothing() -> None:
    assert judge(100.0, 0.1, now=0) == Freshness(False, None, 0.1, False)
    assert judge(100.0, 0.6, now=0).stale


def test_a_stamp_ahead_of_the_clock_is_told_and_does_not_hide_an_old_arrival() -> None:
    ahead = judge(-3.0, 0.1)
    assert (ahead.stale, ahead.future, ahead.stamp_age) == (False, True, -3.0)
    assert judge(-3.0, 0.6).stale


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_timeout_of_zero_is_no_limit(stamp_age: float, arrival_age: float) -> None:
    assert not judge(stamp_age, arrival_age, timeout=0.0).stale


def test_a_timeout_that_is_no_number_makes_everything_stale() -> None:
    assert judge(0.0, 0.0, timeout=math.nan).stale


@given(st.floats(-10, 10), st.floats(0, 10), st.floats(0.001, 10))
def test_an_older_target_is_never_fresher(age: float, arrival: float, timeout: float) -> None:
    assert judge(age, arrival, timeout).stale <= judge(age + 1, arrival, timeout).stale
    assert judge(age, arrival, timeout).stale <= judge(age, arrival + 1, timeout).stale
