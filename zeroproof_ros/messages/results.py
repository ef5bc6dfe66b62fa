"""Result tables: `ResultTable` <-> PointCloud2."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from zeroproof_ros.errors import TableLayoutError
from zeroproof_ros.messages.point_cloud import point_fields, point_rows, to_bytes
from zeroproof_ros.pipeline import ResultTable, TableLayout


def result_to_msg(table: ResultTable, header: Header) -> PointCloud2:
    """The table as a point cloud, one point per row; `x y z` let viewers draw it."""
    step = table.layout.dtype.itemsize
    return PointCloud2(
        header=header,
        height=1,
        width=len(table),
        fields=_fields(table.layout),
        point_step=step,
        row_step=step * len(table),
        data=to_bytes(table.rows),
        # rows without an answer hold NaN
        is_dense=False,
    )


def result_from_msg(message: Any) -> ResultTable:
    """The table a result message holds.

    Raises:
        TableLayoutError: the message is no table, or its columns are not those of a result.
    """
    points = point_rows(message)
    layout = TableLayout.from_column_names([field.name for field in message.fields])
    found = [(f.name, f.offset, f.datatype) for f in message.fields]
    expected = [(f.name, f.offset, f.datatype) for f in _fields(layout)]
    if found != expected or message.point_step != layout.dtype.itemsize:
        raise TableLayoutError(
            f"not a result: columns (name, offset, datatype) are {found}, expected {expected}",
            found=found,
            expected=expected,
        )
    return ResultTable(layout, points.view(layout.dtype) if len(points) else _no_rows(layout))


@lru_cache(maxsize=8)
def _fields(layout: TableLayout) -> list[PointField]:
    return point_fields((column.name, column.offset, column.dtype) for column in layout.columns)


def _no_rows(layout: TableLayout) -> np.ndarray[Any, np.dtype[Any]]:
    return np.empty(0, dtype=layout.dtype)
