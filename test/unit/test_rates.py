"""Counts, rates and spans: what holds whatever was counted, and whenever."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from counted_rows import q_values, rows_of, table, tables
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.errors import ArrayError, ConfigError
from zeroproof_ros.monitor import QHistogram, RateMonitor, Rates, RowCounts, count_rows
from zeroproof_ros.monitor.histogram import EDGES, RELATIVE_ERROR
from zeroproof_ros.monitor.windows import SLICES

Rows = np.ndarray[Any, Any]
FOREVER = 1e6


def total(batches: list[Rows]) -> Rows:
    return np.concatenate([table([]), *batches])


# Counts


@given(rows=tables)
def test_counts_are_what_they_say(rows: Rows) -> None:
    counts = count_rows(rows)
    assert counts.rows == len(rows)
    for mask in ("bottom", "gap", "fault"):
        assert getattr(counts, mask) == np.sum(rows[mask] == 1)
    assert counts.sources == tuple(np.sum(rows["source"] == source) for source in Source)
    assert counts.reasons == tuple(np.sum(rows["reason"] == reason) for reason in Reason)
    assert counts.served == np.sum(rows["source"] != 0)
    assert counts.fallback == np.sum(rows["source"] == 2)
    assert counts.covered == np.sum((rows["bottom"] == 0) & (rows["gap"] == 0))
    known = rows["q_abs"][np.isfinite(rows["q_abs"])]
    assert counts.q_abs.minimum == known.min(initial=math.inf)
    assert counts.q_abs.zero == np.sum(known == 0.0)
    assert counts.q_abs.unknown == len(rows) - len(known)
    assert counts.q_abs.unknown + counts.q_abs.zero + counts.q_abs.bins.sum() == len(rows)


@given(first=tables, second=tables, third=tables)
def test_counts_of_batches_add_up_in_any_order(first: Rows, second: Rows, third: Rows) -> None:
    a, b, c = map(count_rows, (first, second, third))
    assert (a + b) + c == a + (b + c) == count_rows(total([first, second, third]))
    assert a + b == b + a
    assert a + RowCounts() == a


@pytest.mark.parametrize(
    ("field", "code", "message"),
    [
        ("source", len(Source), "the source 3, expected 0 to 2"),
        ("reason", len(Reason), "the reason 9, expected 0 to 8"),
        ("reason", 255, "the reason 255"),
        ("gap", 1, "1 of 2 rows are bottom and gap"),
    ],
)
def test_rows_that_no_result_has_are_refused(field: str, code: int, message: str) -> None:
    rows = rows_of("model", "bottom")
    rows[field][1] = code
    with pytest.raises(ArrayError, match=message):
        count_rows(rows)
    monitor = RateMonitor(1.0, 2)
    monitor.update(rows_of("model", "gap", "stale"), 1.0)
    before = monitor.spans(1.0)
    with pytest.raises(ArrayError, match=message):
        monitor.update(rows, 1.0)
    assert monitor.spans(1.0) == before


# |Q|


@given(
    values=st.lists(st.floats(EDGES[0], EDGES[-1], exclude_max=True) | st.just(0.0), min_size=1),
    percent=st.integers(1, 100),
)
def test_percentiles_are_within_their_error(values: list[float], percent: int) -> None:
    q_abs = np.array(values)
    # the definition, in whole numbers: the row at which so many per cent are reached
    exact = np.sort(q_abs)[-(-percent * len(q_abs) // 100) - 1]
    found = QHistogram.of(q_abs).percentile(percent)
    assert found == pytest.approx(exact, rel=RELATIVE_ERROR * (1.0 + 1e-9))
    assert found >= q_abs.min()
    assert (found == 0.0) == (exact == 0.0)


def test_the_error_is_what_the_documents_say() -> None:
    assert pytest.approx(0.0116, abs=5e-5) == RELATIVE_ERROR
    assert (EDGES[0], EDGES[-1]) == pytest.approx((1e-12, 1e6))


def test_percentiles_at_exact_points() -> None:
    histogram = QHistogram.of(np.array([0.0] * 5 + [1.0] * 95))
    assert (histogram.percentile(5), histogram.percentile(6)) == pytest.approx((0.0, 1.0), rel=0.02)
    assert math.isnan(QHistogram().percentile(50))
    assert math.isnan(QHistogram.of(np.array([math.nan, math.inf])).percentile(50))
    # beyond the edges the edge is told, and never less than the minimum
    assert QHistogram.of(np.array([1e-300])).percentile(50) == EDGES[0]
    assert QHistogram.of(np.array([1e300])).percentile(50) == 1e300
    assert QHistogram.of(np.array([1.0, 1e300])).percentile(100) == EDGES[-1]
    for percent in (0, 101):
        with pytest.raises(ConfigError, match=f"percentile {percent}, expected 1 to 100"):
            histogram.percentile(percent)


@given(edge=st.sampled_from(EDGES.tolist()))
def test_a_bin_begins_at_its_edge(edge: float) -> None:
    at, below = (QHistogram.of(np.array([q])).bins for q in (edge, np.nextafter(edge, 0.0)))
    assert np.argmax(at) == np.argmax(below) + 1


# Rates


@given(rows=tables.filter(len), seconds=st.floats(0.1, 1e6))
def test_laws_of_rates(rows: Rows, seconds: float) -> None:
    rates = Rates.of(count_rows(rows), seconds)
    assert rates.accept_rate == pytest.approx(1.0 - rates.bottom_rate, abs=1e-15)
    assert rates.coverage == pytest.approx(rates.accept_rate - rates.gap_rate, abs=1e-15)
    assert rates.serve_rate + rates.reject_rate == pytest.approx(1.0)
    assert 0.0 <= rates.fault_rate <= rates.bottom_rate <= 1.0
    assert 0.0 <= rates.fallback_rate <= rates.serve_rate <= 1.0
    assert rates.rows_per_second == rates.rows / seconds
    assert sum(rates.sources) == pytest.approx(1.0)
    assert sum(rates.reasons) == pytest.approx(1.0)
    assert rates.sources[Source.NONE] == rates.reject_rate
    told = rates.to_dict()
    assert list(told) == list(Rates.names())
    assert repr(Rates.from_dict(dict(reversed(told.items())))) == repr(rates)
    for name, reason in zip(Rates.names()[-len(Reason) :], Reason, strict=True):
        assert name == f"reason_{reason.name.lower()}"
        assert told[name] == np.mean(rows["reason"] == reason)
    known = rows["q_abs"][np.isfinite(rows["q_abs"])]
    if len(known):
        assert known.min() == told["q_abs_min"] <= told["q_abs_p01"]
        assert told["q_abs_p01"] <= told["q_abs_p05"] <= told["q_abs_p50"]


def test_coverage_is_one_quotient() -> None:
    """So that it is at a bound of 0.9 where 90 of 100 rows are covered: 1 - 0.05 - 0.05 is less."""
    rows = rows_of(*["bottom"] * 5, *["gap"] * 5, *["model"] * 90)
    assert Rates.of(count_rows(rows), 1.0).coverage == 0.9


def test_rates_of_nothing_are_unknown_and_not_0() -> None:
    rates = Rates.of(RowCounts(), 0.0).to_dict()
    assert rates.pop("rows") == 0.0
    assert all(math.isnan(value) for value in rates.values())


def test_a_smallest_q_that_nobody_told_is_unknown() -> None:
    assert math.isnan(Rates.of(count_rows(rows_of("model", q_abs=math.nan)), 1.0).q_abs_min)
    assert Rates.of(count_rows(table([("model", math.nan), ("gap", 0.25)])), 1.0).q_abs_min == 0.25


# Spans


@given(
    batches=st.lists(tables, max_size=8),
    waits=st.lists(st.floats(0.0, 0.7) | st.just(-2.0), min_size=9, max_size=9),
    window=st.sampled_from([0.5, 1.0, 100.0]),
    window_rows=st.integers(1, 40),
)
def test_every_span_is_a_function_of_the_rows(
    batches: list[Rows], waits: list[float], window: float, window_rows: int
) -> None:
    """Whoever has the rows counts the same, wherever batches end and even if the clock jumps."""
    monitor, now = RateMonitor(window, window_rows), 50.0
    for batch, wait in zip(batches, waits, strict=False):
        monitor.update(batch, now)
        now += wait
    rows, spans = total(batches), monitor.spans(now)
    assert spans["all"].counts == count_rows(rows)
    assert spans["last"].counts == count_rows(rows[-window_rows:])
    recent = spans["window"].counts
    assert recent == count_rows(rows[len(rows) - recent.rows :])
    # a look changes nothing
    assert monitor.spans(now) == spans
    assert list(monitor.rates(now)) == ["all", "window", "last"]


@given(
    times=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=50).map(sorted),
    window=st.sampled_from([0.1, 1.0, 7.3, 60.0]),
    later=st.floats(0.0, 20.0),
)
def test_the_window_is_kept_to_a_hundredth(times: list[float], window: float, later: float) -> None:
    monitor, start = RateMonitor(window, 10), 1000.0
    for time in times:
        monitor.update(rows_of("model"), start + time)
    now = start + times[-1] + later
    rows = monitor.rates(now)["window"].rows
    slack = 1.001 * window / SLICES
    surely = sum(start + time > now - window + slack for time in times)
    perhaps = sum(start + time > now - window - slack for time in times)
    assert surely <= rows <= perhaps


def test_the_last_rows_are_the_last_whatever_came_before() -> None:
    monitor = RateMonitor(1.0, 3)
    monitor.update(rows_of("bottom", "bottom", "model", "gap", "stale"), 1.0)
    monitor.update(rows_of("failed"), 1.0)
    assert monitor.spans(1.0)["last"].counts == count_rows(rows_of("gap", "stale", "failed"))


def test_a_window_holds_more_updates_than_slices() -> None:
    monitor = RateMonitor(1.0, 3)
    for i in range(5 * SLICES):
        monitor.update(rows_of("model"), 10.0 + i * 1e-3)
    assert monitor.rates(10.5)["window"].rows == 5 * SLICES


def test_memory_does_not_grow_with_time_or_rate() -> None:
    monitor, batch = RateMonitor(1.0, 1000), np.tile(rows_of("model", "bottom", "gap"), 300)

    def used(updates: int, rows: Rows, rate: float, start: float) -> int:
        for i in range(updates):
            monitor.update(rows, start + i / rate)
        monitor.rates(start + updates / rate)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        # until every slice is there
        full = used(1_000, batch[:1], 1e2, 1.0)
        for updates, rows, rate, start in (
            (20_000, batch[:1], 1e3, 20.0),
            (1_000, batch, 1e4, 50.0),
            (200, batch, 1.0, 60.0),
        ):
            assert used(updates, rows, rate, start) < 1.1 * full
    finally:
        tracemalloc.stop()
    monitor.update(batch, 300.0)
    rates = monitor.rates(300.0)
    assert rates["all"].rows == 21_000 + 1_201 * 900
    assert rates["last"].rows == 1000
    assert rates["window"].rows == rates["window"].rows_per_second == 900
    assert monitor.rates(FOREVER)["window"].rows == 0


def test_rows_per_second() -> None:
    monitor = RateMonitor(window=10.0, window_rows=4)
    for second in range(1, 41):
        monitor.update(rows_of("model", "gap"), float(second))
    rates = monitor.rates(41.0)
    assert (rates["all"].rows, rates["all"].rows_per_second) == (80.0, 2.0)
    assert rates["window"].rows_per_second == pytest.approx(2.0, rel=0.1)
    # 4 rows since second 39
    assert (rates["last"].rows, rates["last"].rows_per_second) == (4.0, 2.0)


def test_reset_forgets_everything() -> None:
    monitor = RateMonitor(1.0, 10)
    monitor.update(rows_of("bottom", "bottom"), 3.0)
    monitor.reset()
    assert repr(monitor.rates(3.5)) == repr(RateMonitor(1.0, 10).rates(3.5))
    monitor.update(rows_of("model", "model"), 4.0)
    assert monitor.rates(5.0)["all"].rows_per_second == 2.0


def test_a_clock_that_has_not_started_does_not_stretch_the_time() -> None:
    monitor = RateMonitor(10.0, 10)
    monitor.update(rows_of("model"), 0.0)
    assert (monitor.rates(0.0)["window"].rows, monitor.silence(0.0)) == (1.0, 0.0)
    monitor.update(rows_of("model"), 1e9)
    spans = monitor.rates(1e9 + 2.0)
    assert (spans["all"].rows, spans["all"].rows_per_second) == (2.0, 1.0)
    assert (spans["window"].rows, spans["last"].rows) == (1.0, 2.0)


def test_a_clock_that_runs_backwards_empties_the_window_and_keeps_distances() -> None:
    monitor = RateMonitor(10.0, 10)
    for second in range(100, 110):
        monitor.update(rows_of("model"), float(second))
    assert monitor.silence(110.0) == 1.0
    spans = monitor.rates(3.0)
    assert (spans["all"].rows, spans["window"].rows, spans["last"].rows) == (10.0, 0.0, 10.0)
    assert spans["all"].rows_per_second == spans["last"].rows_per_second == 1.0
    assert monitor.silence(5.0) == 3.0
    monitor.update(rows_of("model"), 6.0)
    assert monitor.rates(6.0)["window"].rows == 1.0


def test_silence_is_the_time_without_a_row_on_a_clock_that_runs() -> None:
    monitor = RateMonitor(10.0, 10)
    assert [monitor.silence(now) for now in (0.0, 0.0, 1e9, 1e9 + 7.0)] == [0.0, 0.0, 0.0, 7.0]
    # a table without rows is no row
    monitor.update(table([]), 1e9 + 8.0)
    assert monitor.silence(1e9 + 9.0) == 9.0
    monitor.update(rows_of("stale"), 1e9 + 10.0)
    assert [monitor.silence(1e9 + t) for t in (10.0, 10.0, 12.5)] == [0.0, 0.0, 2.5]
    monitor.reset()
    assert monitor.silence(1e9 + 13.0) == 0.5


@given(q_abs=q_values)
def test_any_q_can_be_counted(q_abs: float) -> None:
    assert count_rows(rows_of("bottom", q_abs=q_abs)).q_abs.zero == (q_abs == 0.0)
