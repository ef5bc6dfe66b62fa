"""Which target a result answers: the one with its inputs and its stamp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the room of recordings needs it")
pytest.importorskip("sensor_msgs", reason="the ROS message packages are not installed here")

from hypothesis import given
from hypothesis import strategies as st
from std_msgs.msg import Header

from zeroproof_ros.bags.tally import Tally
from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.messages.targets import Target
from zeroproof_ros.pipeline import Reason, ResultTable, Source, StrictIK

IK = StrictIK(load_bundle(Path(__file__).parents[2] / "config" / "bundles" / "planar_2r"))
# No two of them are the same bit for bit; 0.0 and -0.0 are equal.
ROWS = np.array(
    [
        [0.1, 1.0, 0.001, 0.002],
        [0.1, 0.0, -0.001, 0.0],
        [0.1, 0.0, -0.001, -0.0],
        [np.nan, 0.0, 0.0, 0.0],
    ]
)
choices = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 5, 6])), max_size=12)


def target(row: int, stamp_ns: int) -> Target:
    return Target(ROWS[row : row + 1], Header(), stamp_ns)


def answer(row: int) -> ResultTable:
    return IK.solve(ROWS[row : row + 1])


@given(asked=choices, data=st.data())
def test_every_target_is_answered_once(asked: list[tuple[int, int]], data: st.DataObject) -> None:
    tally = Tally(has_header=True)
    for index, (row, stamp_ns) in enumerate(asked):
        tally.ask(index, target(row, stamp_ns))
    answered = data.draw(st.lists(st.sampled_from(asked), max_size=12) if asked else st.just([]))
    for row, stamp_ns in answered:
        tally.answer(answer(row), stamp_ns)
    left = list(asked)
    unasked = 0
    for each in answered:
        if each in left:
            left.remove(each)
        else:
            unasked += 1
    assert (tally.waiting, tally.unasked) == (len(left), unasked)
    told = [asked[index] for index, _ in tally.unanswered()]
    assert sorted(told) == sorted(left)
    assert tally.rows == tally.results == len(answered)
    assert sum(tally.by_source.values()) == sum(tally.by_reason.values()) == tally.rows


def test_counts_and_words() -> None:
    tally = Tally(has_header=True)
    tally.ask(4, target(0, 17))
    tally.ask(2, target(1, 18))
    tally.refuse(3, "frame", "it is in another frame")
    tally.answer(answer(3), 19)
    assert tally.unanswered() == [
        (2, "stamp 18 ns, 1 rows, first: 0.1, 0, -0.001, 0"),
        (4, "stamp 17 ns, 1 rows, first: 0.1, 1, 0.001, 0.002"),
    ]
    assert tally.refused == {"frame": 1}
    assert tally.refusals == [(3, "it is in another frame")]
    assert tally.by_source[Source.NONE] == tally.by_reason[Reason.BAD_INPUT] == 1


def test_a_target_without_a_header_is_told_by_its_inputs() -> None:
    tally = Tally(has_header=False)
    tally.ask(0, target(0, 0))
    tally.answer(answer(1), 123)
    assert (tally.waiting, tally.unasked) == (1, 1)
    tally.answer(answer(0), 456)
    assert (tally.waiting, tally.unasked) == (0, 1)
