"""Round trip of a target through strict_ik_node, against a node that only echoes.

The echo node gets the same target and publishes a result and a command of the same type and size,
made beforehand, with the same QoS: what it takes is the price of ROS, what ours takes beyond it is
the price of inference, checks and fallback. A round trip ends when both messages are back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness.client import Client, Server
from harness.processes import running
from harness.rounds import Samples, in_turns, median_of, ratio_of, show_json, show_table
from harness.rows import target_rows
from harness.sides import Topics, echo_node, strict_node

ROUNDS = 30
SINGLE = Topics("joint_state", "joint_trajectory")
TABLE = Topics("point_cloud", "multi_array")


@dataclass(frozen=True)
class Case:
    """Targets of one kind.

    Attributes:
        batch: rows of a target.
        routed: how many of them the solver has to serve.
        trips: round trips in a round.
        topics: types of the messages.
    """

    batch: int
    routed: int
    trips: int
    topics: Topics


CASES = (
    Case(1, 0, 200, SINGLE),
    Case(1024, 0, 50, TABLE),
    Case(1024, 51, 50, TABLE),
)


def measure(client: Client, case: Case) -> dict[str, Any]:
    """Figures of one case, with both nodes up."""
    rows = target_rows(case.batch, case.routed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        echo = echo_node(case.topics, case.batch, folder)
        processes = stack.enter_context(running(echo, strict_node(case.topics)))
        servers = {}
        for name, process in zip(("echo_node", "strict_ik_node"), processes, strict=True):
            server = servers[name] = Server(client, process, name, case.topics)
            stack.callback(server.close)
            server.first_result(server.message(rows), repeat_every=0.1)
            server.settle()
            for _ in range(100):
                server.round_trip(server.message(rows))
        served = servers["strict_ik_node"].served_by()
        if served != {"none": 0, "model": case.batch - case.routed, "analytic": case.routed}:
            raise RuntimeError(f"the rows were served by {served}, not as the case wants")
        sides = {name: trips(servers[name], rows, case.trips) for name in servers}
        taken = in_turns(sides, ROUNDS)
    echoed, answered = taken["echo_node"], taken["strict_ik_node"]
    return {
        "batch": case.batch,
        "routed": case.routed,
        "echo_p50_us": median_of(echoed) * 1e6,
        "node_p50_us": median_of(answered) * 1e6,
        "ratio_p50": ratio_of(answered, echoed),
        "echo_p99_us": median_of(echoed, 0.99) * 1e6,
        "node_p99_us": median_of(answered, 0.99) * 1e6,
        "ratio_p99": ratio_of(answered, echoed, 0.99),
    }


def trips(server: Server, rows: np.ndarray, count: int) -> Callable[[], Samples]:
    """A side of a round: so many round trips, one after the other."""
    message = server.message(rows)
    return lambda: np.array([server.round_trip(message) for _ in range(count)])


def main() -> None:
    """Measure all cases."""
    cases = []
    with Client() as client:
        for case in CASES:
            print(f"batch {case.batch}, {case.routed} rows for the solver ...", flush=True)
            cases.append(measure(client, case))
    show_table(cases)
    show_json({"benchmark": "node_latency", "cases": cases})


if __name__ == "__main__":
    main()
