"""From the start of strict_ik_node to its first result, and the memory it needs.

The client is up before; it publishes a target until the first answer is there. A node that only
echoes is started in turns with ours: what it takes is Python, rclpy and discovery. The core is the
same bundle and `StrictIK` in a process without ROS.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness.client import Client, Server
from harness.processes import running
from harness.rounds import show_json, show_table
from harness.rows import BUNDLE, target_rows
from harness.sides import Topics, echo_node, strict_node

RUNS = 7
REPEAT_EVERY = 0.02  # [s]
CORE_MEMORY_LIMIT = 150.0  # [MB]
TOPICS = Topics("joint_state", "joint_trajectory")

CORE = f"""
from harness.processes import peak_memory
from harness.rows import target_rows
from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.pipeline import StrictIK
ik = StrictIK(load_bundle({str(BUNDLE)!r}))
assert ik.solve(target_rows(1024, 51)).served.all()
print(peak_memory())
"""


def start(client: Client, node: str, command: Sequence[str]) -> tuple[float, float]:
    """Seconds until the first result of a node, and its peak memory [MB] after 100."""
    started = time.perf_counter()
    with running(command) as (process,):
        server = Server(client, process, node, TOPICS)
        try:
            message = server.message(target_rows(1))
            seconds = server.first_result(message, repeat_every=REPEAT_EVERY) - started
            server.settle()
            for _ in range(100):
                server.round_trip(message)
            return seconds, process.peak_memory()
        finally:
            server.close()


def core() -> tuple[float, float]:
    """Seconds of a process that loads the bundle and answers once, and its peak memory [MB]."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CORE],
        cwd=Path(__file__).parent,
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - started, float(done.stdout)


def measure(nodes: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Figures of the nodes and of the core, started in turns."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in (*nodes, "core")}
    with Client() as client:
        for run in range(RUNS):
            for name, command in nodes.items():
                taken[name].append(start(client, name, command))
            taken["core"].append(core())
            print(f"run {run + 1} of {RUNS}", flush=True)
    medians = {name: np.median(figures, axis=0).tolist() for name, figures in taken.items()}
    return [
        {"process": name, "first_result_s": seconds, "peak_memory_mb": memory}
        for name, (seconds, memory) in medians.items()
    ]


def main() -> None:
    """Measure, and fail where the core needs too much memory."""
    with tempfile.TemporaryDirectory() as folder:
        bare = echo_node(TOPICS, 1, Path(folder))
        cases = measure({"echo_node": bare, "strict_ik_node": strict_node(TOPICS)})
    show_table(cases)
    bare_s, node_s, _ = (case["first_result_s"] for case in cases)
    show_json({"benchmark": "cold_start", "cases": cases, "ratio_first_result": node_s / bare_s})
    if cases[-1]["peak_memory_mb"] > CORE_MEMORY_LIMIT:
        raise SystemExit(f"the core needs more than {CORE_MEMORY_LIMIT:g} MB")


if __name__ == "__main__":
    main()
