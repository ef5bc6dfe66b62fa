"""monitor_node: rates of what it saw, warnings, services and events."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client import Client
from diagnostic_msgs.msg import DiagnosticArray
from node_process import NodeProcess, Start
from rclpy.qos import QoSReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64MultiArray, Header
from std_srvs.srv import Trigger
from strict_harness import BOTTOM, GAP, GOOD, Serve, rows_of

from zeroproof_ros.messages.diagnostics import OK, WARN, values_from_msg
from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.messages.results import result_to_msg
from zeroproof_ros.monitor import Rates
from zeroproof_ros.nodes import qos
from zeroproof_ros.pipeline import ResultTable


@dataclass
class Monitor:
    """A monitor_node, and what its users see of it."""

    client: Client
    process: NodeProcess
    name: str
    events: Path
    rates: list[Any]
    statuses: list[Any]

    def wait_for_rows(self, rows: int, span: str = "all") -> dict[str, Rates]:
        self.rates.clear()
        self.client.wait(
            lambda: self.rates and rates_from_msg(self.rates[-1])[span].rows == rows,
            f"rates of {rows} rows",
        )
        return rates_from_msg(self.rates[-1])

    def wait_for_status(self, level: int, words: str) -> dict[str, str]:
        self.statuses.clear()
        self.client.wait(
            lambda: any(s.level[0] == level and words in s.message for s in self.statuses),
            f"a status of level {level} with {words!r}",
        )
        return values_from_msg(self.statuses[-1])

    def trigger(self, service: str) -> Any:
        return self.client.call(Trigger, f"/{self.name}/{service}")

    def event_names(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.events.read_text().splitlines()]


def start_monitor(
    client: Client, start: Start, name: str, results: str, events: Path, **parameters: Any
) -> Monitor:
    process = start(
        "monitor_node",
        *("-r", f"__node:={name}", "-r", f"~/result:={results}"),
        rate=20,
        event_file=str(events),
        **parameters,
    )
    monitor = Monitor(
        client, process, name, events, client.collect(Float64MultiArray, f"/{name}/rates"), []
    )

    def on_status(message: Any) -> None:
        monitor.statuses += [s for s in message.status if s.name == f"{name}: rates"]

    client.node.create_subscription(DiagnosticArray, "/diagnostics", on_status, 1000)
    return monitor


@pytest.fixture
def monitor(client: Client, start: Start, tmp_path: Path) -> Monitor:
    return start_monitor(
        client, start, "watcher", "/watched", tmp_path / "log" / "events.jsonl", window=60.0
    )


@pytest.fixture
def tables(solver: Any) -> list[ResultTable]:
    """All sorts of rows: served by either, rejected, bad."""
    bad = (np.nan, *GOOD[1:])
    return [
        solver().solve(rows_of(GOOD, GOOD, BOTTOM, GAP)),
        solver(bottom_policy="reject").solve(rows_of(GOOD, BOTTOM, GAP, bad)),
        solver(gap_policy="accept").solve(rows_of(GAP, GAP, GAP)),
    ]


def recount(rows: np.ndarray) -> dict[str, float]:
    """The rates by their definitions, all but the rows per second."""
    bottom, gap, source = rows["bottom"] == 1, rows["gap"] == 1, rows["source"]
    return {
        "rows": len(rows),
        "bottom_rate": bottom.mean(),
        "gap_rate": gap.mean(),
        "fault_rate": (rows["fault"] == 1).mean(),
        "accept_rate": (~bottom).mean(),
        "coverage": (~bottom & ~gap).mean(),
        "fallback_rate": (source == 2).mean(),
        "reject_rate": (source == 0).mean(),
        "serve_rate": (source != 0).mean(),
        "q_abs_min": np.nanmin(rows["q_abs"]),
    }


def test_rates_are_an_exact_recount_and_reset_forgets(
    monitor: Monitor, tables: list[ResultTable]
) -> None:
    publisher = monitor.client.publisher(PointCloud2, "/watched")
    monitor.wait_for_status(OK, "no rows in the last 60 s")
    for table in tables:
        publisher.publish(result_to_msg(table, Header()))
    rows = np.concatenate([table.rows for table in tables])
    spans = monitor.wait_for_rows(len(rows))
    assert list(spans) == ["all", "window"]
    for rates in spans.values():
        for name, value in recount(rows).items():
            assert getattr(rates, name) == pytest.approx(value, rel=1e-15), name
        assert rates.rows_per_second > 0
    values = monitor.wait_for_status(WARN, "coverage 0.2727 is below 0.9; gap rate")
    assert float(values["all_coverage"]) == pytest.approx(3 / 11, rel=1e-5)

    # an export is the state as JSON, in the answer and as an event
    answer = monitor.trigger("export_state")
    assert answer.success
    state = json.loads(answer.message)
    assert state["event"] == "state"
    assert state["all"]["coverage"] == pytest.approx(3 / 11)
    assert monitor.events.read_text().splitlines()[-1] == answer.message

    answer = monitor.trigger("reset")
    assert (answer.success, answer.message) == (True, "counts are 0")
    spans = monitor.wait_for_rows(0)
    assert all(np.isnan(value) for rates in spans.values() for value in astuple(rates)[1:])
    monitor.wait_for_status(OK, "no rows")
    # a share that is not known is null in JSON
    assert json.loads(monitor.trigger("export_state").message)["all"]["coverage"] is None

    publisher.publish(result_to_msg(tables[2], Header()))
    assert monitor.wait_for_rows(3)["all"].gap_rate == 1.0
    monitor.wait_for_status(WARN, "gap rate 1.0000 is above 0.05")
    assert monitor.event_names() == [
        "started",
        "level",
        "state",
        "reset",
        "level",
        "state",
        "level",
    ]
    for line in monitor.events.read_text().splitlines():
        event = json.loads(line, parse_constant=pytest.fail)
        assert event["schema_name"] == "zeroproof_ros_event"
        assert event["schema_version"] == 1
        assert event["stamp_ns"] > 10**18


def test_what_can_not_be_read_or_does_not_come_is_a_warning(
    monitor: Monitor, tables: list[ResultTable]
) -> None:
    publisher = monitor.client.publisher(PointCloud2, "/watched")
    good = result_to_msg(tables[0], Header())
    publisher.publish(good)
    monitor.wait_for_rows(4)

    def spoiled(**changes: Any) -> PointCloud2:
        message = result_to_msg(tables[0], Header())
        message.fields = list(message.fields)
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    bad = [
        PointCloud2(),
        PointCloud2(width=2**32 - 1, height=2**32 - 1),
        PointCloud2(width=2, height=1, point_step=4, row_step=8, data=bytes(8)),
        spoiled(fields=good.fields[:-1]),
        spoiled(fields=good.fields[::-1]),
        spoiled(fields=[*good.fields, good.fields[0]]),
        spoiled(data=good.data[:-1]),
        spoiled(is_bigendian=True),
        spoiled(point_step=good.point_step + 8),
    ]
    for message in bad:
        publisher.publish(message)
    monitor.client.wait(
        lambda: (
            monitor.statuses
            and values_from_msg(monitor.statuses[-1])["results_unreadable"] == str(len(bad))
        ),
        "the count of unreadable results",
    )
    assert any("since the last report are unreadable" in s.message for s in monitor.statuses)
    assert "result not counted: not a " in monitor.process.output
    # counted once, said once; the rows before and after are counted
    publisher.publish(good)
    monitor.wait_for_rows(8)

    profile = qos.reliable(1)
    profile.reliability = QoSReliabilityPolicy.BEST_EFFORT
    deaf = monitor.client.node.create_publisher(PointCloud2, "/watched", profile)
    values = monitor.wait_for_status(WARN, "1 result publishers have incompatible QoS")
    assert values["incompatible_qos"] == "1"
    monitor.client.node.destroy_publisher(deaf)
    assert monitor.trigger("reset").success
    values = monitor.wait_for_status(OK, "no rows")
    assert (values["incompatible_qos"], values["results_unreadable"]) == ("0", "0")


def test_it_watches_a_strict_ik_node(
    client: Client, start: Start, serve: Serve, tmp_path: Path
) -> None:
    node = serve(target_type="multi_array", command_type="multi_array", bottom_policy="reject")
    results = f"/{node.name}/result"
    monitor = start_monitor(client, start, "beside", results, tmp_path / "events", window=0.5)
    while not monitor.rates or not rates_from_msg(monitor.rates[-1])["all"].rows:
        node.sync()
    # found: from here on both see the same
    assert monitor.trigger("reset").success
    before = len(node.results)
    for _ in range(20):
        node.publisher.publish(node.target(GOOD, BOTTOM, GAP))
    node.wait(lambda: len(node.results) == before + 20, "the results")
    rates = monitor.wait_for_rows(60)["all"]
    expected = recount(np.concatenate([table.rows for table in node.results[before:]]))
    assert {name: getattr(rates, name) for name in expected} == pytest.approx(expected, rel=1e-15)
    # the window forgets
    spans = monitor.wait_for_rows(0, "window")
    assert spans["all"].rows == 60
    # with the window empty there is nothing to warn of
    monitor.wait_for_status(OK, "no rows in the last 0.5 s")


def test_a_lost_event_file_does_not_end_it(client: Client, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    monitor = start_monitor(client, start, "unlucky", "/none", folder / "events.jsonl")
    client.wait(lambda: monitor.rates, "rates")
    monitor.events.unlink()
    folder.rmdir()
    answer = monitor.trigger("export_state")
    assert answer.success
    assert json.loads(answer.message)["event"] == "state"
    client.wait(lambda: "event state is lost: " in monitor.process.output, "the log")
