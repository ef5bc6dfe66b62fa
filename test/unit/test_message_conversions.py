"""Messages and arrays are each other's mirror, and what is no table is refused by name."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytest.importorskip("sensor_msgs", reason="the ROS message packages")

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from sensor_msgs.msg import JointState, PointCloud2, PointField
from std_msgs.msg import Float64MultiArray, Header, MultiArrayDimension
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from zeroproof_ros.bundle import Bundle
from zeroproof_ros.errors import (
    EmptyBatchError,
    FeatureNamesError,
    FrameError,
    MessageRefusedError,
    TableLayoutError,
    WidthError,
)
from zeroproof_ros.messages import commands, diagnostics, info, point_cloud, rates, results, targets
from zeroproof_ros.monitor import Rates, RowCounts, ValidatedRates
from zeroproof_ros.pipeline import ResultTable, StrictIK, TableLayout

FEATURES = ("theta1", "theta2", "dx", "dy")
JOINTS = ("joint1", "joint2")
HEADER = Header(frame_id="base_link")
HEADER.stamp.sec, HEADER.stamp.nanosec = 7, 9
WRITE: dict[str, Callable[..., Any]] = {
    "joint_state": lambda rows, names: targets.joint_state_from_rows(rows, names, HEADER),
    "multi_array": targets.multi_array_from_rows,
    "point_cloud": lambda rows, names: targets.point_cloud_from_rows(rows, names, HEADER),
}

any_float = st.floats(width=64)
batches = st.integers(1, 6).flatmap(lambda n: hnp.arrays(np.float64, (n, 4), elements=any_float))


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    """Bit for bit, so that a NaN equals itself and 0.0 is not -0.0."""
    return found.shape == expected.shape and found.tobytes() == expected.tobytes()


# Targets


@pytest.mark.parametrize("target_type", targets.TARGET_TYPES)
@given(rows=batches)
def test_targets_come_back_as_they_went(target_type: str, rows: np.ndarray) -> None:
    rows = rows[:1] if target_type == "joint_state" else rows
    message_type, read = targets.TARGET_TYPES[target_type]
    message = WRITE[target_type](rows, FEATURES)
    assert isinstance(message, message_type)
    assert same(read(message, FEATURES), rows)


@given(rows=batches, order=st.permutations(range(4)))
def test_named_columns_may_come_in_any_order(rows: np.ndarray, order: list[int]) -> None:
    names = [FEATURES[i] for i in order]
    one = WRITE["joint_state"](np.ascontiguousarray(rows[:1, order]), names)
    assert same(targets.rows_from_joint_state(one, FEATURES), rows[:1])
    table = WRITE["point_cloud"](np.ascontiguousarray(rows[:, order]), names)
    assert same(targets.rows_from_point_cloud(table, FEATURES), rows)


@pytest.mark.parametrize(("dtype", "datatype"), point_cloud.DATATYPES.items(), ids=str)
def test_columns_of_every_datatype_with_gaps_on_several_lines(
    dtype: np.dtype[Any], datatype: int
) -> None:
    table = np.zeros(6, {"names": ["b", "a"], "formats": [dtype, "f8"], "offsets": [3, 16],
                         "itemsize": 29})  # fmt: skip
    table["a"], table["b"] = np.arange(6) / 8, np.arange(1, 7)
    message = PointCloud2(
        height=2,
        width=3,
        fields=[
            PointField(name="b", offset=3, datatype=datatype, count=1),
            PointField(name="a", offset=16, datatype=PointField.FLOAT64, count=1),
        ],
        point_step=29,
        row_step=87,
        data=table.tobytes(),
    )
    found = targets.rows_from_point_cloud(message, ("a", "b"))
    assert same(found, np.stack([np.arange(6) / 8, np.arange(1.0, 7.0)], axis=1))


def test_a_multi_array_needs_no_layout_and_may_have_an_offset() -> None:
    rows = np.arange(8.0).reshape(2, 4)
    assert same(targets.rows_from_multi_array(Float64MultiArray(data=rows.ravel()), FEATURES), rows)
    message = Float64MultiArray(data=[-1.0, *rows.ravel()])
    message.layout.data_offset = 1
    assert same(targets.rows_from_multi_array(message, FEATURES), rows)


def test_what_is_read_is_not_the_memory_of_the_message() -> None:
    for target_type, (_, read) in targets.TARGET_TYPES.items():
        message = WRITE[target_type](np.ones((1, 4)), FEATURES)
        rows = read(message, FEATURES)
        rows[:] = 5.0
        assert same(read(message, FEATURES), np.ones((1, 4)))


def joint_state(names: str, count: int) -> JointState:
    return JointState(name=names.split(), position=[0.0] * count)


@pytest.mark.parametrize(
    ("message", "error", "match"),
    [
        (JointState(), EmptyBatchError, r"no names and no positions"),
        (
            joint_state("theta1 theta2 dx speed", 4),
            FeatureNamesError,
            r"missing: dy; unknown: speed; given twice: none; expected exactly theta1, theta2",
        ),
        (joint_state("dx", 1), FeatureNamesError, r"missing: dy, theta1, theta2; unknown: none"),
        (joint_state("", 4), FeatureNamesError, r"the names are none; missing: dx, dy"),
        (
            joint_state("theta1 theta2 dx dx", 4),
            FeatureNamesError,
            r"missing: dy; unknown: none; given twice: dx",
        ),
        (joint_state("theta1 theta2 dx dy dy", 5), FeatureNamesError, r"given twice: dy"),
        (joint_state("theta1 theta2 dx dy", 3), WidthError, r"4 names and 3 positions"),
        (joint_state("theta1 theta2 dx dy", 5), WidthError, r"4 names and 5 positions"),
    ],
)
def test_joint_states_that_are_refused(
    message: JointState, error: type[MessageRefusedError], match: str
) -> None:
    with pytest.raises(error, match=match):
        targets.rows_from_joint_state(message, FEATURES)


def multi_array(*sizes: int, data: int, offset: int = 0) -> Float64MultiArray:
    message = Float64MultiArray(data=[0.0] * data)
    message.layout.data_offset = offset
    message.layout.dim = [MultiArrayDimension(size=size) for size in sizes]
    return message


@pytest.mark.parametrize(
    ("message", "error", "match"),
    [
        (multi_array(data=0), EmptyBatchError, r"no data after data_offset 0"),
        (multi_array(0, 4, data=0), EmptyBatchError, r"no data"),
        (multi_array(data=4, offset=4), EmptyBatchError, r"no data after data_offset 4"),
        (multi_array(data=4, offset=2**32 - 1), EmptyBatchError, r"data_offset 4294967295"),
        (multi_array(data=5), WidthError, r"5 values make no whole rows of 4"),
        (multi_array(data=3), WidthError, r"3 values make no whole rows of 4"),
        (multi_array(1, 4, data=8), WidthError, r"sizes \[1, 4\] for 8 values, expected \[N, 4\]"),
        (multi_array(2, 4, data=4), WidthError, r"sizes \[2, 4\] for 4 values"),
        (multi_array(4, 1, data=4), WidthError, r"sizes \[4, 1\]"),
        (multi_array(4, data=4), WidthError, r"sizes \[4\]"),
        (multi_array(1, 1, 4, data=4), WidthError, r"sizes \[1, 1, 4\]"),
        (multi_array(1, 4, data=4, offset=1), WidthError, r"for 3 values"),
    ],
)
def test_multi_arrays_that_are_refused(
    message: Float64MultiArray, error: type[MessageRefusedError], match: str
) -> None:
    with pytest.raises(error, match=match):
        targets.rows_from_multi_array(message, FEATURES)


def cloud(field: dict[str, Any] | None = None, **changes: Any) -> PointCloud2:
    """A good cloud of three points with changes to it and to its last field."""
    message = copy.deepcopy(WRITE["point_cloud"](np.zeros((3, 4)), FEATURES))
    for owner, attributes in ((message, changes), (message.fields[-1], field or {})):
        for name, value in attributes.items():
            setattr(owner, name, value)
    return message


@pytest.mark.parametrize(
    ("message", "error", "match"),
    [
        (cloud({"name": "speed"}), FeatureNamesError, r"missing: dy; unknown: speed"),
        (cloud({"name": "dx"}), FeatureNamesError, r"missing: dy; unknown: none; given twice: dx"),
        (cloud(fields=[]), FeatureNamesError, r"the names are none"),
        (cloud(width=0, row_step=0, data=b""), EmptyBatchError, r"no points"),
        (cloud(height=0, data=b""), EmptyBatchError, r"no points"),
        (cloud(is_bigendian=True), TableLayoutError, r"big-endian, expected little-endian"),
        (cloud({"datatype": 0}), TableLayoutError, r"field dy has datatype 0 and count 1"),
        (cloud({"datatype": 9}), TableLayoutError, r"datatype 9 .* expected a datatype of 1 to 8"),
        (cloud({"count": 0}), TableLayoutError, r"count 0, expected .* count 1"),
        (cloud({"count": 3}), TableLayoutError, r"count 3"),
        (cloud({"offset": 25}), TableLayoutError, r"field dy ends past point_step 32"),
        (cloud(point_step=31), TableLayoutError, r"field dy ends past point_step 31"),
        (cloud(point_step=0), TableLayoutError, r"field theta1 ends past point_step 0"),
        (cloud(point_step=40), TableLayoutError, r"1 x 3 points of point_step 40"),
        (cloud(row_step=0), TableLayoutError, r"row_step 0 do not fit 96 bytes"),
        (cloud(width=2), TableLayoutError, r"1 x 2 points"),
        (cloud(height=2), TableLayoutError, r"2 x 3 points"),
        (cloud(data=bytes(95)), TableLayoutError, r"do not fit 95 bytes"),
        (cloud(data=bytes(97)), TableLayoutError, r"do not fit 97 bytes"),
        (cloud(width=2**32 - 1, height=2**32 - 1), TableLayoutError, r"do not fit 96 bytes"),
    ],
)
def test_point_clouds_that_are_refused(
    message: PointCloud2, error: type[MessageRefusedError], match: str
) -> None:
    with pytest.raises(error, match=match):
        targets.rows_from_point_cloud(message, FEATURES)


def test_refusals_carry_what_was_found_and_expected() -> None:
    with pytest.raises(WidthError, match="as many of each") as refused:
        targets.rows_from_joint_state(joint_state("theta1 theta2 dx dy", 3), FEATURES)
    assert (refused.value.found, refused.value.expected) == (3, 4)
    with pytest.raises(FeatureNamesError, match="in any order") as refused:
        targets.rows_from_joint_state(joint_state("a b", 2), FEATURES)
    assert (refused.value.found, refused.value.expected) == (("a", "b"), FEATURES)


def test_every_refusal_has_a_kind_of_its_own() -> None:
    kinds = [error.kind for error in MessageRefusedError.__subclasses__()]
    assert len(set(kinds)) == len(kinds)
    assert MessageRefusedError.kind not in kinds


def test_frames() -> None:
    for frame in ("", "base_link"):
        targets._check_frame(Header(frame_id=frame), "base_link")
    with pytest.raises(FrameError, match="in frame 'map', the bundle answers in 'base_link'"):
        targets._check_frame(Header(frame_id="map"), "base_link")
    with pytest.raises(FrameError, match="transform the target first"):
        targets._check_frame(Header(frame_id="base_link "), "base_link")


# Commands


@pytest.mark.parametrize("command_type", commands.COMMAND_TYPES)
@given(positions=batches.map(lambda rows: np.ascontiguousarray(rows[:, :2])))
def test_commands_come_back_as_they_went(command_type: str, positions: np.ndarray) -> None:
    command = commands.COMMAND_TYPES[command_type]
    positions = positions[:1] if command.single else positions
    form = commands.CommandFormat(JOINTS, 0.1)
    message = command.write(positions, form, HEADER)
    assert isinstance(message, command.message)
    assert same(command.read(message, JOINTS), positions)


def test_joints_of_a_trajectory_may_come_in_any_order() -> None:
    message = JointTrajectory(joint_names=["joint2", "joint1"])
    message.points = [JointTrajectoryPoint(positions=[2.0, 1.0])]
    assert commands.positions_from_trajectory(message, JOINTS).tolist() == [[1.0, 2.0]]
    assert commands.positions_from_trajectory(
        JointTrajectory(joint_names=list(JOINTS)), JOINTS
    ).shape == (0, 2)


@given(duration=st.floats(1e-4, 60.0), points=st.integers(1, 200))
def test_points_are_a_step_apart(duration: float, points: int) -> None:
    form = commands.CommandFormat(JOINTS, duration)
    message = commands.trajectory_from_positions(np.zeros((points, 2)), form, HEADER)
    for k, point in enumerate(message.points, start=1):
        time = point.time_from_start
        assert 0 <= time.nanosec < 10**9
        assert time.sec * 10**9 + time.nanosec == pytest.approx(k * duration * 1e9, abs=0.5 + 1e-4)
    # it starts on arrival, and its frame is the target's
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (0, 0)
    assert message.header.frame_id == "base_link"


def test_trajectories_that_are_refused() -> None:
    other = JointTrajectory(joint_names=["joint1", "joint3"])
    with pytest.raises(FeatureNamesError, match="joints are joint1, joint3, expected joint1, joi"):
        commands.positions_from_trajectory(other, JOINTS)
    with pytest.raises(FeatureNamesError, match="joints are joint1, joint1"):
        commands.positions_from_trajectory(
            JointTrajectory(joint_names=["joint1", "joint1"]), JOINTS
        )
    short = JointTrajectory(joint_names=list(JOINTS))
    short.points = [JointTrajectoryPoint(positions=[1.0, 2.0]), JointTrajectoryPoint()]
    with pytest.raises(WidthError, match="a point has 0 positions for 2 joints"):
        commands.positions_from_trajectory(short, JOINTS)


# Results


@pytest.fixture
def table(exact_model: Bundle) -> ResultTable:
    rows = np.array([[0.3, 1.2, 0.01, -0.02], [0.3, 0.0, -0.01, 0.0], [np.nan, 1, 0, 0]])
    return StrictIK(exact_model).solve(rows)


def test_results_come_back_as_they_went(table: ResultTable) -> None:
    for rows in (table.rows, table.rows[:1], table.rows[:0]):
        message = results.result_to_msg(ResultTable(table.layout, rows), HEADER)
        assert message.header == HEADER
        assert (message.height, message.width, message.is_dense) == (1, len(rows), False)
        back = results.result_from_msg(message)
        assert back.layout == table.layout
        assert back.rows.dtype == table.layout.dtype
        for name in back.rows.dtype.names:
            assert back[name].tobytes() == rows[name].tobytes()


def test_a_viewer_finds_x_y_z_as_float32_and_the_columns_in_order(table: ResultTable) -> None:
    message = results.result_to_msg(table, HEADER)
    names = [field.name for field in message.fields]
    assert names == [column.name for column in table.layout.columns]
    assert names[:3] == ["x", "y", "z"]
    assert {f.datatype for f in message.fields[:3]} == {PointField.FLOAT32}
    assert {f.datatype for f in message.fields[3:13]} == {PointField.FLOAT64}
    assert {f.datatype for f in message.fields[13:]} == {PointField.UINT8}


def test_results_that_are_refused(table: ResultTable) -> None:
    def spoiled(**changes: Any) -> PointCloud2:
        message = copy.deepcopy(results.result_to_msg(table, HEADER))
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    fields = results.result_to_msg(table, HEADER).fields
    step = table.layout.dtype.itemsize
    for message, match in (
        (spoiled(fields=fields[:-1]), "not a result: columns"),
        (spoiled(fields=fields[::-1]), "not a result: columns"),
        (spoiled(fields=[*fields, fields[0]]), "a field name is given twice"),
        (spoiled(point_step=step + 8, row_step=3 * step + 24, data=bytes(3 * step + 24)),
         "not a result"),
        (spoiled(data=b""), "do not fit 0 bytes"),
        (PointCloud2(width=1, height=1, point_step=4, row_step=4, data=bytes(4)), "not a result"),
        (PointCloud2(), "point_step is 0, expected at least 1"),
        (PointCloud2(width=2**32 - 1, height=2**32 - 1), "point_step is 0"),
    ):  # fmt: skip
        with pytest.raises(TableLayoutError, match=match):
            results.result_from_msg(message)


@given(features=st.integers(1, 9), outputs=st.integers(1, 9), rows=st.integers(0, 3))
def test_results_of_every_width(features: int, outputs: int, rows: int) -> None:
    layout = TableLayout(
        tuple(f"f{i}" for i in range(features)), tuple(f"o{i}" for i in range(outputs))
    )
    table = ResultTable(layout, np.zeros(rows, dtype=layout.dtype))
    back = results.result_from_msg(results.result_to_msg(table, HEADER))
    assert (back.layout, len(back)) == (layout, rows)


# Rates, diagnostics, info


@given(
    spans=st.dictionaries(
        st.sampled_from(["all", "window", "hour"]),
        st.fixed_dictionaries(dict.fromkeys(Rates.names(), any_float)).map(Rates.from_dict),
        min_size=1,
    )
)
def test_rates_come_back_as_they_went(spans: dict[str, Rates]) -> None:
    message = rates.rates_to_msg(spans)
    back = rates.rates_from_msg(message)
    assert list(back) == list(spans)
    assert repr(back) == repr(spans)
    assert [d.label for d in message.layout.dim] == [
        ",".join(spans),
        ",".join(Rates.names()),
    ]
    sizes = [d.size for d in message.layout.dim]
    assert [d.stride for d in message.layout.dim] == [len(message.data), sizes[1]]
    assert sizes[0] * sizes[1] == len(message.data)


def test_rates_of_nothing_are_not_a_number() -> None:
    back = rates.rates_from_msg(rates.rates_to_msg({"all": Rates.of(RowCounts(), 0.0)}))
    assert back["all"].rows == 0.0
    assert math.isnan(back["all"].coverage)


@pytest.mark.parametrize("level", [diagnostics.OK, diagnostics.WARN, diagnostics.ERROR])
def test_a_status(level: int) -> None:
    values = {"n": 3, "share": 0.1234567, "names": ("a", 0.5), "none": None, "empty": ()}
    status = diagnostics.status_to_msg(
        "node: task", hardware_id="arm", level=level, message="all is well", values=values
    )
    assert isinstance(status, DiagnosticStatus)
    assert (status.name, status.hardware_id, status.message) == ("node: task", "arm", "all is well")
    assert status.level == bytes([level])
    assert diagnostics.values_from_msg(status) == {
        "n": "3", "share": "0.123457", "names": "a,0.5", "none": "None", "empty": "",
    }  # fmt: skip


def test_levels_are_those_of_ros() -> None:
    for name in ("OK", "WARN", "ERROR"):
        assert bytes([getattr(diagnostics, name)]) == getattr(DiagnosticStatus, name)


def with_validation(bundle: Bundle, validation: Any) -> StrictIK:
    return StrictIK(replace(bundle, deployment=replace(bundle.deployment, validation=validation)))


@given(total=st.integers(1, 10**9), bottom=st.floats(0.0, 1.0), gap=st.floats(0.0, 1.0))
def test_validated_rates_come_back_to_the_last_digit(
    exact_model: Bundle, total: int, bottom: float, gap: float
) -> None:
    gap *= 1.0 - bottom
    rates = {
        "coverage": max(0.0, 1.0 - bottom - gap),
        "bottom_rate": bottom,
        "gap_rate": gap,
        "total_predictions": total,
    }
    status = info.info_to_msg(with_validation(exact_model, {"rates": rates}), "node: bundle")
    back = info.info_from_msg(status)
    assert back == info.Info(exact_model.id, exact_model.digest, ValidatedRates(**rates), "")


def test_why_there_are_no_validated_rates_is_told(exact_model: Bundle) -> None:
    for validation, why in (
        ({}, "the bundle has no validated rates"),
        ({"rates": {"coverage": 1}}, "the bundle has no validated rates"),
        (
            {"rates": dict.fromkeys(info.VALIDATED, "\x1b[2J")},
            "validated rates (coverage, bottom, gap) are",
        ),
    ):
        status = info.info_to_msg(with_validation(exact_model, validation), "node: bundle")
        back = info.info_from_msg(status)
        assert (back.digest, back.validated) == (exact_model.digest, None)
        assert back.not_validated.startswith(why)
        assert back.not_validated.isprintable()


def test_info_of_nothing_and_of_others(exact_model: Bundle) -> None:
    nothing = info.info_from_msg(info.nothing_to_msg("node: bundle"))
    assert nothing == info.Info("", "", None, "the bundle has no validated rates")
    # a node that is older, or none of ours, or tells numbers that are none
    status = info.info_to_msg(StrictIK(exact_model), "node: bundle")
    told = {"coverage": "1.0", "bottom_rate": "x", "gap_rate": "NaN", "total_predictions": "1e9"}
    status.values = [KeyValue(key=info.VALIDATED[name], value=text) for name, text in told.items()]
    back = info.info_from_msg(status)
    assert (back.digest, back.validated) == ("", None)
    assert "expected shares that are 1 together" in back.not_validated


def test_info_says_what_serves(exact_model: Bundle) -> None:
    ik = StrictIK(exact_model)
    status = info.info_to_msg(ik, "node: bundle")
    values = diagnostics.values_from_msg(status)
    assert status.hardware_id == exact_model.id
    assert values["bundle_digest"] == exact_model.digest
    assert (values["tau_infer"], values["tau_train"]) == ("0.02", "0.05")
    assert values["joint_names"] == "joint1,joint2"
    assert values["max_batch"] == "65536"
    assert values["columns"].split(",") == [column.name for column in ik.layout.columns]
