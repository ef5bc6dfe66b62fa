"""The layout of a result table: what a reader of raw bytes finds, and where."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.bundle import Bundle
from zeroproof_ros.pipeline import Reason, Source, StrictIK, TableLayout

NAMES = st.lists(st.text(min_size=1, max_size=8) | st.sampled_from(["x", "in.", "decoded.a"]),
                 min_size=1, max_size=6, unique=True).map(tuple)  # fmt: skip
SHIPPED = TableLayout(("theta1", "theta2", "dx", "dy"), ("dtheta1", "dtheta2"))


def test_the_columns_are_those_of_the_documents_in_their_order() -> None:
    assert [column.name for column in SHIPPED.columns] == [
        "x",
        "y",
        "z",
        "in.theta1",
        "in.theta2",
        "in.dx",
        "in.dy",
        "decoded.dtheta1",
        "decoded.dtheta2",
        "resolved.dtheta1",
        "resolved.dtheta2",
        "q_abs",
        "residual",
        "bottom",
        "gap",
        "fault",
        "semantic",
        "source",
        "reason",
    ]


def test_the_dtypes_are_those_of_the_documents() -> None:
    for column in SHIPPED.columns:
        if column.name in "xyz":
            assert column.dtype == np.float32
        elif column.name in ("bottom", "gap", "fault", "semantic", "source", "reason"):
            assert column.dtype == np.uint8
        else:
            assert column.dtype == np.float64


def test_the_codes_are_those_of_the_documents() -> None:
    assert [s.name for s in Source] == ["NONE", "MODEL", "ANALYTIC"]
    assert [r.name for r in Reason] == [
        "OK",
        "BOTTOM",
        "GAP",
        "RESIDUAL",
        "LIMIT",
        "BAD_INPUT",
        "STALE",
        "RUNTIME_ERROR",
        "FALLBACK_FAILED",
    ]
    assert [int(r) for r in Reason] == list(range(9))


@given(NAMES, NAMES)
def test_names_of_columns_make_the_layout_again(features: Any, outputs: Any) -> None:
    layout = TableLayout(features, outputs)
    names = [column.name for column in layout.columns]
    assert len(set(names)) == len(names)
    assert TableLayout.from_column_names(names) == layout


@given(NAMES, NAMES)
def test_columns_are_aligned_and_do_not_overlap(features: Any, outputs: Any) -> None:
    layout = TableLayout(features, outputs)
    end = 0
    for column in layout.columns:
        assert column.offset >= end
        assert column.offset % column.dtype.itemsize == 0
        end = column.offset + column.dtype.itemsize
    assert end <= layout.dtype.itemsize
    assert layout.dtype.itemsize % 8 == 0


def test_every_column_is_read_from_the_bytes_at_its_offset(exact_model: Bundle) -> None:
    table = StrictIK(exact_model).solve(
        np.array([[0.3, 1.2, 0.01, 0.02], [0.0, 0.0, -0.01, 0.0], [np.nan, 0.0, 0.0, 0.0]])
    )
    content, step = table.rows.tobytes(), table.layout.dtype.itemsize
    assert len(content) == 3 * step
    for column in table.layout.columns:
        found = [
            np.frombuffer(content, column.dtype, count=1, offset=row * step + column.offset)[0]
            for row in range(3)
        ]
        field, _, name = column.name.partition(".")
        expected = table[field]
        if name:
            names = table.layout.features if field == "in" else table.layout.outputs
            expected = expected[:, names.index(name)]
        np.testing.assert_array_equal(found, expected, err_msg=column.name)


def test_layouts_are_equal_by_their_names() -> None:
    assert TableLayout(("theta1", "theta2", "dx", "dy"), ("dtheta1", "dtheta2")) == SHIPPED
    assert TableLayout(("theta2", "theta1", "dx", "dy"), ("dtheta1", "dtheta2")) != SHIPPED
    assert SHIPPED.dtype == TableLayout(("a", "b", "c", "d"), ("e", "f")).dtype
