"""Lead a simulated arm through both of its singularities, over real ROS processes."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle import Deployment, load_bundle, read_deployment
from zeroproof_ros.cli.demo_view import demo_line, demo_screen, draw_path, show_summary
from zeroproof_ros.cli.screen import Screen
from zeroproof_ros.cli.share import share_folder
from zeroproof_ros.errors import ZeroProofError
from zeroproof_ros.pipeline import Source

if TYPE_CHECKING:
    from zeroproof_ros.bags import BagFile
    from zeroproof_ros.nodes.demo_observer import DemoObserver

# Used unless the caller chose one: nothing of the demo shall meet the nodes of a robot.
DEMO_DOMAIN_ID = "97"
STARTUP_TIMEOUT = 30.0
SHUTDOWN_TIMEOUT = 10.0
# Long enough for two of the monitor's reports [s].
LAST_SECONDS = 0.5
# A tool this near to a singular circle [m] counts as on it.
ON_CIRCLE = 5e-3


class DemoError(ZeroProofError):
    """The demo could not be run to its end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("--duration", type=float, default=15.0, help="seconds (default: 15)")
    parser.add_argument(
        "--out", type=Path, default=Path("build/demo"), help="folder for summary and picture"
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo; exit code 0 where every command was finite and model and solver both served.

    Raises:
        DemoError: a node did not start, died, or did not end cleanly.
    """
    os.environ.setdefault("ROS_DOMAIN_ID", DEMO_DOMAIN_ID)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    # rclpy is not needed by the other verbs
    from zeroproof_ros.nodes.demo_observer import DemoObserver

    config = share_folder() / "config"
    bundle = load_bundle(config / "bundles" / "planar_2r")
    deployment = read_deployment(config / "robots" / "planar_2r.yaml")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "events.jsonl").unlink(missing_ok=True)
    recording = options.out / "demo.mcap"
    with (
        _bag(recording) as bag,
        closing(DemoObserver(bag)) as observer,
        _Processes(options.out) as processes,
    ):
        commands = _commands(config, options.out)
        # The simulator comes last, so that nobody misses the first row.
        for name in ("strict_ik_node", "monitor_node"):
            processes.start(name, commands[name])
        _spin_until(observer, processes, observer.connected, "the nodes to be discovered")
        processes.start("arm_simulator_node", commands["arm_simulator_node"])
        _spin_until(observer, processes, lambda: bool(observer.commands), "a command")
        with Screen() as screen:
            started = time.monotonic()
            while (elapsed := time.monotonic() - started) < options.duration:
                observer.spin(0.1)
                processes.check_alive()
                seen = elapsed, observer.tables, observer.rates
                screen.show(
                    elapsed,
                    partial(demo_screen, bundle, options.duration, *seen),
                    partial(demo_line, *seen),
                )
        # what it has asked is answered and counted before the recording ends
        processes.end("arm_simulator_node")
        observer.spin(LAST_SECONDS)
    rows = np.concatenate(observer.tables)
    summary = {
        **summarise(rows, np.array(observer.stamps), deployment),
        "commands": observer.commands,
        "non_finite_commands": observer.non_finite_commands,
        "rows_per_second": round(len(rows) / elapsed, 2),
    }
    (options.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    draw_path(rows, deployment, options.out / "path.png")
    show_summary(summary, observer.rates, options.out)
    print(f"recording: {recording}" if bag else "no recording: rosbags is not installed")
    good = not summary["non_finite_commands"] and summary["served_model"]
    return 0 if good and summary["served_analytic"] else 1


def _bag(path: Path) -> AbstractContextManager[BagFile | None]:
    """The file of the recording; nothing where the library is missing, as on a robot."""
    if importlib.util.find_spec("rosbags") is None:
        return nullcontext()
    from zeroproof_ros.bags import BagFile

    return BagFile(path)


def summarise(
    rows: NDArray[Any], stamps: NDArray[np.float64], deployment: Deployment
) -> dict[str, Any]:
    """What the result rows of a simulated arm say.

    The tracking error is how far the tool is from where the target before had sent it. Only
    targets that follow each other are compared; the simulator sends them at a steady rate.

    Args:
        rows: (N,) result rows, one per target.
        stamps: (N,) stamps of the targets [s].
        deployment: of a joint_delta bundle.
    """
    arm = deployment.arm
    tool = arm.forward(rows["in"][:, deployment.joint_columns])
    sent_to = tool + rows["in"][:, deployment.task_columns]
    follows = np.diff(stamps) < 1.5 * np.median(np.diff(stamps))
    error = np.linalg.norm(tool[1:] - sent_to[:-1], axis=1)[follows]
    radius = np.hypot(tool[:, 0], tool[:, 1])
    source = rows["source"]
    return {
        "rows": len(rows),
        "served_model": int(np.count_nonzero(source == Source.MODEL)),
        "served_analytic": int(np.count_nonzero(source == Source.ANALYTIC)),
        "rejected": int(np.count_nonzero(source == Source.NONE)),
        "bottom_rate": round(float(rows["bottom"].mean()), 6),
        "gap_rate": round(float(rows["gap"].mean()), 6),
        "smallest_q_abs": float(rows["q_abs"].min()),
        "max_tracking_error_m": round(float(error.max()), 6),
        "stretched_passes": _visits(radius > sum(deployment.link_lengths) - ON_CIRCLE),
        "folded_passes": _visits(
            radius < abs(deployment.link_lengths[0] - deployment.link_lengths[1]) + ON_CIRCLE
        ),
    }


def _visits(there: NDArray[np.bool_]) -> int:
    """How often a place was left again."""
    return int(np.count_nonzero(there[:-1] & ~there[1:]))


def _commands(config: Path, out: Path) -> dict[str, list[str]]:
    """The command line of each node: its parameters and topics."""
    arguments = {
        "strict_ik_node": ["-p", f"bundle_dir:={config / 'bundles' / 'planar_2r'}"],
        "monitor_node": [
            *("-p", f"event_file:={(out / 'events.jsonl').absolute()}"),
            *("-r", "~/result:=strict_ik_node/result"),
            *("-r", "~/info:=strict_ik_node/info"),
        ],
        "arm_simulator_node": [
            *("-p", f"deployment_file:={config / 'robots' / 'planar_2r.yaml'}"),
            # strict_ik_node and the recording
            *("-p", "listeners:=2"),
            *("-r", "~/target:=strict_ik_node/target"),
            *("-r", "~/command:=strict_ik_node/command"),
        ],
    }
    start = ["--ros-args", "--params-file", str(config / "demo.yaml")]
    return {
        name: [sys.executable, "-m", f"zeroproof_ros.nodes.{name}", *start, *own]
        for name, own in arguments.items()
    }


class _Processes:
    """The nodes as processes, ended by SIGINT; their output goes to files in a folder."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str]) -> None:
        with (self._out / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603

    def end(self, name: str) -> None:
        code = _end(self._running.pop(name))
        if code:
            raise DemoError(f"{name} ended with code {code}; see {self._log(name)}")

    def check_alive(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                raise DemoError(
                    f"{name} ended with code {process.returncode}; see {self._log(name)}"
                )

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        codes = {name: _end(process) for name, process in self._running.items()}
        bad = [name for name, code in codes.items() if code]
        if bad and kind is None:
            raise DemoError(f"{bad[0]} ended with code {codes[bad[0]]}; see {self._log(bad[0])}")

    def _log(self, name: str) -> Path:
        return self._out / f"{name}.log"


def _end(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(SHUTDOWN_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _spin_until(
    observer: DemoObserver, processes: _Processes, condition: Callable[[], bool], awaited: str
) -> None:
    deadline = time.monotonic() + STARTUP_TIMEOUT
    while not condition():
        observer.spin(0.1)
        processes.check_alive()
        if time.monotonic() > deadline:
            raise DemoError(f"waited {STARTUP_TIMEOUT:g} s in vain for {awaited}")
