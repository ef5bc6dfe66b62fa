"""The clock of a replay: never backwards, never past the message that comes next."""

from __future__ import annotations

import pytest

pytest.importorskip("rosbags", reason="the room of recordings needs it")

from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.bags.pace import Pace

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND

gaps = st.lists(st.integers(-SECOND, 5 * SECOND), max_size=20)
rates = st.sampled_from([0.0, 0.1, 1.0, 7.0, 20.0])
# how late whatever waits for a message is woken [s], and how often it looks at the clock
delays = st.floats(0.0, 3.0)


@given(gaps=gaps, rate=rates, delay=delays)
def test_it_reads_the_recorded_time_when_a_message_is_played(
    gaps: list[int], rate: float, delay: float
) -> None:
    steady, seen, recorded = 500.0, [START], START
    pace = Pace(START, rate)
    assert pace.tick(steady) == START
    pace.begin(steady)
    for gap in gaps:
        recorded += gap
        left = pace.wait(recorded, steady)
        for part in (0.3, 0.7, 1.0):
            seen.append(pace.tick(steady + part * left + delay))
            assert seen[-1] <= max(recorded, seen[-2])
        steady += left + delay
        pace.play()
        seen.append(pace.now_ns)
        # a message that was recorded before others is played after them
        assert pace.now_ns == max(recorded, seen[-2])
    assert seen == sorted(seen)


@given(gaps=st.lists(st.integers(0, 5 * SECOND), min_size=1, max_size=20), rate=rates)
def test_gaps_are_kept_at_every_rate(gaps: list[int], rate: float) -> None:
    steady, recorded = 500.0, START
    pace = Pace(START, rate)
    pace.begin(steady)
    for gap in gaps:
        recorded += gap
        steady += pace.wait(recorded, steady)
        pace.play()
    expected = (recorded - START) / SECOND / rate if rate else 0.0
    assert steady - 500.0 == pytest.approx(expected, abs=1e-6)


def test_who_is_late_catches_up() -> None:
    pace = Pace(START, 2.0)
    pace.begin(500.0)
    assert pace.wait(START + 4 * SECOND, 500.0) == pytest.approx(2.0)
    assert pace.tick(501.0) == START + 2 * SECOND
    # three seconds late, which are six of the recording
    assert pace.wait(START + 8 * SECOND, 505.0) == 0.0
    assert pace.wait(START + 12 * SECOND, 505.0) == pytest.approx(1.0)
