"""Rates over recorded time: every row counts once, whatever the clock of the recorder did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags, which reads recordings")

from hypothesis import example, given
from hypothesis import strategies as st

from zeroproof_ros.bags import BagFacts, Evaluation, load_ik
from zeroproof_ros.bags.answering import ORIGIN
from zeroproof_ros.bags.page.pictures import rates_picture
from zeroproof_ros.bags.page.timeline import BINS, bin_width, stretches
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.messages.targets import NANOSECONDS
from zeroproof_ros.pipeline import Source

IK = load_ik(Path(__file__).parents[2] / "test" / "bundles" / "planar_2r", Serving())
INT64 = np.iinfo(np.int64)
TIMES = st.lists(st.integers(INT64.min, INT64.max), max_size=40)


def evaluation(*recordings: list[int], seed: int = 0) -> Evaluation:
    """Rows recorded at times [ns], served and masked by chance."""
    random = np.random.default_rng(seed)
    origin = np.zeros(sum(map(len, recordings)), dtype=ORIGIN)
    origin["recorded_ns"] = [time for times in recordings for time in times]
    origin["bag"] = np.repeat(range(len(recordings)), [len(times) for times in recordings])
    rows = np.zeros(len(origin), dtype=IK.layout.dtype)
    rows["bottom"] = random.integers(0, 2, len(rows))
    rows["gap"] = (1 - rows["bottom"]) * random.integers(0, 2, len(rows))
    rows["source"] = random.integers(0, 3, len(rows))
    facts = BagFacts(
        path="bag", topic="/target", target_type="joint_state", messages=0, rows=0, refused={},
        refusals=(), stamps_unknown=0, stamps_future=0, out_of_order=0, first_ns=0, last_ns=0,
        problems=(),
    )  # fmt: skip
    bags = tuple(replace(facts, messages=len(times), rows=len(times)) for times in recordings)
    return Evaluation(IK, Serving(), bags, rows, origin)


@given(TIMES, TIMES, st.integers(0, 99))
@example([INT64.min, INT64.max], [0], 0)
@example([5, 5, 5], [], 0)
@example([9, 3, 7, 1], [2], 0)
def test_every_row_is_in_one_bin(first: list[int], second: list[int], seed: int) -> None:
    found = evaluation(first, second, seed=seed)
    width = bin_width([found])
    drawn = stretches(found, width)
    assert [one.recording for one in drawn] == [i for i, t in enumerate((first, second)) if t]
    assert sum(len(one.edges) - 1 for one in drawn) <= BINS + 2
    for one, times in zip(drawn, filter(None, (first, second)), strict=True):
        rows = found.rows[found.origin["bag"] == one.recording]
        total = np.bincount([(t - min(times)) // width for t in times])
        covered = (rows["bottom"] == 0) & (rows["gap"] == 0)
        marked = {
            "coverage": covered,
            "bottom": rows["bottom"] == 1,
            "gap": rows["gap"] == 1,
            "fallback": rows["source"] == Source.ANALYTIC,
            "reject": rows["source"] == Source.NONE,
        }
        assert list(one.rates) == list(marked)
        for name, mask in marked.items():
            filled = total > 0
            assert np.isnan(one.rates[name][~filled]).all()
            counted = one.rates[name][filled] * total[filled]
            assert counted.sum() == pytest.approx(np.count_nonzero(mask))
        assert one.edges == pytest.approx(np.arange(len(total) + 1) * (width / NANOSECONDS))


@given(TIMES.filter(bool))
def test_a_bin_is_as_long_as_people_count(times: list[int]) -> None:
    width = bin_width([evaluation(times)])
    assert str(width).rstrip("0") in {"1", "2", "5"}
    assert width * BINS >= max(times) - min(times)


def test_targets_that_come_evenly_leave_no_hole() -> None:
    period = NANOSECONDS // 10
    found = evaluation([i * period for i in range(100)])
    (one,) = stretches(found, bin_width([found]))
    assert not np.isnan(one.rates["coverage"]).any()


def test_a_pause_is_a_hole() -> None:
    period = NANOSECONDS // 50
    times = [i * period for i in range(500)]
    found = evaluation([*times, *(time + 60 * NANOSECONDS for time in times)])
    width = bin_width([found])
    (one,) = stretches(found, width)
    empty = np.isnan(one.rates["coverage"])
    assert np.count_nonzero(empty) * width / NANOSECONDS == pytest.approx(50, abs=2)
    assert not empty[0]
    assert not empty[-1]


@pytest.mark.parametrize(
    "recordings",
    [([7],), ([7], [7]), ([INT64.min, INT64.max], [0]), tuple([i, i + 9] for i in range(300))],
    ids=["one row", "no time", "all time", "many recordings"],
)
def test_every_recording_can_be_drawn(recordings: tuple[list[int], ...]) -> None:
    found = evaluation(*recordings)
    picture = rates_picture(stretches(found, bin_width([found])), 0.0, 1.0, 0)
    lines = [node for node in picture.iter("path") if "6a51a3" in node.get("style", "")]
    assert lines
