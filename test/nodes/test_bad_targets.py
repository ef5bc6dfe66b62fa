"""Every target that can not be used is counted under its own name, and the next one is served."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import JointState, PointField
from std_msgs.msg import Float64MultiArray
from strict_harness import BOTTOM, GOOD, Serve, StrictHarness, rows_of, stamped, target

from zeroproof_ros.pipeline import Reason, Source


@pytest.fixture(scope="module")
def nodes(serve_shared: Serve) -> dict[str, StrictHarness]:
    return serve_shared.all(
        joint_state={"target_type": "joint_state", "command_type": "joint_state"},
        multi_array={"target_type": "multi_array", "command_type": "multi_array"},
        point_cloud={"target_type": "point_cloud", "command_type": "joint_trajectory"},
    )


def joint_state(names: str, count: int) -> JointState:
    return JointState(name=names.split(), position=[0.1] * count)


def multi_array(*sizes: int, data: int = 0, offset: int = 0) -> Float64MultiArray:
    message = target(np.zeros((len(sizes), 1)), "multi_array")
    for dimension, size in zip(message.layout.dim, sizes, strict=False):
        dimension.size = size
    message.layout.dim = message.layout.dim[: len(sizes)]
    message.layout.data_offset = offset
    message.data = [0.1] * data
    return message


def point_cloud(field: dict[str, Any] | None = None, **changes: Any) -> Any:
    """A good point cloud of three rows, with changes to the message and to its last field."""
    message = copy.deepcopy(target(rows_of(GOOD, GOOD, GOOD), "point_cloud"))
    for owner, attributes in ((message, changes), (message.fields[-1], field or {})):
        for name, value in attributes.items():
            setattr(owner, name, value)
    return message


def with_fields(*names: str) -> Any:
    message = point_cloud(point_step=8 * len(names), row_step=24 * len(names))
    message.fields = [
        PointField(name=name, offset=8 * i, datatype=PointField.FLOAT64, count=1)
        for i, name in enumerate(names)
    ]
    message.data = bytes(24 * len(names))
    return message


def elsewhere(target_type: str) -> Any:
    return target(rows_of(GOOD), target_type, stamped(0.0, "map"))


REFUSED = {
    ("joint_state", "feature_names"): [
        joint_state("theta1 theta2 dx speed", 4),
        joint_state("theta1 theta2 dx", 3),
        joint_state("theta1 theta2 dx dy dz", 5),
        joint_state("theta1 theta2 dx dx", 4),
        joint_state("theta1 theta2 dx dy dy", 5),
        joint_state("", 4),
    ],
    ("joint_state", "width"): [
        joint_state("theta1 theta2 dx dy", 3),
        joint_state("theta1 theta2 dx dy", 5),
        joint_state("theta1 theta2 dx dy", 0),
    ],
    ("joint_state", "empty_batch"): [JointState()],
    ("joint_state", "frame"): [elsewhere("joint_state")],
    ("multi_array", "width"): [
        multi_array(data=3),
        multi_array(data=5),
        multi_array(1, 4, data=8),
        multi_array(2, 4, data=4),
        multi_array(4, 1, data=4),
        multi_array(4, data=4),
        multi_array(1, 4, data=4, offset=1),
    ],
    ("multi_array", "empty_batch"): [
        multi_array(),
        multi_array(0, 4),
        multi_array(data=4, offset=4),
        multi_array(data=4, offset=2**32 - 1),
    ],
    ("point_cloud", "feature_names"): [
        with_fields("theta1", "theta2", "dx", "speed"),
        with_fields("theta1", "theta2", "dx"),
        with_fields("theta1", "theta2", "dx", "dy", "dz"),
        with_fields("theta1", "theta2", "dx", "dy", "dy"),
        with_fields(),
    ],
    ("point_cloud", "table_layout"): [
        point_cloud(point_step=31),
        point_cloud(point_step=33),
        point_cloud(point_step=0),
        point_cloud(row_step=32),
        point_cloud(row_step=0),
        point_cloud(width=2),
        point_cloud(height=2),
        point_cloud(width=2**32 - 1, height=2**32 - 1),
        point_cloud(data=bytes(95)),
        point_cloud(data=bytes(97)),
        point_cloud(data=bytes(0)),
        point_cloud(is_bigendian=True),
        point_cloud({"datatype": 0}),
        point_cloud({"datatype": 9}),
        point_cloud({"count": 2}),
        point_cloud({"count": 0}),
        point_cloud({"offset": 25}),
        point_cloud({"offset": 2**32 - 1}),
    ],
    ("point_cloud", "empty_batch"): [
        point_cloud(width=0, row_step=0, data=b""),
        point_cloud(height=0, data=b""),
    ],
    ("point_cloud", "frame"): [elsewhere("point_cloud")],
}


@pytest.mark.parametrize(("target_type", "kind"), REFUSED)
def test_a_refused_target_is_counted_and_the_next_is_served(
    nodes: dict[str, StrictHarness], target_type: str, kind: str
) -> None:
    node, messages = nodes[target_type], REFUSED[target_type, kind]
    for message in messages:
        assert node.ask(message) == ([], [])
    n = len(messages)
    node.expect(rows=n, served=n, stamps_unknown=n, **{f"refused_{kind}": n})


@pytest.mark.parametrize("target_type", ["joint_state", "multi_array", "point_cloud"])
def test_a_number_that_is_not_finite_in_the_model_gives_a_row_and_no_command(
    nodes: dict[str, StrictHarness], target_type: str
) -> None:
    node = nodes[target_type]
    for column, value in itertools.product(range(4), (math.nan, math.inf, -math.inf, 1e300)):
        row = [*GOOD]
        row[column] = value
        (table,), commands = node.ask(node.target(tuple(row)))
        assert commands == []
        assert table["in"].tobytes() == rows_of(tuple(row)).tobytes()
        assert (table["source"][0], table["reason"][0]) == (Source.NONE, Reason.BAD_INPUT)
        assert table["bottom"][0] == table["fault"][0] == 1
        assert np.isnan(table["resolved"]).all()
    node.expect(rows=32, served=16, stamps_unknown=32, rejected_bad_input=16)


def test_a_bad_row_does_not_touch_its_neighbours(nodes: dict[str, StrictHarness]) -> None:
    node = nodes["multi_array"]
    (table,), (command,) = node.ask(node.target(GOOD, (np.nan,) * 4, BOTTOM))
    assert table["reason"].tolist() == [Reason.OK, Reason.BAD_INPUT, Reason.BOTTOM]
    served = table.rows[[0, 2]]
    expected = served["in"][:, :2] + served["resolved"]
    assert node.positions(command).tolist() == expected.tolist()
    node.expect(rows=4, served=3, stamps_unknown=2, rejected_bad_input=1)


def test_the_log_says_what_was_wrong(nodes: dict[str, StrictHarness]) -> None:
    """One line per second at most, which the first of each node got."""
    for node in nodes.values():
        assert "target refused: " in node.process.output
        assert "Traceback" not in node.process.output
