"""What monitor_node writes down: events by their schema, over crashes, and its state."""

from __future__ import annotations

import json
import re
import signal
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from client import Client
from diagnostic_msgs.msg import DiagnosticArray
from node_process import ROOT, NodeProcess, Start
from std_srvs.srv import Trigger
from strict_harness import BOTTOM, BUNDLE, FEATURES, GOOD, Serve, StrictHarness

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.monitor import read_events

VALID = jsonschema.Draft202012Validator(
    json.loads(files("zeroproof_ros.monitor").joinpath("event.schema.json").read_text())
)


class Recorder:
    """A monitor_node beside a strict_ik_node, its events and what diagnostics say."""

    def __init__(self, client: Client, node: StrictHarness | None, process: NodeProcess) -> None:
        self.client, self.node, self.process = client, node, process
        self.statuses: list[Any] = []
        client.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, 1000)

    def _on_status(self, message: Any) -> None:
        self.statuses += message.status

    def status(self, name: str) -> dict[str, str]:
        """The values of a status that comes now."""
        self.statuses.clear()
        self.client.wait(lambda: any(s.name == name for s in self.statuses), name)
        return values_from_msg(next(s for s in self.statuses if s.name == name))

    def wait_for(self, path: Path, *expected: str) -> list[dict[str, Any]]:
        """All events, once the expected ones are among them."""

        def found() -> bool:
            return path.exists() and set(expected) <= {e["event"] for e in read_events(path).events}

        self.client.wait(found, f"events {expected}")
        return list(read_events(path).events)


def record(
    client: Client,
    start: Start,
    name: str,
    node: StrictHarness | None = None,
    **parameters: Any,
) -> Recorder:
    strict = node.name if node else "nobody"
    process = start(
        "monitor_node",
        *("-r", f"__node:={name}", "-r", f"~/result:=/{strict}/result"),
        *("-r", f"~/info:=/{strict}/info"),
        rate=20,
        **parameters,
    )
    return Recorder(client, node, process)


def of(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def test_a_run_is_written_down(client: Client, start: Start, serve: Serve, tmp_path: Path) -> None:
    node = serve(target_type="multi_array", bottom_policy="reject")
    path = tmp_path / "log" / "events.jsonl"
    monitor = record(
        client,
        start,
        "writer",
        node,
        event_file=str(path),
        bottom_rows_per_second=0.0,
        bottom_rows_burst=3,
        alert_hold=0.0,
    )
    first = monitor.wait_for(path, "started", "bundle")
    bundle = load_bundle(BUNDLE)
    (told,) = of(first, "bundle")
    expected = {
        "bundle": bundle.id,
        "digest": bundle.digest,
        "previous_digest": None,
        "tau_infer": 0.02,
        "tau_train": 0.05,
        "providers": ["CPUExecutionProvider"],
    }
    assert expected.items() <= told.items()

    # no more than 3 of them are told, and the others are counted
    for _ in range(30):
        node.publisher.publish(node.target(GOOD, BOTTOM))
    events = monitor.wait_for(path, "bottom_rows_not_told", "alert_raised")
    rows = of(events, "bottom_row")
    assert len(rows) == 3
    assert sum(event["count"] for event in of(events, "bottom_rows_not_told")) == 27
    stamps = [m.header.stamp for m in node.result_messages]
    for row in rows:
        assert row["inputs"] == dict(zip(FEATURES, BOTTOM, strict=True))
        assert row["target_stamp_ns"] in [s.sec * 10**9 + s.nanosec for s in stamps]
        facts = {"row": 1, "q_abs": 0.0, "fault": False, "semantic": True}
        assert (facts | {"source": "none", "reason": "bottom"}).items() <= row.items()
    assert {event["alert"] for event in of(events, "alert_raised")} >= {"reject", "coverage"}

    # the same bundle again is a reload all the same
    assert node.reload().success
    client.wait(
        lambda: len(of(list(read_events(path).events), "bundle")) > 1, "the event of a reload"
    )
    assert of(list(read_events(path).events), "bundle")[1]["previous_digest"] == bundle.digest

    answer = client.call(Trigger, "/writer/export_state")
    assert answer.success
    state = json.loads(answer.message, parse_constant=pytest.fail)
    assert (state["schema_name"], state["schema_version"]) == ("zeroproof_ros_monitor_state", 1)
    assert state["spans"]["all"]["counts"]["bottom"] == 30
    assert state["spans"]["all"]["rates"]["bottom_rate"] == 0.5
    assert state["spans"]["all"]["q_abs"]["zero"] == 30
    assert len(state["batches"]) == 30
    assert state["batches"][0]["sources"] == {"none": 1, "model": 1, "analytic": 0}
    assert {alert["name"]: alert["raised"] for alert in state["alerts"]}["reject"] is True
    assert (state["run"], state["events_lost"]) == ("started", 0)

    assert client.call(Trigger, "/writer/reset").success
    state = json.loads(client.call(Trigger, "/writer/export_state").message)
    assert (state["spans"]["all"]["counts"]["rows"], state["batches"]) == (0, [])

    monitor.process.signal(signal.SIGINT)
    monitor.process.ended_well()
    history = read_events(path)
    for number, event in enumerate(history.events, start=1):
        VALID.validate(event)
        assert (event["seq"], event["lost"], event["node"]) == (number, 0, "/writer")
        assert event["stamp_ns"] > 10**18
    assert len({event["run"] for event in history.events}) == 1
    assert history.torn == 0
    names = [event["event"] for event in history.events]
    assert names[0] == "started"
    assert names[-1] == "stopped"
    assert names.count("state") >= 2
    assert names.index("alert_cleared") < names.index("reset")


def test_a_monitor_that_was_killed_says_that_it_restarted(
    client: Client, start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    first = record(client, start, "killed", event_file=str(path))
    assert first.status("killed: rates")["run"] == "started"
    first.process.expected_code = -signal.SIGKILL
    first.process.signal(signal.SIGKILL)
    first.process.wait()
    last = read_events(path).events[-1]
    with path.open("a") as file:
        file.write('{"event": "torn')

    second = record(client, start, "killed", event_file=str(path))
    events = second.wait_for(path, "restarted")
    (restarted,) = of(events, "restarted")
    VALID.validate(restarted)
    for key in ("event", "run", "stamp_ns", "wall_time"):
        assert restarted[f"last_{key}"] == last[key]
    assert read_events(path).torn == 1
    values = second.status("killed: rates")
    assert values["run"] == "restarted"
    assert last["wall_time"] < values["counted_since"] <= restarted["wall_time"]

    second.process.signal(signal.SIGTERM)
    second.process.ended_well()
    third = record(client, start, "killed", event_file=str(path))
    events = third.wait_for(path, "stopped", "started")
    client.wait(lambda: of(list(read_events(path).events), "started")[1:], "the third run")
    assert [e["event"] for e in read_events(path).events][-2:] == ["stopped", "started"]


def test_files_are_rotated(client: Client, start: Start, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    monitor = record(
        client, start, "turner", event_file=str(path), event_file_bytes=1000, event_files=3
    )
    monitor.wait_for(path, "started")
    for _ in range(15):
        assert client.call(Trigger, "/turner/reset").success
    assert sorted(p.name for p in tmp_path.glob("events*")) == [
        "events.jsonl",
        "events.jsonl.1",
        "events.jsonl.2",
    ]
    history = read_events(path)
    last = [event["seq"] for event in history.events]
    # the client asks again where an answer is late, so there may be more
    assert last == list(range(last[0], last[-1] + 1))
    assert last[0] > 1
    assert last[-1] >= 16


def test_the_state_goes_to_its_file(client: Client, start: Start, tmp_path: Path) -> None:
    path = tmp_path / "state" / "monitor.json"
    events = tmp_path / "events.jsonl"
    monitor = record(client, start, "keeper", state_file=str(path), event_file=str(events))
    monitor.wait_for(events, "started")
    answer = client.call(Trigger, "/keeper/export_state")
    assert (answer.success, answer.message) == (True, str(path))
    state = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    assert state["node"] == "/keeper"
    assert state["spans"]["all"]["rates"]["coverage"] is None
    told = of(monitor.wait_for(events, "state"), "state")[-1]
    VALID.validate(told)
    assert told["state_file"] == str(path)

    path.unlink()
    path.mkdir()
    answer = client.call(Trigger, "/keeper/export_state")
    assert not answer.success
    assert re.fullmatch(r"state file .*monitor\.json can not be written: .*", answer.message)
    assert monitor.process.running
    assert [p.name for p in path.parent.iterdir()] == ["monitor.json"]


def test_a_file_that_holds_something_else_is_not_touched(
    client: Client, start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("# Notes\n")
    monitor = record(client, start, "careful", event_file=str(path))
    monitor.process.expected_code = 1
    monitor.process.ended_well()
    assert "can not start: " in monitor.process.output
    assert "is no file of events: 1 lines, of which none" in monitor.process.output
    assert path.read_text() == "# Notes\n"


def test_each_status_has_one_group_of_the_aggregator(
    client: Client, start: Start, serve: Serve
) -> None:
    node = serve()
    monitor = record(client, start, "grouped", node)
    monitor.status("grouped: rates")
    monitor.status(f"{node.name}: inference")
    names = {s.name for s in monitor.statuses if s.name.startswith(("grouped:", node.name))}
    client.wait(lambda: len(monitor.statuses) > 20, "all statuses")
    names |= {s.name for s in monitor.statuses if s.name.startswith(("grouped:", node.name))}
    groups = yaml.safe_load((ROOT / "config" / "diagnostics.yaml").read_text("utf-8"))
    patterns = [
        pattern
        for group in groups["analyzers"]["ros__parameters"].values()
        if isinstance(group, dict)
        for pattern in group["regex"]
    ]
    assert len(names) > 10
    for name in names:
        # the aggregator matches whole names
        assert sum(bool(re.fullmatch(pattern, name)) for pattern in patterns) == 1, name
