"""monitor_node: rates of what it saw, warnings, services and events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client import Client
from monitor_harness import Monitor, start_monitor
from node_process import Start
from rclpy.qos import QoSReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from strict_harness import BOTTOM, GAP, GOOD, Serve, rows_of

from zeroproof_ros.messages.diagnostics import ERROR, OK, WARN, values_from_msg
from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.messages.results import result_to_msg
from zeroproof_ros.nodes import qos
from zeroproof_ros.pipeline import Reason, ResultTable, Source


@pytest.fixture
def monitor(client: Client, start: Start, tmp_path: Path) -> Monitor:
    return start_monitor(
        client,
        start,
        "watcher",
        "/watched",
        tmp_path / "log" / "events.jsonl",
        window=60.0,
        min_rows=1,
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
    """The rates by their definitions, all but the rows per second and the percentiles of |Q|."""
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
        **{f"source_{s.name.lower()}": (source == s).mean() for s in Source},
        **{f"reason_{r.name.lower()}": (rows["reason"] == r).mean() for r in Reason},
    }


def test_rates_are_an_exact_recount_and_reset_forgets(
    monitor: Monitor, tables: list[ResultTable]
) -> None:
    publisher = monitor.client.publisher(PointCloud2, "/watched/result")
    monitor.wait_for_status("rates", OK, "no rows in the last 60 s")
    for table in tables:
        publisher.publish(result_to_msg(table, Header()))
    rows = np.concatenate([table.rows for table in tables])
    spans = monitor.wait_for_rows(len(rows))
    assert list(spans) == ["all", "window", "last"]
    for rates in spans.values():
        told = rates.to_dict()
        assert told.pop("rows_per_second") > 0
        median = np.nanquantile(rows["q_abs"], 0.5, method="inverted_cdf")
        assert told.pop("q_abs_p50") == pytest.approx(median, rel=0.012)
        assert told.pop("q_abs_p01") <= told.pop("q_abs_p05") <= median
        assert told == recount(rows)
    status = monitor.wait_for_status(
        "rates",
        WARN,
        "coverage: coverage 0.2727 of 11 rows in the last 60 s, at least 0.9 expected",
    )
    assert float(values_from_msg(status)["all_coverage"]) == pytest.approx(3 / 11, rel=1e-5)

    # an export is the state as JSON in the answer, and its rates as an event
    answer = monitor.trigger("export_state")
    assert answer.success
    state = json.loads(answer.message)
    assert state["spans"]["all"]["rates"]["coverage"] == pytest.approx(3 / 11)
    # the client asks again where an answer is late, so there may be more
    *_, told = (event for event in monitor.events() if event["event"] == "state")
    assert told["rates"]["all"] == state["spans"]["all"]["rates"]

    answer = monitor.trigger("reset")
    assert (answer.success, answer.message) == (True, "counts are 0")
    spans = monitor.wait_for_rows(0)
    for rates in spans.values():
        assert all(np.isnan(list(rates.to_dict().values())[1:]))
    monitor.wait_for_status("rates", OK, "no rows")
    # a share that is not known is null in JSON
    state = json.loads(monitor.trigger("export_state").message)
    assert state["spans"]["all"]["rates"]["coverage"] is None

    publisher.publish(result_to_msg(tables[2], Header()))
    assert monitor.wait_for_rows(3)["all"].gap_rate == 1.0
    monitor.wait_for_status("gap", WARN, "gap rate 1.0000 of 3 rows in the last 60 s, at most 0.05")
    # rows without a value come in between
    found = [
        (event["event"], event.get("alert"))
        for event in monitor.events()
        if event["event"] != "bottom_row"
    ]
    first, again = (["coverage", "gap", "bottom", "reject"], ["coverage", "gap"])
    assert found == [
        ("started", None),
        *(("alert_raised", name) for name in first),
        ("state", None),
        *(("alert_cleared", name) for name in first),
        ("reset", None),
        ("state", None),
        *(("alert_raised", name) for name in again),
    ]
    for line in monitor.event_file.read_text().splitlines():
        event = json.loads(line, parse_constant=pytest.fail)
        assert event["schema_name"] == "zeroproof_ros_event"
        assert event["schema_version"] == 1
        assert event["stamp_ns"] > 10**18


def test_what_can_not_be_read_or_does_not_come_is_a_warning(
    monitor: Monitor, tables: list[ResultTable]
) -> None:
    publisher = monitor.client.publisher(PointCloud2, "/watched/result")
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
        # of another schema, with codes that this one does not have
        coded(tables[0], "source", len(Source)),
        coded(tables[0], "reason", 255),
        coded(tables[0], "gap", 1),
    ]
    for message in bad:
        publisher.publish(message)
    monitor.wait_for_value("unreadable", "results_unreadable", str(len(bad)))
    monitor.wait_for_status("unreadable", ERROR, f"{len(bad)} results could not be read, the last ")
    assert "result not counted: not a " in monitor.process.output
    # counted once, said once; the rows before and after are counted
    publisher.publish(good)
    monitor.wait_for_rows(8)

    profile = qos.reliable(1)
    profile.reliability = QoSReliabilityPolicy.BEST_EFFORT
    deaf = monitor.client.node.create_publisher(PointCloud2, "/watched/result", profile)
    status = monitor.wait_for_status(
        "incompatible_qos",
        ERROR,
        "publishers of /watched/result have incompatible QoS, nothing comes from them",
    )
    assert values_from_msg(status)["incompatible_qos"] == "1"
    monitor.client.node.destroy_publisher(deaf)
    monitor.wait_for_status("incompatible_qos", OK, "0 of ")
    assert monitor.trigger("reset").success
    monitor.wait_for_status("unreadable", OK, "0 results could not be read")
    monitor.wait_for_status("rates", OK, "no rows")


def coded(table: ResultTable, field: str, code: int) -> PointCloud2:
    """A result with a code in its second row, which is bottom."""
    rows = table.rows.copy()
    rows[field][2] = code
    return result_to_msg(ResultTable(table.layout, rows), Header())


def test_it_watches_a_strict_ik_node(
    client: Client, start: Start, serve: Serve, tmp_path: Path
) -> None:
    node = serve(target_type="multi_array", command_type="multi_array", bottom_policy="reject")
    monitor = start_monitor(
        client, start, "beside", f"/{node.name}", tmp_path / "events", window=0.5, window_rows=30
    )
    while not monitor.rates or not rates_from_msg(monitor.rates[-1])["all"].rows:
        node.sync()
    # found: from here on both see the same
    assert monitor.trigger("reset").success
    before = len(node.results)
    for _ in range(20):
        node.publisher.publish(node.target(GOOD, BOTTOM, GAP))
    node.wait(lambda: len(node.results) == before + 20, "the results")
    spans = monitor.wait_for_rows(60)
    rows = np.concatenate([table.rows for table in node.results[before:]])
    for span, counted in (("all", rows), ("last", rows[-30:])):
        expected = recount(counted)
        assert {name: spans[span].to_dict()[name] for name in expected} == expected
    # the window forgets, the alerts wait for rows that are better
    spans = monitor.wait_for_rows(0, "window")
    assert (spans["all"].rows, spans["last"].rows) == (60, 30)
    monitor.wait_for_status(
        "gap", WARN, "not judged: 0 rows in the last 0.5 s, at least 20 needed; before: gap rate 0."
    )


def test_a_lost_event_file_does_not_end_it(client: Client, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    monitor = start_monitor(client, start, "unlucky", "/none", folder / "events.jsonl")
    client.wait(lambda: monitor.rates, "rates")
    monitor.event_file.unlink()
    folder.rmdir()
    answer = monitor.trigger("export_state")
    assert answer.success
    client.wait(lambda: "event state is lost: " in monitor.process.output, "the log")
    status = monitor.wait_for_status("rates", OK)
    assert int(values_from_msg(status)["events_lost"]) >= 1
    # the next one that can be written says so
    folder.mkdir()
    assert monitor.trigger("reset").success
    last = monitor.events()[-1]
    assert (last["event"], last["lost"] >= 1) == ("reset", True)
