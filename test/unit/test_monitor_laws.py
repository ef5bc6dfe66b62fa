"""Latency and events: what holds whatever was measured or told."""

from __future__ import annotations

import json
import math
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
from zeroproof_ros.monitor import JsonlLogger, LatencyWindow, Rates, RowCounts, event_line

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
    event = strictly(event_line(Rates.of(RowCounts(), 0.0).to_dict()))
    assert event == dict.fromkeys(Rates.names()) | {"rows": 0.0}


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
