"""Files of rows: the columns by name, and one message per way in which a file is no table."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeroproof_ros.cli.row_file import read_rows
from zeroproof_ros.errors import RowFileError

FEATURES = ("theta1", "theta2", "dx")
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.just(4)), elements=finite), st.data())
def test_both_formats_keep_every_bit_in_the_order_of_the_features(
    tmp_path_factory: pytest.TempPathFactory, table: Any, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    names = data.draw(st.permutations([*FEATURES, "else"]))
    np.savez(folder / "rows.npz", **dict(zip(names, table.T, strict=True)))
    lines = [", ".join(names), *(",".join(map(repr, row)) for row in table.tolist())]
    (folder / "rows.csv").write_text("\n".join(lines), "utf-8")
    expected = table[:, [names.index(name) for name in FEATURES]]
    for name in ("rows.npz", "rows.csv"):
        file = read_rows(folder / name, FEATURES)
        np.testing.assert_array_equal(file.rows, expected)
        assert file.sha256 == hashlib.sha256((folder / name).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 columns called 'theta1', expected one; it has none"),
        ("theta1,theta2\n1,2\n", "has 0 columns called 'dx', .* it has theta1, theta2, expected"),
        ("theta1,theta2,dx,dx\n1,2,3,4\n", "has 2 columns called 'dx'"),
        ("theta1,theta2,dx\n", "has no row, expected at least one"),
        ("theta1,theta2,dx\n1,2,3\n1,2\n", "line 3 has 2 values, expected 3"),
        ("theta1,theta2,dx\n1,2,3\n1,2,3,4\n", "line 3 has 4 values, expected 3"),
        ("theta1,theta2,dx\n1,2,\n", "line 2 has '', expected a number"),
        ("theta1,theta2,dx\n1,two,3\n", "line 2 has 'two', expected a number"),
        ("theta1,theta2,dx\n1,2,3\n1,nan,3\n", "theta2 of row 1 is nan, expected a finite"),
        ("theta1,theta2,dx\n1,2,1e999\n", "dx of row 0 is inf"),
        ('theta1,theta2,dx\n1,2,"3\n', "is not a readable .csv file"),
    ],
)
def test_texts_that_are_no_table_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(RowFileError, match=message) as caught:
        read_rows(path, FEATURES)
    assert caught.value.path == path


def test_text_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"theta1,theta2,dx\n1,2,\xff\n")
    with pytest.raises(RowFileError, match="is not a readable .csv file"):
        read_rows(path, FEATURES)


ONE = np.ones(3)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"theta1": ONE, "theta2": ONE}, "has 0 columns called 'dx'"),
        ({"theta1": ONE, "theta2": ONE, "dx": ONE[:2]}, r"dx has shape \(2,\).* of shape \(3,\)"),
        ({"theta1": ONE, "theta2": ONE[:, None], "dx": ONE}, r"theta2 has shape \(3, 1\)"),
        ({"theta1": ONE, "theta2": ONE, "dx": ONE > 0}, "dx has .* dtype bool"),
        ({"theta1": ONE, "theta2": ONE, "dx": 1j * ONE}, "dx has .* dtype complex128"),
        ({"theta1": ONE, "theta2": ONE, "dx": np.array(1.0)}, r"dx has shape \(\)"),
        ({"theta1": ONE, "theta2": ONE, "dx": np.array([None] * 3)}, "is not a readable .npz"),
        ({"theta1": ONE[:0], "theta2": ONE[:0], "dx": ONE[:0]}, "has no row"),
        ({"theta1": ONE, "theta2": ONE, "dx": np.array([1, np.nan, 1])}, "dx of row 1 is nan"),
    ],
)
def test_arrays_that_are_no_table_are_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "rows.npz", **arrays)
    with pytest.raises(RowFileError, match=message):
        read_rows(tmp_path / "rows.npz", FEATURES)


def test_whole_numbers_and_float32_are_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", theta1=[1], theta2=np.float32([0.5]), dx=np.uint8([3]))
    assert read_rows(tmp_path / "rows.npz", FEATURES).rows.tolist() == [[1.0, 0.5, 3.0]]


@given(st.data())
def test_a_damaged_archive_is_refused_or_holds_the_table(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.npz"
    np.savez_compressed(path, theta1=ONE, theta2=ONE, dx=ONE)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        rows = read_rows(path, FEATURES).rows
    except RowFileError:
        return
    assert rows.shape == (3, 3)
    assert np.isfinite(rows).all()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RowFileError, match=r"ends in '.txt', expected .npz or .csv"):
        read_rows(tmp_path / "rows.txt", FEATURES)
    for name in ("none.npz", "none.csv"):
        with pytest.raises(RowFileError, match="is not a readable file: No such file"):
            read_rows(tmp_path / name, FEATURES)
    for content in (b"", b"PK\x03\x04 cut off", b"neither"):
        (tmp_path / "rows.npz").write_bytes(content)
        with pytest.raises(RowFileError, match="is not a readable .npz file"):
            read_rows(tmp_path / "rows.npz", FEATURES)
    with (tmp_path / "rows.npz").open("wb") as file:
        np.save(file, ONE)
    with pytest.raises(
        RowFileError, match="has 0 columns called 'theta1', expected one; it has none"
    ):
        read_rows(tmp_path / "rows.npz", FEATURES)
