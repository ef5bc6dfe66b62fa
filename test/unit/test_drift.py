"""Drift against the validated rates: what raises, when, and what does not."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counted_rows import rows_of
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.errors import ConfigError
from zeroproof_ros.monitor import DriftSettings, DriftTest, ValidatedRates
from zeroproof_ros.monitor.drift import Cusum

BUNDLE = Path(__file__).parents[2] / "config" / "bundles" / "planar_2r"
VALIDATED = ValidatedRates.of(
    json.loads((BUNDLE / "metadata.json").read_text("utf-8"))["deployment"]["validation"]
)
N = VALIDATED.total_predictions
K = round(VALIDATED.bottom_rate * N)
DEFAULT = DriftSettings()

numbers = st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)).map(lambda p: (min(p), max(p)))
settings = st.builds(
    DriftSettings,
    margin=st.floats(0.001, 0.5),
    burst=st.integers(0, 1000),
    false_alarm=st.floats(1e-12, 0.1),
)
booleans = st.lists(st.booleans(), max_size=60).map(lambda x: np.array(x, dtype=bool))


def cusum(**changes: Any) -> Cusum:
    """The test of the shipped bundle's bottom rate."""
    return Cusum((K, N), DriftSettings(**changes))


def rows_until_raised(stream: Cusum, rows: np.ndarray) -> int:
    """How many rows it takes, one by one; all of them where it does not raise."""
    for i in range(len(rows)):
        stream.update(rows[i : i + 1])
        if stream.raised:
            return i + 1
    pytest.fail(f"not raised by {len(rows)} rows")


# The statistic


@given(validated=numbers, chosen=settings)
def test_every_validated_rate_makes_a_test(validated: tuple[int, int], chosen: Any) -> None:
    stream = Cusum(validated, chosen)
    assert 0.0 < stream.p0 < stream.p1 < 1.0
    assert stream.p1 <= stream.p0 + chosen.margin
    assert 0.0 < stream.threshold < math.inf
    # the likelihood ratios have mean 1 at p0 or less, on which every bound rests
    up, down = stream._up / 2**32, stream._down / 2**32
    assert stream.p0 * math.exp(up) + (1.0 - stream.p0) * math.exp(down) <= 1.0 + 1e-15
    assert down < 0.0 < up


@given(validated=numbers, x=st.lists(booleans, max_size=5))
def test_the_statistic_is_pages_and_does_not_depend_on_batches(
    validated: tuple[int, int], x: list[np.ndarray]
) -> None:
    chosen = DriftSettings(margin=0.1, burst=3, false_alarm=0.05)
    whole, parts, one_by_one = (Cusum(validated, chosen) for _ in range(3))
    s, h, raised = 0.0, whole.threshold, False
    rows = np.concatenate([np.zeros(0, dtype=bool), *x])
    for row in rows:
        ratio = (whole.p1 / whole.p0) if row else (1.0 - whole.p1) / (1.0 - whole.p0)
        s = min(h, max(0.0, s + math.log(ratio)))
        one_by_one.update(np.array([row]))
        raised = one_by_one.raised
        assert one_by_one.evidence == pytest.approx(s, abs=1e-6)
    whole.update(rows)
    for part in x:
        parts.update(part)
    for stream in (whole, parts):
        assert stream.evidence == one_by_one.evidence
        assert (stream.rows, stream.hits) == (one_by_one.rows, one_by_one.hits)
        assert stream.raised == raised


def test_it_raises_at_the_threshold_and_clears_at_0() -> None:
    stream = cusum()
    stream.update(np.ones(10_000, dtype=bool))
    assert stream.evidence == pytest.approx(stream.threshold)
    assert (stream.raised, stream.rows, stream.hits) == (True, 10_000, 10_000)
    # it does not remember more than the threshold, so it can come down again
    needed = math.ceil(stream.threshold / -math.log((1 - stream.p1) / (1 - stream.p0)))
    stream.update(np.zeros(needed - 1, dtype=bool))
    assert stream.raised
    stream.update(np.zeros(1, dtype=bool))
    assert (stream.raised, stream.evidence, stream.rows, stream.hits) == (False, 0.0, 0, 0)


@given(chosen=settings, validated=numbers)
def test_a_burst_alone_never_raises_and_more_than_it_does(
    chosen: Any, validated: tuple[int, int]
) -> None:
    stream = Cusum(validated, chosen)
    stream.update(np.ones(chosen.burst, dtype=bool))
    assert not stream.raised
    up = math.log(stream.p1 / stream.p0)
    # weights are whole numbers, rounded down
    more = 1.001 * math.log(1.0 / chosen.false_alarm) / up
    stream.update(np.ones(math.ceil(more + 0.001 * chosen.burst), dtype=bool))
    assert stream.raised


# What it is for


def test_noise_at_the_validated_rate_does_not_raise() -> None:
    rng, stream = np.random.default_rng(0), cusum()
    highest = 0.0
    for _ in range(2000):
        stream.update(rng.random(500) < stream.p0)
        highest = max(highest, stream.evidence)
        assert not stream.raised
    # S >= x at no more than a share e^-x of the rows
    assert highest < math.log(1e6)


@pytest.mark.parametrize("false_alarm", [1e-2, 1e-3])
def test_false_alarms_are_fewer_than_promised(false_alarm: float) -> None:
    """With no allowance for bursts, so that there are any."""
    rng, alarms, rows = np.random.default_rng(1), 0, 400_000
    stream = cusum(burst=0, false_alarm=false_alarm)
    for x in np.split(rng.random(rows) < stream.p0, rows // 100):
        stream.update(x)
        if stream.raised:
            alarms, stream = alarms + 1, cusum(burst=0, false_alarm=false_alarm)
    assert 0 < alarms < false_alarm * rows


def test_bursts_in_noise_do_not_raise() -> None:
    rng, stream = np.random.default_rng(2), cusum()
    for _ in range(200):
        # as many good rows as it takes for the evidence of a burst to be gone
        stream.update(rng.random(8000) < stream.p0)
        stream.update(np.ones(DEFAULT.burst, dtype=bool))
        assert not stream.raised
        assert stream.evidence > DEFAULT.burst


@pytest.mark.parametrize(
    ("rise", "median"), [(0.05, 6800), (0.10, 1570), (0.20, 617), (0.5 - 0.0166, 228)]
)
def test_a_rise_is_found_within_the_delay_of_the_documents(rise: float, median: int) -> None:
    rng, p0 = np.random.default_rng(3), cusum().p0
    runs = [rows_until_raised(cusum(), rng.random(30_000) < p0 + rise) for _ in range(15)]
    assert np.median(runs) == pytest.approx(median, rel=0.1)


def test_a_slow_slide_raises_long_before_its_end() -> None:
    """Coverage from 100 % to 5 % over 20000 rows: each batch hardly differs from the last."""
    rng = np.random.default_rng(4)
    slide = rng.random(20_000) < np.linspace(0.0, 0.95, 20_000)
    assert rows_until_raised(cusum(), slide) == pytest.approx(3100, abs=400)


def test_nearly_nothing_and_nearly_everything_as_validated_rates() -> None:
    never, always = Cusum((0, 1000), DEFAULT), Cusum((1000, 1000), DEFAULT)
    assert (never.p0, always.p0) == (1 / 1002, 1001 / 1002)
    assert always.p1 == pytest.approx(2003 / 2004)
    never.update(np.arange(5_000) % 3 == 0)
    assert never.raised
    always.update(np.ones(100_000, dtype=bool))
    # a rise from nearly 1 is small evidence per row, and there is no more to find
    assert always.evidence == pytest.approx(always.threshold)


# Rows


def test_rows_that_no_model_has_seen_tell_nothing() -> None:
    drift = DriftTest(VALIDATED, DEFAULT)
    drift.update(rows_of(*["bad", "stale"] * 500))
    assert [stream.evidence for stream in drift.streams.values()] == [0.0, 0.0]
    drift.update(rows_of("bottom", "stale", "model", "bad"))
    assert [(s.hits, s.rows) for s in drift.streams.values()] == [(1, 2), (1, 2)]


def test_bottom_and_uncovered_are_judged_apart() -> None:
    drift = DriftTest(VALIDATED, DEFAULT)
    drift.update(rows_of(*["gap", "risky", "model"] * 300))
    bottom, uncovered = drift.streams["bottom"], drift.streams["uncovered"]
    assert (bottom.raised, uncovered.raised, drift.raised) == (False, True, True)
    assert bottom.p0 == (K + 1) / (N + 2)
    assert uncovered.p0 == pytest.approx(
        1.0 - VALIDATED.coverage, rel=0.01
    )  # the rule of succession moves it a little


def test_without_validated_rates_nothing_is_judged() -> None:
    drift = DriftTest(None, DEFAULT)
    drift.update(rows_of(*["bottom"] * 10_000))
    assert (drift.raised, drift.streams) == (False, {})


# Validated rates

GOOD = {"coverage": 0.9, "bottom_rate": 0.06, "gap_rate": 0.04, "total_predictions": 50}


def test_validated_rates_are_read() -> None:
    assert ValidatedRates.of({"rates": GOOD | {"more": 1}}) == ValidatedRates(0.9, 0.06, 0.04, 50)


@pytest.mark.parametrize("validation", [{}, {"rates": None}, {"rates": {}}, {"rates": [GOOD]}])
def test_a_bundle_without_validated_rates_says_so(validation: Any) -> None:
    with pytest.raises(ConfigError, match="the bundle has no validated rates"):
        ValidatedRates.of(validation)


@pytest.mark.parametrize(
    "changes",
    [
        {"coverage": math.nan},
        {"coverage": "0.9"},
        {"coverage": True, "bottom_rate": 0, "gap_rate": 0},
        {"coverage": 0.91},
        {"bottom_rate": -0.06, "coverage": 1.02},
        {"gap_rate": None},
        {"gap_rate": math.inf},
        {"total_predictions": 0},
        {"total_predictions": 50.0},
        {"total_predictions": True},
        {"total_predictions": math.nan},
    ],
)
def test_numbers_that_can_not_be_rates_are_refused(changes: Any) -> None:
    with pytest.raises(ConfigError, match="expected shares that are 1 together") as caught:
        ValidatedRates.of({"rates": GOOD | changes})
    assert caught.value.found
