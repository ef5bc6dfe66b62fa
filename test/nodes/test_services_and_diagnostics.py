"""~/pause, ~/reload, ~/info and /diagnostics of strict_ik_node."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSDurabilityPolicy
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
from strict_harness import BUNDLE, COUNTS, GOOD, Serve, StrictHarness, rows_of, same_bits, seconds

from zeroproof_ros.bundle import load_bundle, write_bundle
from zeroproof_ros.messages.diagnostics import OK, WARN, values_from_msg
from zeroproof_ros.nodes import qos
from zeroproof_ros.pipeline import Source, StrictIK

OtherBundle = Callable[..., Path]


@pytest.fixture(scope="module")
def node(serve_shared: Serve) -> StrictHarness:
    return serve_shared(target_depth=1000)


def wait_for_level(node: StrictHarness, level: int) -> DiagnosticStatus:
    seen = len(node.statuses)
    node.wait(
        lambda: len(node.statuses) > seen and node.statuses[-1].level[0] == level,
        f"a report of level {level}",
    )
    return node.statuses[-1]


def test_diagnostics_come_every_second_and_say_what_serves(node: StrictHarness) -> None:
    stamps = []
    for _ in range(4):
        status = wait_for_level(node, OK)
        stamps.append(seconds(node.status_stamp))
    assert 0.9 < (stamps[-1] - stamps[0]) / 3 < 1.2
    values = values_from_msg(status)
    assert status.name == f"{node.name}: inference"
    assert status.hardware_id == load_bundle(BUNDLE).id
    assert status.message == f"{status.hardware_id} on CPUExecutionProvider"
    assert values["state"] == "active"
    assert values["providers"] == "CPUExecutionProvider"
    assert 0 < float(values["latency_p50_ms"]) <= float(values["latency_p99_ms"]) < 1e3
    assert set(COUNTS) <= set(values)
    assert set(values) - set(COUNTS) == {"state", "providers", "latency_p50_ms", "latency_p99_ms"}


def test_a_level_that_rises_is_said_at_once_and_falls_again(node: StrictHarness) -> None:
    wait_for_level(node, OK)
    reported = seconds(node.status_stamp)
    node.publisher.publish(node.target((np.nan, *GOOD[1:])))
    status = wait_for_level(node, WARN)
    assert status.message == "since the last report: rejected_bad_input 1"
    # not with the next report of the clock, a second after the last
    assert seconds(node.status_stamp) < reported + 0.9
    wait_for_level(node, OK)
    node.expect(rows=1, stamps_unknown=1, rejected_bad_input=1)


def test_pause_stops_commands_and_not_results(node: StrictHarness) -> None:
    answer = node.pause(True)
    assert (answer.success, answer.message) == (True, "commands are stopped")
    tables, commands = node.ask(node.target(GOOD), commanded=False)
    assert (len(tables), len(commands)) == (1, 0)
    status = node.expect(rows=2, served=2, stamps_unknown=2, commands_paused=2)
    assert values_from_msg(status)["state"] == "active, commands paused"
    assert node.pause(True).success
    answer = node.pause(False)
    assert (answer.success, answer.message) == (True, "commands flow")
    tables, commands = node.ask(node.target(GOOD))
    assert (len(tables), len(commands)) == (1, 1)
    node.expect(rows=2, served=2, stamps_unknown=2)


def test_info_is_there_for_those_who_come_late(node: StrictHarness) -> None:
    infos = node.client.collect(DiagnosticStatus, f"/{node.name}/info", qos.latched())
    info = node.wait(lambda: infos, "~/info")[0]
    values = values_from_msg(info)
    bundle = load_bundle(BUNDLE)
    assert info.hardware_id == bundle.id
    assert values["bundle_digest"] == bundle.digest
    assert values["bundle_dir"] == str(BUNDLE)
    assert (values["tau_infer"], values["tau_train"]) == ("0.02", "0.05")
    assert values["providers"] == "CPUExecutionProvider"
    assert values["placement"] == "asked for"
    assert values["bottom_policy"] == values["gap_policy"] == "fallback"
    node.sync()
    assert values["columns"].split(",") == [f.name for f in node.result_messages[-1].fields]
    node.expect(rows=1, served=1, stamps_unknown=1)


def test_an_endpoint_with_incompatible_qos_is_a_warning(node: StrictHarness) -> None:
    profile = qos.reliable(1)
    profile.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
    wanted = node.client.node.create_subscription(
        PointCloud2, f"/{node.name}/result", lambda _: None, profile
    )
    node.expect(incompatible_qos=1)
    node.client.node.destroy_subscription(wanted)


def stream(node: StrictHarness, rows: np.ndarray, reload_after: int) -> Trigger.Response:
    """Publish a target per row, as fast as results come, and have ~/reload called on the way."""
    node.clear()
    future = None
    for index, row in enumerate(rows):
        node.publisher.publish(node.target(tuple(row)))
        if index == reload_after:
            future = node.client.request(Trigger, f"/{node.name}/reload")
        node.client.spin(0.001)
    node.wait(lambda: len(node.result_messages) >= len(rows), "all results")
    node.wait(lambda: len(node.commands) >= len(rows), "all commands")
    return node.wait(lambda: future.done() and future.result(), "the answer of ~/reload")


def one_by_one(*parts: Any) -> np.ndarray:
    """The rows of solver, inputs, solver, inputs, ...; vector units round batches in other ways."""
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return np.concatenate([ik.solve(row[None]).rows for ik, rows in pairs for row in rows])


def test_reload_under_load_loses_nothing_and_mixes_nothing(
    node: StrictHarness, other_bundle: OtherBundle, solver: Callable[..., StrictIK]
) -> None:
    # |Q| is 0.12: the model's by the thresholds of the exact bundle, a gap by the other bundle's
    rows = np.tile(rows_of((0.3, 0.15, -0.002, 0.001)), (300, 1))
    rows[:, 0] += 1e-3 * np.arange(300)
    before, after = solver(), StrictIK(load_bundle(other_bundle()))
    assert node.set(bundle_dir=str(after.bundle.path)).successful
    # until ~/reload nothing changes
    assert (node.ask(node.target(tuple(rows[0])))[0][0]["source"] == Source.MODEL).all()

    answer = stream(node, rows, reload_after=100)
    assert (answer.success, answer.message) == (True, f"{after.bundle.id} serves")
    found = np.concatenate([table.rows for table in node.results])
    assert len(found) == 300
    switch = int(np.argmax(found["source"] == Source.ANALYTIC))
    assert 0 < switch < 299
    assert same_bits(found, one_by_one(before, rows[:switch], after, rows[switch:]))
    node.wait(lambda: node.infos[-1].hardware_id == after.bundle.id, "~/info")
    values = values_from_msg(node.infos[-1])
    assert values["bundle_digest"] == after.bundle.digest
    assert (values["tau_infer"], values["tau_train"]) == ("0.1", "0.2")
    node.expect(rows=302, served=302, stamps_unknown=302)
    assert node.statuses[-1].hardware_id == after.bundle.id

    assert node.set(bundle_dir=str(BUNDLE)).successful
    assert node.reload().success
    node.sync()
    node.recount()


def test_a_reload_that_fails_leaves_the_old_bundle_serving(
    node: StrictHarness, tmp_path: Path, solver: Callable[..., StrictIK]
) -> None:
    broken = shutil.copytree(BUNDLE, tmp_path / "broken")
    model = broken / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    infos = len(node.infos)
    rows = np.tile(rows_of((0.3, 0.15, -0.002, 0.001)), (100, 1))
    metadata = json.loads((BUNDLE / "metadata.json").read_text())
    metadata["deployment"]["robot"]["link_lengths"] = [1.0, 0.7]
    write_bundle(tmp_path / "other_arm", (BUNDLE / "model.onnx").read_bytes(), metadata)
    for folder, reason in (
        (broken, "the file was damaged or exchanged"),
        (tmp_path / "other_arm", "link_lengths is (1.0, 0.7), expected (1.0, 0.8)"),
        (tmp_path / "nothing", "is not a readable folder: No such file or directory"),
        ("", "parameter bundle_dir is empty"),
    ):
        assert node.set(bundle_dir=str(folder)).successful
        answer = stream(node, rows, reload_after=50)
        assert not answer.success
        assert answer.message.startswith(f"{load_bundle(BUNDLE).id} serves on: ")
        assert reason in answer.message
        found = np.concatenate([table.rows for table in node.results])
        assert same_bits(found, one_by_one(solver(), rows))
    assert node.set(bundle_dir=str(BUNDLE)).successful
    node.expect(rows=400, served=400, stamps_unknown=400, reloads_failed=4)
    assert len(node.infos) == infos
    # the level rose at once
    assert any("reloads_failed 1" in status.message for status in node.statuses)
