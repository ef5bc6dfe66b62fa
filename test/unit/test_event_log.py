"""What the monitor tells: events by their schema, runs told apart, bottom rows, the state."""

from __future__ import annotations

import json
import math
import shutil
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.errors import EventFileError, StateFileError
from zeroproof_ros.monitor import (
    BottomRows,
    EventLog,
    JsonlLogger,
    LastBatches,
    read_events,
    write_state,
)
from zeroproof_ros.monitor.state import BATCHES
from zeroproof_ros.pipeline import TableLayout

SCHEMA = json.loads(files("zeroproof_ros.monitor").joinpath("event.schema.json").read_text())
VALID = jsonschema.Draft202012Validator(SCHEMA)
LAYOUT = TableLayout(("theta1", "dx"), ("dq1",))
WALL = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=1)))


def log_to(path: Path | None, complaints: list[str] | None = None) -> EventLog:
    return EventLog(
        "/robot/monitor",
        path and JsonlLogger(path),
        stamp=lambda: 7,
        wall_time=lambda: WALL,
        complain=(complaints if complaints is not None else []).append,
    )


def names(path: Path) -> list[str]:
    return [event["event"] for event in read_events(path).events]


def test_an_event_says_when_where_and_in_which_run(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = log_to(path)
    log.begin()
    log("reset")
    first, second = read_events(path).events
    for event in (first, second):
        VALID.validate(event)
        assert event["stamp_ns"] == 7
        assert event["wall_time"] == "2026-01-02T02:04:05.678Z"
        assert event["node"] == "/robot/monitor"
        assert event["run"] == first["run"]
    assert (first["seq"], second["seq"]) == (1, 2)


def test_a_run_that_did_not_end_is_told_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for end in ("stopped", "reset"):
        log = log_to(path)
        log.begin()
        log(end)
    log_to(path).begin()
    events = read_events(path).events
    assert names(path) == ["started", "stopped", "started", "reset", "restarted"]
    assert len({event["run"] for event in events}) == 3
    VALID.validate(events[-1])
    for key in ("event", "run", "stamp_ns", "wall_time"):
        assert events[-1][f"last_{key}"] == events[-2][key]


@pytest.mark.parametrize("spoil", ["torn", "rotated away", "long"])
def test_the_last_event_is_found(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "events.jsonl"
    log = log_to(path)
    log.begin()
    if spoil == "long":
        JsonlLogger(path)({"event": "state", "text": "x" * 3_000_000})
        log("reset")
    elif spoil == "torn":
        with path.open("a") as file:
            file.write('{"event": "stop')
    else:
        path.rename(tmp_path / "events.jsonl.1")
    log_to(path).begin()
    assert names(path)[-1] == "restarted"
    assert read_events(path).events[-1]["last_event"] == ("reset" if spoil == "long" else "started")


def test_the_first_line_that_was_torn_is_no_run(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "sta')
    log_to(path).begin()
    assert names(path) == ["started"]
    assert read_events(path).torn == 1


def test_a_last_line_without_bounds_is_not_taken_for_something_else(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    JsonlLogger(path)({"event": "state", "text": "x" * 3_000_000})
    log_to(path).begin()
    assert names(path) == ["state", "started"]


def test_a_file_of_something_else_is_not_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("# Notes\n")
    with pytest.raises(EventFileError, match="is no file of events"):
        log_to(path).begin()
    assert path.read_text() == "# Notes\n"


def test_what_is_lost_is_counted_and_told(tmp_path: Path) -> None:
    path = tmp_path / "log" / "events.jsonl"
    complaints: list[str] = []
    log = log_to(path, complaints)
    log.begin()
    shutil.rmtree(tmp_path / "log")
    log("reset")
    log("clock_jump")
    assert log.lost == len(complaints) == 2
    assert complaints[1].startswith("event clock_jump is lost: [Errno 2]")
    path.parent.mkdir()
    log("reset")
    (event,) = read_events(path).events
    VALID.validate(event)
    assert (event["seq"], event["lost"]) == (4, 2)


def test_without_a_file_nothing_is_lost() -> None:
    log = log_to(None)
    log.begin()
    log("reset")
    assert log.lost == 0


# The schema


def test_every_event_of_the_schema_is_described_and_chosen() -> None:
    events = SCHEMA["$defs"]
    assert [choice["$ref"] for choice in SCHEMA["oneOf"]] == [f"#/$defs/{n}" for n in events]
    for name, event in events.items():
        assert event["properties"]["event"] == {"const": name}
        own = {key: rule for key, rule in event["properties"].items() if key != "event"}
        assert sorted(event.get("required", [])) == sorted(own)
        for rule in [event, *own.values()]:
            assert rule["description"].endswith(".")
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


def test_sources_and_reasons_are_those_of_the_contract() -> None:
    row = SCHEMA["$defs"]["bottom_row"]["properties"]
    for key, codes in (("source", Source), ("reason", Reason)):
        assert row[key]["enum"] == [code.name.lower() for code in codes]


@pytest.mark.parametrize(
    ("event", "content"),
    [
        ("unheard_of", {}),
        ("reset", {"more": 1}),
        ("bottom_rows_not_told", {"count": 1}),
        ("bottom_rows_not_told", {"count": 0, "since_ns": 1}),
        ("bottom_row", {}),
    ],
)
def test_the_schema_refuses_what_it_does_not_list(
    tmp_path: Path, event: str, content: dict[str, Any]
) -> None:
    path = tmp_path / "events.jsonl"
    log_to(path)(event, **content)
    assert not VALID.is_valid(read_events(path).events[0])


# Bottom rows


def rows_of(*bottom: bool) -> np.ndarray:
    rows = np.zeros(len(bottom), LAYOUT.dtype)
    rows["bottom"] = bottom
    rows["in"][:, 0] = np.arange(len(bottom))
    return rows


def test_a_bottom_row_is_told_with_its_inputs(tmp_path: Path) -> None:
    rows = rows_of(False, True, True)
    rows["semantic"][1], rows["q_abs"][1] = 1, 0.001
    rows["source"][1], rows["reason"][1] = Source.ANALYTIC, Reason.BOTTOM
    rows["in"][1] = (0.25, -1.5)
    rows["fault"][2], rows["q_abs"][2], rows["in"][2, 1] = 1, math.nan, math.inf
    rows["source"][2], rows["reason"][2] = Source.NONE, Reason.BAD_INPUT
    path = tmp_path / "events.jsonl"
    log = log_to(path)
    for content in BottomRows(1.0, 10).take(rows, LAYOUT.features, stamp_ns=5, now=0.0):
        log("bottom_row", **content)
    keys = ("row", "inputs", "q_abs", "fault", "semantic", "source", "reason", "target_stamp_ns")
    found = []
    for event in read_events(path).events:
        VALID.validate(event)
        found.append([event[key] for key in keys])
    assert found == [
        [1, {"theta1": 0.25, "dx": -1.5}, 0.001, False, True, "analytic", "bottom", 5],
        [2, {"theta1": 2.0, "dx": None}, None, True, False, "none", "bad_input", 5],
    ]


@given(
    batches=st.lists(
        st.tuples(st.floats(0.0, 3.0), st.lists(st.booleans(), max_size=12)), max_size=30
    ),
    rate=st.floats(0.0, 5.0),
    burst=st.integers(1, 8),
)
def test_every_bottom_row_is_told_or_counted(
    batches: list[tuple[float, list[bool]]], rate: float, burst: int
) -> None:
    limit = BottomRows(rate, burst)
    now, told, counted, stamps = 100.0, 0, 0, []
    for i, (pause, bottom) in enumerate(batches):
        now += pause
        taken = limit.take(rows_of(*bottom), LAYOUT.features, stamp_ns=i, now=now)
        # the first of a table come first
        indices = [j for j, is_bottom in enumerate(bottom) if is_bottom]
        assert [row["row"] for row in taken] == indices[: len(taken)]
        told += len(taken)
        if untold := limit.untold(now):
            counted += untold["count"]
            stamps.append(untold["since_ns"])
            assert limit.untold(now) is None
    # never more than the bucket held and what flowed into it
    assert told <= burst + rate * (now - 100.0) + 1e-6
    rest = limit.untold(math.inf)
    if rest:
        counted += rest["count"]
    assert told + counted == sum(sum(bottom) for _, bottom in batches)
    assert stamps == sorted(set(stamps))


def test_limited_rows_are_told_at_the_end_of_a_second() -> None:
    limit = BottomRows(2.0, 3)
    many = rows_of(*[True] * 10)
    assert len(limit.take(many, LAYOUT.features, stamp_ns=1, now=0.0)) == 3
    assert limit.untold(0.99) is None
    assert len(limit.take(many, LAYOUT.features, stamp_ns=2, now=0.5)) == 1
    assert limit.untold(1.0) == {"count": 16, "since_ns": 1}
    # a clock that ran back fills nothing in
    assert limit.take(many, LAYOUT.features, stamp_ns=3, now=-50.0) == []
    assert len(limit.take(many, LAYOUT.features, stamp_ns=4, now=50.0)) == 3


# The state


def test_the_last_batches_are_a_bounded_ring() -> None:
    batches = LastBatches()
    for i in range(BATCHES + 5):
        rows = rows_of(True, False, False)
        rows["source"] = (Source.NONE, Source.MODEL, Source.ANALYTIC)
        rows["q_abs"] = (math.nan, 0.5, 0.25)
        batches.add(rows, stamp_ns=i)
    lines = batches.lines()
    assert [line["stamp_ns"] for line in lines] == list(range(5, BATCHES + 5))
    assert lines[0] == {
        "stamp_ns": 5,
        "rows": 3,
        "bottom": 1,
        "gap": 0,
        "fault": 0,
        "sources": {"none": 1, "model": 1, "analytic": 1},
        "reasons": {reason.name.lower(): 3 * (reason is Reason.OK) for reason in Reason},
        "q_abs_min": 0.25,
    }
    batches.clear()
    assert batches.lines() == []


def test_a_state_replaces_the_last_one_or_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "state.json"
    write_state(path, {"a": math.nan})
    write_state(str(path), {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert list(path.parent.iterdir()) == [path]
    below = path / "state.json"  # a file is no folder
    with pytest.raises(StateFileError, match="state file .* can not be written") as caught:
        write_state(below, {"a": 3})
    assert caught.value.path == below
    assert json.loads(path.read_text()) == {"a": 2}
    assert list(path.parent.iterdir()) == [path]
