"""PointCloud2 as a table: one point per row, one field per column."""

from __future__ import annotations

import array
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sensor_msgs.msg import PointField

from zeroproof_ros.errors import TableLayoutError

DATATYPES: dict[np.dtype[Any], int] = {
    np.dtype(np.int8): PointField.INT8,
    np.dtype(np.uint8): PointField.UINT8,
    np.dtype(np.int16): PointField.INT16,
    np.dtype(np.uint16): PointField.UINT16,
    np.dtype(np.int32): PointField.INT32,
    np.dtype(np.uint32): PointField.UINT32,
    np.dtype(np.float32): PointField.FLOAT32,
    np.dtype(np.float64): PointField.FLOAT64,
}
DTYPES = {datatype: dtype for dtype, datatype in DATATYPES.items()}


def point_fields(columns: Iterable[tuple[str, int, DTypeLike]]) -> list[PointField]:
    """Fields for columns given as name, byte offset and dtype."""
    return [
        PointField(name=name, offset=offset, datatype=DATATYPES[np.dtype(dtype)], count=1)
        for name, offset, dtype in columns
    ]


def point_rows(message: Any) -> NDArray[Any]:
    """The points as a structured array with one field per column, read-only, not copied.

    Raises:
        TableLayoutError: big-endian data, fields of an unknown datatype, with a count other than
            1 or past the point step, names given twice, a point step of 0, or data whose length
            does not follow from the steps.
    """
    _refuse(message.is_bigendian, "the data are big-endian, expected little-endian")
    step, rows = message.point_step, message.height * message.width
    names = [field.name for field in message.fields]
    _refuse(len(set(names)) < len(names), f"a field name is given twice in {', '.join(names)}")
    for field in message.fields:
        dtype = DTYPES.get(field.datatype)
        _refuse(
            dtype is None or field.count != 1,
            f"field {field.name} has datatype {field.datatype} and count {field.count}, expected "
            f"a datatype of 1 to {len(DTYPES)} and count 1",
        )
        _refuse(
            dtype is not None and field.offset + dtype.itemsize > step,
            f"field {field.name} ends past point_step {step}",
        )
    # without fields any number of points would fit no bytes
    _refuse(step < 1, f"point_step is {step}, expected at least 1")
    size = len(message.data)
    _refuse(
        size != rows * step or message.row_step != message.width * step,
        f"{message.height} x {message.width} points of point_step {step} with row_step "
        f"{message.row_step} do not fit {size} bytes; expected row_step = width * point_step and "
        "height * row_step bytes",
    )
    table = np.dtype(
        {
            "names": names,
            "formats": [DTYPES[field.datatype] for field in message.fields],
            "offsets": [field.offset for field in message.fields],
            "itemsize": step,
        }
    )
    return np.frombuffer(bytes(message.data), dtype=table, count=rows)


def to_bytes(rows: NDArray[Any]) -> array.array[int]:
    """The memory of an array as a message field of bytes."""
    field = array.array("B")
    field.frombytes(np.ascontiguousarray(rows).view(np.uint8).data)
    return field


def _refuse(broken: bool, what: str) -> None:
    if broken:
        raise TableLayoutError(f"not a table: {what}", found=what)
