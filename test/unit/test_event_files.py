"""Event files: rotated by size, read back in order, and whole after every kind of accident."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.errors import ConfigError, EventFileError
from zeroproof_ros.monitor import JsonlLogger, event_line, read_events

ROOT = Path(__file__).parents[2]


def numbered(count: int, text: str = "") -> list[dict[str, object]]:
    return [{"event": "some", "number": i, "text": text} for i in range(count)]


@given(
    texts=st.lists(st.text(max_size=40), min_size=1, max_size=30),
    max_bytes=st.integers(1, 400),
    max_files=st.integers(2, 5),
)
def test_rotation_keeps_the_latest_lines_whole_and_in_order(
    texts: list[str], max_bytes: int, max_files: int
) -> None:
    events = [{"event": "some", "text": text} for text in texts]
    # the rule, written once more: a file takes lines for as long as they fit
    files: list[list[str]] = [[]]
    for event in events:
        line = event_line(event) + "\n"
        if files[-1] and sum(map(len, files[-1])) + len(line) > max_bytes:
            files.append([])
        files[-1].append(line)
    kept = files[-max_files:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        log = JsonlLogger(path, max_bytes=max_bytes, max_files=max_files)
        for event in events:
            log(event)
        names = [path, *(path.with_name(f"events.jsonl.{i}") for i in range(1, len(kept)))]
        assert sorted(Path(folder).iterdir()) == sorted(names)
        for name, lines in zip(names, reversed(kept), strict=True):
            assert name.read_text("utf-8") == "".join(lines)
        history = read_events(path)
    assert [event_line(e) + "\n" for e in history.events] == [line for f in kept for line in f]
    assert history.torn == 0


def test_without_a_bound_there_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = JsonlLogger(path)
    for event in numbered(100, "x" * 1000):
        log(event)
    assert list(tmp_path.iterdir()) == [path]
    assert len(read_events(path).events) == 100


@given(cut=st.integers(0, 200), again=st.booleans())
def test_a_line_that_was_cut_off_costs_no_other(cut: int, again: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        for event in numbered(3):
            JsonlLogger(path)(event)
        data = path.read_bytes()[:cut]
        path.write_bytes(data)
        # a line without its end is whole all the same, if nothing else is missing
        whole = [e for e in numbered(3) if event_line(e).encode() in data.split(b"\n")]
        torn = sum(bool(line) for line in data.split(b"\n")) - len(whole)
        if again:
            JsonlLogger(path)({"event": "next"})
            whole.append({"event": "next"})
        history = read_events(path)
    assert list(history.events) == whole
    assert history.torn == torn


WRITER = """
import itertools, sys
from zeroproof_ros.monitor import JsonlLogger
log = JsonlLogger(sys.argv[1], max_bytes=20_000, max_files=1000)
for number in itertools.count(int(sys.argv[2])):
    log({"event": "some", "number": number, "text": "x" * (number % 500)})
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    acknowledged: list[int] = []
    for run in range(12):
        start = 100_000 * run
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(start)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert writer.stdout is not None
        for _ in range(37 * run + 1):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        last = int(rest.splitlines()[-1]) if rest.endswith("\n") else start + 37 * run
        acknowledged += range(start, last + 1)
        history = read_events(path)
        found = [event["number"] for event in history.events]
        # in order, without doubles; the one that was not acknowledged may be there
        assert found == sorted(set(found))
        assert set(acknowledged) <= set(found)
        assert len(found) <= len(acknowledged) + run + 1
        assert history.torn <= run + 1
    assert len(list(tmp_path.iterdir())) > 3


def test_writers_at_the_same_time_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    together = threading.Barrier(4)

    def write(writer: int) -> None:
        log = JsonlLogger(path)
        together.wait()
        for number in range(300):
            log({"event": "some", "number": (writer, number)})

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = read_events(path)
    assert history.torn == 0
    numbers = [tuple(event["number"]) for event in history.events]
    assert sorted(numbers) == [(writer, number) for writer in range(4) for number in range(300)]


FULL_DISK = """
import resource, sys
from datetime import datetime, timezone
from zeroproof_ros.monitor import EventLog, JsonlLogger
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
log = EventLog(
    "/node",
    JsonlLogger(sys.argv[1]),
    stamp=lambda: 7,
    wall_time=lambda: datetime(2026, 1, 2, tzinfo=timezone.utc),
    complain=print,
)
log.begin()
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
for _ in range(10):
    log("reset")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log("reset")
print(log.lost)
"""


def test_a_full_disk_tears_one_line_and_what_is_lost_is_told_later(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    *complaints, lost = done.stdout.splitlines()
    assert len(complaints) == int(lost) > 5
    assert complaints[0].startswith("event reset is lost: only ")
    assert all(line.startswith("event reset is lost: [Errno 27] ") for line in complaints[1:])
    history = read_events(path)
    assert history.torn == 1
    events = history.events
    assert [event["seq"] for event in events] == [*range(1, 12 - int(lost)), 12]
    assert [event["lost"] for event in events] == [0] * (len(events) - 1) + [int(lost)]


def test_a_disk_without_space_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="No space left"):
        JsonlLogger("/dev/full")({"event": "some"})


def test_a_file_that_is_renamed_while_it_is_read_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for event in numbered(3):
        JsonlLogger(path)(event)
    # as a reader finds it that opens the file just before, and its new name just after
    os.link(path, tmp_path / "events.jsonl.1")
    assert list(read_events(path).events) == numbered(3)


def test_other_files_beside_it_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    JsonlLogger(path)({"event": "some"})
    for name in ("events.jsonl.gz", "events.jsonl.01", "events.jsonl.1.bak", "eventsxjsonl"):
        (tmp_path / name).write_text("{}\n")
    assert read_events(path) == read_events(str(path))
    assert len(read_events(path).events) == 1


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("# Events\n\nThere are none.\n", 2),
        ('{"name": "other"}\n{"name": "other"}\n', 2),
        ('[{"event": "some"}]\n', 1),
        ('{"event": 3}', 1),
        ("\0" * 80, 1),
        ("[" * 100_000, 1),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, lines: int) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(
        EventFileError, match=f"notes.txt is no file of events: {lines} lines, of which none"
    ) as caught:
        read_events(path)
    assert (caught.value.found, caught.value.path) == (lines, path)


def test_strange_lines_among_events_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'\xff\xfe\n{"event": "some"}\n\0\0\0\n{"event": "so\n\n{"a": 1}\n')
    history = read_events(path)
    assert list(history.events) == [{"event": "some"}]
    assert history.torn == 4


def test_files_that_can_not_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="there is no file of events .*; is the parameter"):
        read_events(tmp_path / "events.jsonl")
    with pytest.raises(EventFileError, match="can not be read: .*No such file") as caught:
        read_events(tmp_path / "nowhere" / "events.jsonl")
    assert caught.value.path == tmp_path / "nowhere" / "events.jsonl"
    (tmp_path / "folder").mkdir()
    with pytest.raises(EventFileError, match="can not be read: .*directory"):
        read_events(tmp_path / "folder")


@pytest.mark.parametrize("bounds", [{"max_bytes": 0}, {"max_files": 1}])
def test_bounds_that_hold_no_event_are_refused(tmp_path: Path, bounds: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected at least 1 and 2"):
        JsonlLogger(tmp_path / "events.jsonl", **bounds)
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == "[]"
