"""Joint targets: messages <-> rows (N, F) whose columns are the features of a deployment."""

from __future__ import annotations

import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import JointState, PointCloud2
from std_msgs.msg import Float64MultiArray, Header, MultiArrayDimension

from zeroproof_ros.bundle import Deployment
from zeroproof_ros.errors import EmptyBatchError, FeatureNamesError, FrameError, WidthError
from zeroproof_ros.messages.point_cloud import point_fields, point_rows, to_bytes

Rows = NDArray[np.float64]
NANOSECONDS = 1_000_000_000


def rows_from_joint_state(message: Any, features: Sequence[str]) -> Rows:
    """One row from the `position` of a JointState whose names are the features, in any order.

    Raises:
        FeatureNamesError: a name is missing, unknown or given twice.
        WidthError: other numbers of names and positions.
        EmptyBatchError: no names at all.
    """
    names, values = list(message.name), message.position
    if not names and not len(values):
        raise EmptyBatchError("the joint state has no names and no positions")
    _check_names(names, features)
    if len(values) != len(names):
        raise WidthError(
            f"{len(names)} names and {len(values)} positions, expected as many of each",
            found=len(values),
            expected=len(names),
        )
    row = np.array(values, dtype=np.float64)
    if names != list(features):
        row = row[[names.index(feature) for feature in features]]
    return row[None, :]


def joint_state_from_rows(rows: Rows, features: Sequence[str], header: Header) -> JointState:
    """The mirror of `rows_from_joint_state`, for one row (1, F)."""
    return JointState(header=header, name=list(features), position=_doubles(rows))


def rows_from_multi_array(message: Any, features: Sequence[str]) -> Rows:
    """Rows from a Float64MultiArray, N x F in row order.

    Without a layout the data must make whole rows; with one, its sizes must be N and F.

    Raises:
        WidthError: data that make no whole rows, or contradict the layout.
        EmptyBatchError: no data.
    """
    width, offset = len(features), message.layout.data_offset
    data = np.array(message.data, dtype=np.float64)[offset:]
    if not data.size:
        raise EmptyBatchError(f"the array has no data after data_offset {offset}")
    sizes = [dimension.size for dimension in message.layout.dim]
    if sizes and (len(sizes) != 2 or sizes[1] != width or sizes[0] * sizes[1] != data.size):
        raise WidthError(
            f"the layout has sizes {sizes} for {data.size} values, expected [N, {width}] with the "
            f"columns {', '.join(features)}",
            found=sizes,
            expected=("N", width),
        )
    if data.size % width:
        raise WidthError(
            f"{data.size} values make no whole rows of {width} ({', '.join(features)})",
            found=data.size,
            expected=f"a multiple of {width}",
        )
    return data.reshape(-1, width)


def multi_array_from_rows(rows: Rows, columns: Sequence[str]) -> Float64MultiArray:
    """A Float64MultiArray N x F that says its sizes; the mirror of `rows_from_multi_array`."""
    message = Float64MultiArray(data=_doubles(rows))
    message.layout.dim = [
        MultiArrayDimension(label="rows", size=len(rows), stride=rows.size),
        MultiArrayDimension(label=",".join(columns), size=len(columns), stride=len(columns)),
    ]
    return message


def rows_from_point_cloud(message: Any, features: Sequence[str]) -> Rows:
    """Rows from a PointCloud2 whose fields are the features, in any order.

    Raises:
        FeatureNamesError: a field is missing, unknown or given twice.
        TableLayoutError: steps, offsets, datatypes or byte order do not make a table.
        EmptyBatchError: no points.
    """
    _check_names([field.name for field in message.fields], features)
    points = point_rows(message)
    if not len(points):
        raise EmptyBatchError("the point cloud has no points")
    return np.array([points[feature] for feature in features], dtype=np.float64).T


def point_cloud_from_rows(rows: Rows, features: Sequence[str], header: Header) -> PointCloud2:
    """A PointCloud2 with one float64 field per feature; the mirror of `rows_from_point_cloud`."""
    return PointCloud2(
        header=header,
        height=1,
        width=len(rows),
        fields=point_fields((name, 8 * index, np.float64) for index, name in enumerate(features)),
        point_step=8 * len(features),
        row_step=8 * rows.size,
        data=to_bytes(rows),
        is_dense=bool(np.isfinite(rows).all()),
    )


# Per `target_type`: the message and how to read it.
TARGET_TYPES: dict[str, tuple[type, Callable[[Any, Sequence[str]], Rows]]] = {
    "joint_state": (JointState, rows_from_joint_state),
    "multi_array": (Float64MultiArray, rows_from_multi_array),
    "point_cloud": (PointCloud2, rows_from_point_cloud),
}


@dataclass(frozen=True)
class TargetFormat:
    """What a target has to fit, as a deployment tells it too.

    Attributes:
        features: the F columns of a row.
        base_frame: the frame of its task columns.
    """

    features: tuple[str, ...]
    base_frame: str


@dataclass(frozen=True, eq=False)
class Target:
    """A target message, read.

    Attributes:
        rows: (N, F) the features of a deployment.
        header: of whatever answers it: the stamp of the message, or when it came if it has none,
            in the base frame.
        stamp_ns: the stamp of the message, 0 where it has none.
    """

    rows: Rows
    header: Header
    stamp_ns: int


def read_target(
    message: Any, target_type: str, form: Deployment | TargetFormat, *, arrival_ns: int
) -> Target:
    """Read a message of a `target_type`; an empty frame counts as the base frame.

    Raises:
        MessageRefusedError: another frame, other columns, or values that make no rows.
    """
    header = getattr(message, "header", None)
    if header is None:
        stamp_ns, sec, nanosec = 0, *divmod(arrival_ns, NANOSECONDS)
    else:
        _check_frame(header, form.base_frame)
        sec, nanosec = int(header.stamp.sec), int(header.stamp.nanosec)
        stamp_ns = sec * NANOSECONDS + nanosec
    _, read = TARGET_TYPES[target_type]
    return Target(
        rows=read(message, form.features),
        header=Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=form.base_frame),
        stamp_ns=stamp_ns,
    )


def _check_frame(header: Any, base_frame: str) -> None:
    if header.frame_id not in ("", base_frame):
        raise FrameError(
            f"the target is in frame {header.frame_id!r}, the bundle answers in {base_frame!r}; "
            "transform the target first",
            found=header.frame_id,
            expected=base_frame,
        )


def _check_names(names: Sequence[str], features: Sequence[str]) -> None:
    if sorted(names) == sorted(features):
        return
    twice = sorted({name for name in names if names.count(name) > 1})
    raise FeatureNamesError(
        f"the names are {', '.join(names) or 'none'}; missing: "
        f"{', '.join(sorted(set(features) - set(names))) or 'none'}; unknown: "
        f"{', '.join(sorted(set(names) - set(features))) or 'none'}; given twice: "
        f"{', '.join(twice) or 'none'}; expected exactly {', '.join(features)} in any order",
        found=tuple(names),
        expected=tuple(features),
    )


def _doubles(rows: Rows) -> array.array[float]:
    """A message field of doubles; from bytes, as elements of a list would be converted singly."""
    field = array.array("d")
    field.frombytes(np.ascontiguousarray(rows, dtype=np.float64).tobytes())
    return field
