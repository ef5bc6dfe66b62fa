"""A recording is played to a running node: what goes out, what comes back, what is told."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client import Client
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_process import ROOT, NodeProcess, Start, environment
from replay_process import (
    SHIPPED,
    ReplayProcess,
    bytes_of,
    messages_of,
    rows_of_results,
    told,
    write_bag,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState, PointCloud2
from strict_harness import BOTTOM, GOOD, rows_of, same_bits, stamped, target

from zeroproof_ros.bags import BagFile, answer_bag
from zeroproof_ros.bags.cdr import to_cdr
from zeroproof_ros.bags.recount import recount
from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.cli import main
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.pipeline import Policy, Reason, StrictIK

BUNDLE = ROOT / "config" / "bundles" / "planar_2r"
# As in config/demo.yaml, which the recording was made with.
STEP_DURATION = 0.02
TARGETS = "/strict_ik_node/target"

Replay = Callable[..., ReplayProcess]
Node = Callable[..., tuple[str, NodeProcess]]


@pytest.fixture
def replay(domain: int, tmp_path: Path) -> Iterator[Replay]:
    """Starts replays in the domain of the tests; one that is left is killed."""
    running: list[ReplayProcess] = []

    def begin(*arguments: object) -> ReplayProcess:
        folder = tmp_path / f"replay{len(running)}"
        folder.mkdir()
        running.append(ReplayProcess(arguments, environment(domain, folder), folder))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def node(start: Start, names: Iterator[int]) -> Node:
    """Starts a strict_ik_node with simulated time, and does not wait for it."""

    def begin(name: str = "", **parameters: Any) -> tuple[str, NodeProcess]:
        name = name or f"played_{next(names)}"
        defaults = {
            "bundle_dir": str(BUNDLE),
            "use_sim_time": True,
            "step_duration": STEP_DURATION,
            # a busy machine may take long, which is not what these tests are about
            "target_timeout": 60.0,
        }
        process = start("strict_ik_node", "-r", f"__node:={name}", **(defaults | parameters))
        return f"/{name}", process

    return begin


def joint_state(row: tuple[float, ...], seconds: float, frame_id: str = "") -> JointState:
    return target(rows_of(row), "joint_state", stamped(seconds, frame_id))


def several(n: int, spacing: float) -> list[tuple[float, Any]]:
    """Targets that differ, at times from 100 s on."""
    times = 100.0 + spacing * np.arange(n)
    return [(t, joint_state((0.3, 1.2, 0.001, 1e-4 * i), t)) for i, t in enumerate(times)]


def test_offline_and_live_agree_row_for_row(
    node: Node, start: Start, replay: Replay, tmp_path: Path
) -> None:
    name, _ = node()
    monitored = ("-r", f"~/result:={name}/result", "-r", f"~/info:={name}/info")
    start("monitor_node", *monitored, rate=10.0, use_sim_time=True)
    out = tmp_path / "out.mcap"
    text = replay(SHIPPED, "--node", name, "--rate", 0, "--out", out).ended(0)

    ik = StrictIK(load_bundle(BUNDLE), Policy(step_duration=STEP_DURATION))
    with BagFile(tmp_path / "offline.mcap") as bag:
        serving = Serving(policy=ik.policy, target_timeout=60.0)
        offline = answer_bag(SHIPPED, ik, bag, serving).rows
    assert len(offline) > 350
    assert same_bits(rows_of_results(out, f"{name}/result"), offline)
    # these were answered while the arm moved, one by one too
    assert same_bits(rows_of_results(SHIPPED, "/strict_ik_node/result"), offline)
    assert bytes_of(out, f"{name}/target") == bytes_of(SHIPPED, TARGETS)
    # as text, in which NaN is like NaN
    live, computed = (
        [str(message) for _, message in messages_of(path, topic)]
        for path, topic in (
            (out, f"{name}/command"),
            (tmp_path / "offline.mcap", "/strict_ik_node/command"),
        )
    )
    assert live == computed
    assert [time for time, _ in messages_of(out, f"{name}/target")] == [
        time for time, _ in messages_of(SHIPPED, TARGETS)
    ]
    (_, info), *_ = messages_of(out, f"{name}/info")
    assert info.hardware_id == ik.bundle.id
    counted = recount(out)
    assert (counted.rows, counted.differences) == (len(offline), ())
    assert counted.checked > 0

    counts = told(text)
    n = str(len(offline))
    assert [counts[k] for k in ("targets published", "results", "rows")] == [n] * 3
    assert [counts[k] for k in ("targets refused", "targets unanswered")] == ["0", "0"]
    for label in ("model", "analytic", "bottom", "gap"):
        assert int(counts[label]) > 0
    assert counts["commands"] == str(len(messages_of(out, f"{name}/command")))


def test_the_node_may_start_late(node: Node, replay: Replay, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in.mcap", several(5, 0.1))
    waiting, given_up = (replay(bag, "--node", name) for name in ("/late", "/never"))
    node(name="late", target_depth=100)
    counts = told(waiting.ended(0))
    assert (counts["targets published"], counts["results"]) == ("5", "5")
    # it had nothing to play to
    given_up.interrupt()
    counts = told(given_up.ended(4))
    assert (counts["targets published"], counts["problems"]) == ("0", '["interrupted"]')


def test_a_node_on_another_clock_or_for_other_targets_is_refused(
    node: Node, replay: Replay, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "in.mcap", several(2, 0.1))
    on_wall_time, _ = node(use_sim_time=False)
    for_tables, _ = node(target_type="point_cloud")
    out = tmp_path / "out.mcap"
    text = replay(bag, "--node", on_wall_time, "--out", out).ended(2)
    assert f"{on_wall_time} runs without use_sim_time" in text
    text = replay(bag, "--node", for_tables, "--out", out).ended(2)
    assert "takes targets of type sensor_msgs/msg/PointCloud2" in text
    assert not out.exists()


def test_what_is_missing_is_told(node: Node, replay: Replay, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in.mcap", several(2, 0.1))
    inactive, _ = node(autostart=False)
    waits = {
        "in vain for a node called /nobody, the nodes are": replay(bag, "--node", "/nobody"),
        f"{inactive} to be active, it is unconfigured": replay(bag, "--node", inactive),
    }
    for message, process in waits.items():
        assert message in process.ended(2)


def test_who_asks_the_node_too_ends_the_replay(
    node: Node, replay: Replay, client: Client, tmp_path: Path
) -> None:
    name, _ = node()
    results = client.collect(PointCloud2, f"{name}/result")
    playing = replay(write_bag(tmp_path / "in.mcap", several(2000, 0.05)), "--node", name)
    client.wait(lambda: results, "results")
    client.publisher(JointState, f"{name}/target")
    counts = told(playing.ended(4))
    assert f"the end of /client, which publishes on {name}/target too" in counts["problems"]


def test_what_the_node_refuses_is_counted_and_the_rest_goes_on(
    node: Node, replay: Replay, tmp_path: Path
) -> None:
    good = [joint_state(GOOD, 100.0), joint_state(BOTTOM, 100.4)]
    wrong = joint_state(GOOD, 100.1, "elsewhere")
    strange = JointState(name=["theta1"], position=[0.0])
    # twice the same, and one whose stamp is unknown
    same = [joint_state(GOOD, 0.0), joint_state(GOOD, 0.0)]
    not_finite = joint_state((np.nan, np.inf, 0.0, -0.0), 100.6)
    messages = [good[0], wrong, b"\x00\x01\x00\x00 no joint state", strange, good[1], *same]
    bag = write_bag(
        tmp_path / "in.mcap", [(100.0 + 0.1 * i, m) for i, m in enumerate([*messages, not_finite])]
    )
    name, process = node()
    text = replay(bag, "--node", name, "--rate", 0).ended(4)
    counts = told(text)
    assert counts["targets published"] == "8"
    assert (counts["results"], counts["rows"]) == ("5", "5")
    assert counts["targets refused"] == "3"
    assert [counts[k] for k in ("frame", "undecodable", "feature_names")] == ["1"] * 3
    assert "'elsewhere'" in counts["target 1"]
    assert "no sensor_msgs/msg/JointState" in counts["target 2"]
    assert (counts["targets unanswered"], counts["bad_input"]) == ("0", "1")
    assert process.running


def test_a_node_that_ends_ends_the_replay(
    node: Node, replay: Replay, client: Client, tmp_path: Path
) -> None:
    name, process = node()
    results = client.collect(PointCloud2, f"{name}/result")
    out = tmp_path / "out.mcap"
    playing = replay(
        write_bag(tmp_path / "in.mcap", several(200, 0.05)), "--node", name, "--out", out
    )
    client.wait(lambda: len(results) > 3, "results")
    process.signal(signal.SIGINT)
    counts = told(playing.ended(4))
    process.ended_well()
    assert f"{name} is gone" in counts["problems"]
    assert 3 < int(counts["results"]) <= int(counts["targets published"]) < 200
    assert len(messages_of(out, f"{name}/result")) == int(counts["results"])


def test_a_target_without_an_answer_is_named(
    node: Node, replay: Replay, client: Client, tmp_path: Path
) -> None:
    """A node answers nothing from when it is inactive on; the next target is not played."""
    name, _ = node()
    results = client.collect(PointCloud2, f"{name}/result")
    playing = replay(
        write_bag(tmp_path / "in.mcap", several(2000, 5.0)), "--node", name, "--rate", 0
    )
    client.wait(lambda: len(results) > 3, "results")
    transition = Transition(id=Transition.TRANSITION_DEACTIVATE)
    assert client.call(ChangeState, f"{name}/change_state", transition=transition).success
    text = playing.ended(4)
    counts = told(text)
    assert f"{name} to be active, it is inactive" in counts["problems"]
    assert counts["targets unanswered"] == "1"
    last = int(counts["results"])
    assert int(counts["targets published"]) == last + 1
    stamp = round((100.0 + 5.0 * last) * 1e9)
    assert counts[f"target {last}"].startswith(f"stamp {stamp} ns, 1 rows, first: 0.3, 1.2, 0.001")


def test_the_clock_runs_along_the_recorded_times(
    node: Node, replay: Replay, client: Client, tmp_path: Path
) -> None:
    clocks = client.collect(Clock, "/clock")
    # one was recorded late: its turn comes, and the clock does not go back
    times = (100.0, 112.5, 112.4, 113.0)
    messages = [(t, joint_state((0.3, 1.2, 0.001, 1e-3 * t), t)) for t in times]
    bag = write_bag(tmp_path / "in.mcap", messages)
    name, _ = node()
    out = tmp_path / "out.mcap"
    playing = replay(bag, "--node", name, "--rate", 4, "--out", out)
    client.wait(lambda: playing.process.poll() is not None, "the end of the replay")
    playing.ended(0)
    seen = np.array([seconds(each.clock) for each in clocks])
    assert (np.diff(seen) >= 0).all()
    assert seen[0] >= 100.0
    assert seen[-1] == 113.0
    between = np.unique(seen[seen < 112.4])
    assert len(between) >= 5
    sent = [time for time, _ in messages_of(out, f"{name}/target")]
    assert sent == [round(1e9 * t) for t in sorted(times)]
    answered = [time for time, _ in messages_of(out, f"{name}/result")]
    assert all(at >= asked for at, asked in zip(answered, sent, strict=True))
    assert answered[-1] == sent[-1]


def seconds(stamp: Any) -> float:
    return float(stamp.sec + 1e-9 * stamp.nanosec)


def test_the_age_of_targets_is_judged_by_the_recorded_time(
    node: Node, replay: Replay, tmp_path: Path
) -> None:
    """A clock that lags behind or runs ahead would make others stale than the evaluation does."""
    times = 100.0 + 50.0 * np.arange(12)
    ages = [6.0, 4.0, 0.0, 6.0, 6.0, -1.0, 4.9, 5.1, 5.0, 40.0, 0.1, 6.0]
    stamps = [time - age for time, age in zip(times, ages, strict=True)]
    messages = [(t, joint_state(GOOD, s)) for t, s in zip(times, stamps, strict=True)]
    bag = write_bag(tmp_path / "in.mcap", messages)
    name, _ = node(target_timeout=5.0)
    out = tmp_path / "out.mcap"
    replay(bag, "--node", name, "--rate", 0, "--out", out).ended(0)
    reasons = rows_of_results(out, f"{name}/result")["reason"]
    assert (reasons == Reason.STALE).tolist() == [age > 5.0 for age in ages]
    ik = StrictIK(load_bundle(BUNDLE), Policy(step_duration=STEP_DURATION))
    with BagFile(tmp_path / "offline.mcap") as offline:
        answered = answer_bag(bag, ik, offline, Serving(policy=ik.policy, target_timeout=5.0))
    assert (answered.rows["reason"] == reasons).all()


def test_twenty_times_as_fast(node: Node, replay: Replay) -> None:
    name, _ = node(target_depth=1000)
    counts = told(replay(SHIPPED, "--node", name, "--rate", 20).ended(0))
    assert counts["results"] == counts["targets published"]


def test_sigint_ends_a_replay_and_keeps_what_came(
    node: Node, replay: Replay, client: Client, tmp_path: Path
) -> None:
    name, _ = node()
    results = client.collect(PointCloud2, f"{name}/result")
    out = tmp_path / "out.mcap"
    playing = replay(SHIPPED, "--node", name, "--out", out)
    client.wait(lambda: len(results) > 20, "results")
    playing.interrupt()
    counts = told(playing.ended(4))
    assert counts["problems"] == '["interrupted"]'
    assert 20 < int(counts["targets published"]) < len(messages_of(SHIPPED, TARGETS))
    assert len(messages_of(out, f"{name}/target")) == int(counts["targets published"])
    assert len(messages_of(out, f"{name}/result")) == int(counts["results"])


def test_a_humble_bag_of_messages_without_a_header(
    node: Node, replay: Replay, tmp_path: Path
) -> None:
    humble = get_typestore(Stores.ROS2_HUMBLE)
    path, kind = tmp_path / "humble", "std_msgs/msg/Float64MultiArray"
    with Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3) as bag:
        topic = bag.add_connection("/recorded/target", kind, typestore=humble)
        for i in range(20):
            rows = rows_of(*((0.3, 1.2, 1e-3 * i, 1e-4 * j) for j in range(3)))
            bag.write(topic, round((100 + i) * 1e9), to_cdr(target(rows, "multi_array")))
    name, _ = node(target_type="multi_array", command_type="multi_array")
    out = tmp_path / "out.mcap"
    text = replay(path, "--node", name, "--rate", 0, "--out", out).ended(0)
    assert (told(text)["results"], told(text)["rows"]) == ("20", "60")
    assert isinstance(messages_of(out, f"{name}/command")[0][1].data, np.ndarray)

    # without its metadata it is a bag whose recorder did not end
    (path / "metadata.yaml").unlink()
    text = replay(path, "--node", name, "--rate", 0).ended(4)
    assert (told(text)["results"], told(text)["targets unanswered"]) == ("20", "0")
    assert "its recorder did not end" in text


def test_the_commands_of_the_document_run(domain: int, tmp_path: Path) -> None:
    (tmp_path / "config").symlink_to(ROOT / "config")
    text = (ROOT / "docs" / "replay.md").read_text("utf-8")
    (script,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    # a job of the shell has to be the node itself, for the shell to end it
    python3 = tmp_path / "bin" / "python3"
    python3.parent.mkdir()
    python3.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python3.chmod(0o755)
    env = environment(domain, tmp_path)
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -euo pipefail\n{script}wait"],
        cwd=tmp_path,
        env={**env, "PATH": f"{python3.parent}{os.pathsep}{env['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120.0,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = re.findall(r"```text\n(recording .*?)```", text, re.DOTALL)[0]
    assert set(told(shown)) <= set(told(done.stdout))
    assert told(done.stdout)["written"] == "build/replayed.mcap"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rate", "-1"), "--rate is -1, expected 0 or a positive number"),
        (("--rate", "nan"), "--rate is nan"),
        (("--rate", "inf"), "--rate is inf"),
        (("--out", "bag.mcap"), "is the recording that is played"),
        (("--out", "bag.txt"), "expected a name that ends in .mcap"),
        (("--topic", "/nothing"), "topic /nothing is not there"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: tuple[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SHIPPED, "bag.mcap")
    assert main(["replay", "bag.mcap", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bag.mcap"]


def test_a_recording_without_targets_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(tmp_path / "none.mcap")]) == 2
    assert "can not be read" in capsys.readouterr().err
    path = tmp_path / "empty"
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        bag.add_connection(
            "/arm/target",
            "sensor_msgs/msg/JointState",
            typestore=get_typestore(Stores.ROS2_JAZZY),
        )
    assert main(["replay", str(path)]) == 2
    assert "has no target on /arm/target that can be read" in capsys.readouterr().err
