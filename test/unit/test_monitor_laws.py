"""Counting, rates, windows, latency and events: what holds whatever was counted."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.contract import BottomProvenance
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.monitor import (
    JsonlLogger,
    LatencyWindow,
    RateMonitor,
    Rates,
    RowCounts,
    count_rows,
    event_line,
)
from zeroproof_ros.monitor.rates import SLICES

ROW = np.dtype(
    [("q_abs", "f8"), *((name, "u1") for name in ("bottom", "gap", "fault", "source", "reason"))]
)
# source, bottom, gap, fault of rows as a pipeline makes them
KINDS = [(1, 0, 0, 0), (1, 0, 1, 0), (2, 1, 0, 0), (2, 0, 1, 0), (0, 1, 0, 1), (0, 1, 0, 0)]

kinds = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.sampled_from([math.nan, 0.0, 0.5, 1e-300]) | st.floats(0, 10)
    ),
    max_size=20,
)
batches = st.lists(kinds, max_size=6)


def table(rows: list[tuple[tuple[int, ...], float]]) -> np.ndarray:
    made = np.zeros(len(rows), dtype=ROW)
    for i, ((source, bottom, gap, fault), q_abs) in enumerate(rows):
        made[i] = (q_abs, bottom, gap, fault, source, 0)
    return made


def count(rows: list[tuple[tuple[int, ...], float]]) -> RowCounts:
    return count_rows(table(rows), analytic=2)


# Counts


@given(rows=kinds)
def test_counts_are_what_they_say(rows: list[tuple[tuple[int, ...], float]]) -> None:
    counts = count(rows)
    known = [q for _, q in rows if not math.isnan(q)]
    assert counts == RowCounts(
        rows=len(rows),
        bottom=sum(kind[1] for kind, _ in rows),
        gap=sum(kind[2] for kind, _ in rows),
        fault=sum(kind[3] for kind, _ in rows),
        served=sum(kind[0] > 0 for kind, _ in rows),
        fallback=sum(kind[0] == 2 for kind, _ in rows),
        q_abs_min=min(known, default=math.inf),
    )


@given(first=kinds, second=kinds)
def test_counts_of_two_batches_add_up(
    first: list[tuple[tuple[int, ...], float]], second: list[tuple[tuple[int, ...], float]]
) -> None:
    assert count(first) + count(second) == count(first + second)
    assert count(first) + RowCounts() == count(first)


# Rates


@given(rows=kinds.filter(bool), seconds=st.floats(0.1, 1e6))
def test_laws_of_rates(rows: list[tuple[tuple[int, ...], float]], seconds: float) -> None:
    rates = Rates.of(count(rows), seconds)
    assert rates.accept_rate == 1.0 - rates.bottom_rate
    assert rates.coverage == pytest.approx(rates.accept_rate - rates.gap_rate, abs=1e-15)
    assert rates.serve_rate + rates.reject_rate == pytest.approx(1.0)
    assert 0.0 <= rates.fault_rate <= rates.bottom_rate <= 1.0
    assert 0.0 <= rates.fallback_rate <= rates.serve_rate <= 1.0
    assert rates.rows_per_second == rates.rows / seconds


def test_rates_of_nothing_are_unknown_and_not_0() -> None:
    rates = asdict(Rates.of(RowCounts(), 0.0))
    assert rates.pop("rows") == 0.0
    assert all(math.isnan(value) for value in rates.values())


def test_a_smallest_q_that_nobody_told_is_unknown() -> None:
    assert math.isnan(Rates.of(count([(KINDS[0], math.nan)]), 1.0).q_abs_min)
    assert Rates.of(count([(KINDS[0], math.nan), (KINDS[0], 0.25)]), 1.0).q_abs_min == 0.25


# The monitor


@given(rows=batches, start=st.floats(1.0, 1e9), step=st.floats(0.0, 0.5))
def test_everything_is_the_sum_of_all_updates(
    rows: list[list[tuple[tuple[int, ...], float]]], start: float, step: float
) -> None:
    monitor = RateMonitor(window=10.0)
    for i, batch in enumerate(rows):
        monitor.update(count(batch), start + i * step)
    now = start + 5 * step
    everything = sum(map(count, rows), RowCounts())
    spans = monitor.rates(now)
    elapsed = now - start if rows else 0.0
    assert repr(spans["all"]) == repr(Rates.of(everything, elapsed))
    # nothing is older than the window yet
    assert repr(spans["window"]) == repr(spans["all"])
    # a look changes nothing
    assert repr(monitor.rates(now)) == repr(spans)


@given(
    times=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=50).map(sorted),
    window=st.sampled_from([0.1, 1.0, 7.3, 60.0]),
    later=st.floats(0.0, 20.0),
)
def test_the_window_is_kept_to_a_hundredth(times: list[float], window: float, later: float) -> None:
    monitor, start = RateMonitor(window), 1000.0
    for time in times:
        monitor.update(RowCounts(rows=1), start + time)
    now = start + times[-1] + later
    rows = monitor.rates(now)["window"].rows
    slack = 1.001 * window / SLICES
    surely = sum(start + time > now - window + slack for time in times)
    perhaps = sum(start + time > now - window - slack for time in times)
    assert surely <= rows <= perhaps


def test_memory_does_not_grow_with_time_or_rate() -> None:
    monitor = RateMonitor(window=1.0)
    for i in range(20_000):
        monitor.update(RowCounts(rows=1), 1.0 + i * 1e-3)
    assert len(monitor._slices) <= SLICES + 1
    assert monitor.rates(21.0)["all"].rows == 20_000
    assert monitor.rates(21.0)["window"].rows == pytest.approx(1000, abs=15)
    assert monitor.rates(21.0)["window"].rows_per_second == pytest.approx(1000, rel=0.015)
    assert monitor.rates(1000.0)["window"].rows == 0


def test_reset_forgets_everything() -> None:
    monitor = RateMonitor(window=1.0)
    monitor.update(RowCounts(rows=5, bottom=5), 3.0)
    monitor.reset()
    assert repr(monitor.rates(3.5)) == repr(RateMonitor(window=1.0).rates(3.5))
    # time may start again at less than it was: a clock that jumped
    monitor.update(RowCounts(rows=2), 1.0)
    assert monitor.rates(2.0)["all"].rows_per_second == 2.0


def test_a_clock_that_has_not_started_does_not_stretch_the_time() -> None:
    monitor = RateMonitor(window=10.0)
    monitor.update(RowCounts(rows=1), 0.0)
    monitor.update(RowCounts(rows=1), 1e9)
    spans = monitor.rates(1e9 + 2.0)
    assert (spans["all"].rows, spans["all"].rows_per_second) == (2.0, 1.0)
    assert spans["window"].rows == 1.0


# Latency


@given(
    durations=st.lists(st.floats(0.0, 10.0), min_size=1, max_size=30),
    size=st.integers(1, 20),
    level=st.floats(0.0, 1.0),
)
def test_quantiles_are_those_of_the_last_durations(
    durations: list[float], size: int, level: float
) -> None:
    window = LatencyWindow(size)
    for duration in durations:
        window.add(duration)
    last = durations[-size:]
    low, some, high = window.quantiles(0.0, level, 1.0)
    assert (low, high) == (min(last), max(last))
    assert some == pytest.approx(np.quantile(last, level))


def test_no_durations_have_no_quantiles() -> None:
    window = LatencyWindow(3)
    assert all(map(math.isnan, window.quantiles(0.5, 0.99)))
    window.add(1.0)
    window.clear()
    assert len(window.quantiles(0.5)) == 1
    assert math.isnan(window.quantiles(0.5)[0])


# Events


def strictly(text: str) -> Any:
    """JSON without the NaN and Infinity that Python would take."""
    return json.loads(text, parse_constant=pytest.fail)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=json_values)
def test_an_event_is_one_line_of_strict_json(value: object) -> None:
    line = event_line({"value": value, "event": "some", "a": 7})
    assert "\n" not in line
    event = strictly(line)
    assert event | {"value": None} == {"a": 7, "event": "some", "value": None}
    assert list(event) == ["a", "event", "value"]
    # what JSON holds already is told as it is
    assert strictly(event_line(event)) == event


def test_numbers_that_are_not_finite_are_null() -> None:
    line = event_line({"a": math.nan, "b": {"c": [math.inf, 1.0, (-math.inf,)]}})
    assert strictly(line) == {"a": None, "b": {"c": [None, 1.0, [None]]}}
    event = strictly(event_line(asdict(Rates.of(RowCounts(), 0.0))))
    assert event == {field.name: None for field in fields(Rates)} | {"rows": 0.0}


class Colour(Enum):
    RED = math.inf
    GREEN = "green"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float64("nan"), None),
        (np.float32(0.5), 0.5),
        (np.float16("inf"), None),
        (np.longdouble(0.25), 0.25),
        (np.array([np.longdouble("nan")]), [None]),
        (np.int64(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.array([[1.0, np.nan], [-np.inf, 2.0]]), [[1.0, None], [None, 2.0]]),
        (np.zeros((0, 2)), []),
        (np.array(3), 3),
        (np.array([True, False]), [True, False]),
        (np.clongdouble(1), "(1+0j)"),
        (BottomProvenance.MIXED, 3),
        (Colour.RED, None),
        (Colour.GREEN, "green"),
        ({Colour.GREEN: 1, 2: np.int8(3), Path("some"): ()}, {"green": 1, "2": 3, "some": []}),
        (Path("folder") / "file", str(Path("folder") / "file")),
        (Fraction(1, 2), 0.5),
        (10**400, 10**400),
        (OSError("disk full"), "disk full"),
    ],
    ids=repr,
)
def test_what_json_lacks_is_written_in_its_types(value: object, written: object) -> None:
    found = strictly(event_line({"value": value}))["value"]
    assert found == written
    assert type(found) is type(written)


def test_events_are_appended_at_once(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "events.jsonl"
    log = JsonlLogger(str(path))
    assert log.path == path
    assert path.read_text() == ""
    events = [{"event": "first", "rate": math.nan}, {"event": "second\n\u2028", "rate": 0.5}]
    for i, event in enumerate(events, start=1):
        log(event)
        assert path.read_bytes().count(b"\n") == i
    # another run goes on where the last one ended
    JsonlLogger(path)(events[0])
    lines = path.read_text("utf-8").splitlines()
    assert lines == [event_line(event) for event in [*events, events[0]]]
    assert strictly(lines[0]) == {"event": "first", "rate": None}


def test_a_file_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "events.jsonl"):
        with pytest.raises(ConfigError, match=r"event file .* can not be written") as caught:
            JsonlLogger(path)
        assert caught.value.path == path


def test_a_file_that_is_gone_is_an_error_of_the_system(tmp_path: Path) -> None:
    log = JsonlLogger(tmp_path / "events.jsonl")
    log.path.unlink()
    log.path.mkdir()
    with pytest.raises(OSError, match="directory"):
        log({"event": "some"})
