"""Recordings answered: ours, against a loop of rosbags and zeroproofml 0.5.1 on the same bundle.

Sides, all on one bundle of the strict kind with the exact model of the planar arm; each reads every
target of an MCAP file and writes a result and a command for it into another:

    ours        answer_bag, as `python3 -m zeroproof_ros evaluate` calls it: one model call per
                message, as the node does it, and every row checked
    documented  rosbags, runtime and routing of zeroproofml, message by message; nothing is checked
    checked     the same with the checks of every row that ours does

The result of the two others has no more than the answers and their masks.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from harness.documented import Documented
from harness.rounds import Samples, in_turns, median_of, ratio_of, show_json, show_table
from harness.rows import ROBOT, target_rows
from numpy.typing import NDArray
from std_msgs.msg import Header

from zeroproof_ros.bags import BagFile, Recording, answer_bag
from zeroproof_ros.bags.cdr import from_cdr
from zeroproof_ros.bundle import GraphKind, load_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.messages.commands import COMMAND_TYPES, CommandFormat
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.messages.targets import (
    joint_state_from_rows,
    multi_array_from_rows,
    point_cloud_from_rows,
    rows_from_joint_state,
    rows_from_point_cloud,
)
from zeroproof_ros.pipeline import StrictIK
from zeroproof_ros.training.exact_planar_2r import write_exact_bundle

TOPIC = "/strict_ik_node/target"
TICK_NS = 10_000_000
START_NS = 1_700_000_000_000_000_000
ROUTED_SHARE = 0.02
THRESHOLDS = InferenceConfig(tau_infer=0.02, tau_train=0.05)

Solve = Callable[[NDArray[np.float32]], NDArray[Any]]


def write_bag(path: Path, ik: StrictIK, messages: int, batch: int) -> None:
    """A recording of so many targets: a JointState each, or a PointCloud2 of `batch` rows."""
    rows = target_rows(messages * batch, round(ROUTED_SHARE * messages * batch))
    write = joint_state_from_rows if batch == 1 else point_cloud_from_rows
    with BagFile(path) as bag:
        for index, part in enumerate(np.split(rows, messages)):
            time_ns = START_NS + index * TICK_NS
            header = Header(frame_id=ik.deployment.base_frame)
            header.stamp.sec, header.stamp.nanosec = divmod(time_ns, 10**9)
            bag.write(TOPIC, write(part, ik.layout.features, header), time_ns)


def loop(source: Path, out: Path, solve: Solve, ik: StrictIK, serving: Serving) -> None:
    """What a user writes who has rosbags and zeroproofml."""
    command = COMMAND_TYPES[serving.command_type]
    form = CommandFormat(ik.deployment.joint_names, ik.policy.step_duration)
    with Recording(source) as recording, BagFile(out) as bag:
        kind = recording.topics[TOPIC]
        read = rows_from_joint_state if kind.endswith("JointState") else rows_from_point_cloud
        for message in recording.messages(TOPIC):
            target = from_cdr(message.data, kind)
            rows = read(target, ik.layout.features)
            answers = solve(rows.astype(np.float32)).astype(np.float64)
            served = np.isfinite(answers).all(axis=1)
            header = Header(frame_id=target.header.frame_id)
            header.stamp.sec, header.stamp.nanosec = (
                target.header.stamp.sec,
                target.header.stamp.nanosec,
            )
            result = multi_array_from_rows(
                np.column_stack([rows, answers, served]), [*ik.layout.features, "a", "b", "served"]
            )
            bag.write("/theirs/result", result, message.time_ns)
            positions = (rows[:, :2] + answers)[served]
            if len(positions):
                bag.write(
                    "/theirs/command", command.write(positions, form, header), message.time_ns
                )


def measure(
    folder: Path, ik: StrictIK, theirs: Documented, case: tuple[int, int], rounds: int
) -> Any:
    """Figures of one recording."""
    messages, batch = case
    serving = Serving(command_type="joint_trajectory" if batch == 1 else "multi_array")
    source = folder / "targets.mcap"
    write_bag(source, ik, messages, batch)

    def ours(out: Path) -> None:
        with BagFile(out) as bag:
            answered = answer_bag(source, ik, bag, serving)
        if answered.facts.rows != messages * batch:
            raise RuntimeError(f"{answered.facts.rows} rows were answered")

    sides = {
        "ours": ours,
        "documented": lambda out: loop(source, out, theirs.solve, ik, serving),
        "checked": lambda out: loop(source, out, theirs.solve_checked, ik, serving),
    }
    taken = in_turns(
        {name: _timed(side, folder / f"{name}.mcap") for name, side in sides.items()}, rounds
    )
    rows = messages * batch
    return {
        "messages": messages,
        "batch": batch,
        "rounds": rounds,
        **{f"{name}_rows_per_s": rows / median_of(times) for name, times in taken.items()},
        "documented_over_ours": ratio_of(taken["documented"], taken["ours"]),
        "checked_over_ours": ratio_of(taken["checked"], taken["ours"]),
    }


def _timed(side: Callable[[Path], None], out: Path) -> Callable[[], Samples]:
    def sample() -> Samples:
        started = time.perf_counter()
        side(out)
        return np.array([time.perf_counter() - started])

    return sample


def main() -> None:
    """Measure single rows, and batches of 1000."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, help="per recording, in thousands")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cases = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        block = yaml.safe_load(ROBOT.read_text("utf-8"))
        write_exact_bundle(folder / "strict", block, THRESHOLDS, kind=GraphKind.STRICT)
        ik = StrictIK(load_bundle(folder / "strict"))
        theirs = Documented(folder / "strict", ik)
        for case in ((options.rows, 1), (options.rows // 1000, 1000)):
            print(f"{case[0]} targets of {case[1]} rows ...", flush=True)
            cases.append(measure(folder, ik, theirs, case, options.rounds))
    show_table(cases)
    show_json({"benchmark": "evaluate", "cases": cases})


if __name__ == "__main__":
    main()
