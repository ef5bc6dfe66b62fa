"""What comes back for good targets, for every type of target and of command."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import numpy as np
import pytest
from sensor_msgs.msg import JointState, PointCloud2, PointField
from std_msgs.msg import Float64MultiArray
from strict_harness import (
    BOTTOM,
    FEATURES,
    GAP,
    GOOD,
    JOINTS,
    Serve,
    StrictHarness,
    rows_of,
    same_bits,
    stamped,
)

from zeroproof_ros.pipeline import Reason, Source, StrictIK

BATCH = rows_of(GOOD, BOTTOM, GAP, (-0.7, -1.1, 0.005, 0.02))


@pytest.fixture(scope="module")
def nodes(serve_shared: Serve) -> dict[str, StrictHarness]:
    """A node per target type; the command types are dealt out among them."""
    return serve_shared.all(
        joint_state={"target_type": "joint_state", "command_type": "joint_trajectory"},
        multi_array={"target_type": "multi_array", "command_type": "multi_array"},
        point_cloud={"target_type": "point_cloud", "command_type": "joint_state"},
    )


def permuted_joint_state(row: np.ndarray, order: tuple[int, ...]) -> JointState:
    return JointState(
        name=[FEATURES[i] for i in order],
        position=[float(row[i]) for i in order],
        header=stamped(time.time(), "base_link"),
    )


def padded_point_cloud(rows: np.ndarray) -> PointCloud2:
    """Fields in another order, of two widths, with gaps between and after them, on two lines."""
    table = np.dtype(
        {
            "names": ["dy", "theta2", "dx", "theta1"],
            "formats": ["<f8", "<f8", "<f4", "<f8"],
            "offsets": [4, 16, 24, 32],
            "itemsize": 48,
        }
    )
    data = np.frombuffer(b"\xff" * 48 * len(rows), dtype=table).copy()
    for i, name in enumerate(FEATURES):
        data[name] = rows[:, i]
    datatypes = {8: PointField.FLOAT64, 4: PointField.FLOAT32}
    return PointCloud2(
        header=stamped(time.time(), "base_link"),
        height=2,
        width=len(rows) // 2,
        fields=[
            PointField(name=name, offset=offset, datatype=datatypes[dtype.itemsize], count=1)
            for name, (dtype, offset) in table.fields.items()
        ],
        point_step=48,
        row_step=48 * (len(rows) // 2),
        data=data.tobytes(),
    )


def test_joint_state_rows_equal_the_core_for_every_order_of_names(
    nodes: dict[str, StrictHarness], solver: Callable[..., StrictIK]
) -> None:
    node, ik = nodes["joint_state"], solver()
    for row, order in zip(np.tile(BATCH, (6, 1)), itertools.permutations(range(4)), strict=True):
        message = permuted_joint_state(row, order)
        (table,), commands = node.ask(message)
        expected = ik.solve(row[None])
        assert same_bits(table.rows, expected.rows)
        assert len(commands) == expected.served.sum() == 1
        assert node.positions(commands[0]).tolist() == (row[:2] + table["resolved"]).tolist()
    node.expect(rows=48, served=48, stamps_unknown=24)


def test_header_is_copied_and_an_empty_frame_is_named(nodes: dict[str, StrictHarness]) -> None:
    node = nodes["joint_state"]
    header = stamped(time.time(), "base_link")
    node.ask(node.target(GOOD, header=header))
    assert node.result_messages[0].header == header
    header.frame_id = ""
    node.ask(node.target(GOOD, header=header))
    assert node.result_messages[0].header.stamp == header.stamp
    assert node.result_messages[0].header.frame_id == "base_link"
    # a zero stamp is unknown, and stays zero
    node.ask(node.target(GOOD))
    assert node.result_messages[0].header == stamped(0.0, "base_link")
    node.expect(rows=6, served=6, stamps_unknown=4)


def test_bottom_and_gap_rows_are_served_by_the_solver(nodes: dict[str, StrictHarness]) -> None:
    node = nodes["joint_state"]
    for row, reason, masks in ((BOTTOM, Reason.BOTTOM, (1, 0)), (GAP, Reason.GAP, (0, 1))):
        (table,), (command,) = node.ask(node.target(row))
        assert (table["source"][0], table["reason"][0]) == (Source.ANALYTIC, reason)
        assert (table["bottom"][0], table["gap"][0]) == masks
        assert np.isnan(table["decoded"]).all() == (reason is Reason.BOTTOM)
        assert np.isfinite(table["resolved"]).all()
        assert np.isfinite(node.positions(command)).all()
    node.expect(rows=4, served=4, stamps_unknown=4)


@pytest.mark.parametrize("with_layout", [True, False])
def test_multi_array(
    nodes: dict[str, StrictHarness], solver: Callable[..., StrictIK], with_layout: bool
) -> None:
    node = nodes["multi_array"]
    message = node.target(*BATCH.tolist())
    if not with_layout:
        message = Float64MultiArray(data=message.data)
    before = time.time()
    (table,), (command,) = node.ask(message)
    assert same_bits(table.rows, solver().solve(BATCH).rows)
    assert node.positions(command).tolist() == (BATCH[:, :2] + table["resolved"]).tolist()
    assert [d.size for d in command.layout.dim] == [4, 2]
    assert command.layout.dim[1].label == "joint1,joint2"
    # a target without a header is stamped on arrival
    header = node.result_messages[0].header
    assert header.frame_id == "base_link"
    assert before <= header.stamp.sec + 1e-9 * header.stamp.nanosec <= time.time()
    node.expect(rows=5, served=5, stamps_unknown=2)


def test_point_cloud_with_permuted_fields_and_padding(
    nodes: dict[str, StrictHarness], solver: Callable[..., StrictIK]
) -> None:
    node = nodes["point_cloud"]
    message = padded_point_cloud(BATCH)
    (table,), commands = node.ask(message)
    expected = BATCH.copy()
    expected[:, 2] = BATCH[:, 2].astype(np.float32)
    assert same_bits(table.rows, solver().solve(expected).rows)
    assert node.result_messages[0].header == message.header
    # a joint state holds one row only
    assert commands == []
    node.expect(rows=5, served=5, stamps_unknown=1, commands_withheld=4)


def test_joint_state_command(nodes: dict[str, StrictHarness]) -> None:
    node = nodes["point_cloud"]
    header = stamped(time.time(), "base_link")
    (table,), (command,) = node.ask(node.target(GOOD, header=header))
    assert tuple(command.name) == JOINTS
    assert command.header == header
    assert list(command.position) == (np.array(GOOD[:2]) + table["resolved"][0]).tolist()
    node.expect(rows=2, served=2, stamps_unknown=1)


def test_a_trajectory_is_timed_and_ends_before_a_hole(
    serve: Serve, solver: Callable[..., StrictIK]
) -> None:
    node = serve(target_type="point_cloud", step_duration=0.7)
    hole = (np.nan, *GOOD[1:])
    near = [(GOOD[0] + 0.01 * i, *GOOD[1:]) for i in range(4)]
    header = stamped(time.time(), "base_link")
    (table,), (command,) = node.ask(node.target(*near, header=header))
    ik = solver(step_duration=0.7)
    assert same_bits(table.rows, ik.solve(rows_of(*near)).rows)
    assert tuple(command.joint_names) == JOINTS
    assert command.header == stamped(0.0, "base_link")
    assert node.positions(command).tolist() == ik.commands(table).tolist()
    times = [p.time_from_start.sec * 10**9 + p.time_from_start.nanosec for p in command.points]
    assert times == [round(0.7e9) * (i + 1) for i in range(4)]

    (table,), (command,) = node.ask(node.target(near[0], near[1], hole, near[3]))
    assert table["reason"].tolist() == [0, 0, Reason.BAD_INPUT, 0]
    assert len(command.points) == 2
    # a step between two rows beyond the velocity limit ends it as well: 3 rad/s for 0.7 s
    (table,), (command,) = node.ask(node.target(near[0], (GOOD[0] - 2.5, *GOOD[1:]), near[1]))
    assert table.served.all()
    assert len(command.points) == 1
    # nothing is published when there is nothing
    _, commands = node.ask(node.target(hole, *near))
    assert commands == []
    node.expect(
        rows=4 + 4 + 3 + 5 + 4,
        served=4 + 3 + 3 + 4 + 4,
        stamps_unknown=3 + 4,
        rejected_bad_input=2,
        commands_withheld=1 + 2 + 4,
    )


def test_a_batch_beyond_max_batch_is_answered_in_parts_with_one_result(
    serve: Serve, solver: Callable[..., StrictIK]
) -> None:
    node = serve(target_type="multi_array", command_type="multi_array", max_batch=3)
    batch = np.tile(BATCH, (4, 1))
    (table,), (command,) = node.ask(node.target(*batch.tolist()))
    assert same_bits(table.rows, solver(max_batch=3).solve(batch).rows)
    assert len(node.positions(command)) == 16
