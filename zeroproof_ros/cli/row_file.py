"""Rows of a bundle from a file: .npz with an array per feature, or .csv with a line of names."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zeroproof_ros.errors import RowFileError
from zeroproof_ros.kinematics.limits import FloatArray


@dataclass(frozen=True, eq=False)
class RowFile:
    """What was read: rows (N, F), N >= 1, all finite, and the SHA-256 of the file."""

    rows: FloatArray
    sha256: str


def read_rows(path: Path, features: Sequence[str]) -> RowFile:
    """The columns of a file that are called like the features, in their order.

    An .npz file holds an array (N,) of numbers under each name; a .csv file has names in its first
    line and a number for each in every other, separated by commas. Columns of other names are not
    looked at, and the order in the file means nothing.

    Args:
        path: of the file; its suffix tells the format.
        features: names of the F columns.

    Raises:
        RowFileError: another suffix, not readable, a column that is missing or there twice, or
            something else than one finite number per row and column; the message names it.
    """
    readers = {".npz": _read_npz, ".csv": _read_csv}
    if path.suffix not in readers:
        raise RowFileError(
            f"{path} ends in {path.suffix!r}, expected {' or '.join(readers)}",
            found=path.suffix,
            expected=tuple(readers),
            path=path,
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RowFileError(f"{path} is not a readable file: {error.strerror}", path=path) from error
    rows = readers[path.suffix](path, content, features)
    if not len(rows):
        raise RowFileError(f"{path} has no row, expected at least one", found=0, path=path)
    finite = np.isfinite(rows)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise RowFileError(
            f"{path}: {features[column]} of row {row} is {rows[row, column]}, expected a finite "
            "number; rows count from 0",
            found=float(rows[row, column]),
            path=path,
        )
    return RowFile(rows, hashlib.sha256(content).hexdigest())


def _read_npz(path: Path, content: bytes, features: Sequence[str]) -> FloatArray:
    try:
        # A pickle could run code.
        file = np.load(io.BytesIO(content), allow_pickle=False)
        names = file.files if isinstance(file, np.lib.npyio.NpzFile) else []
        _check_names(path, names, features)
        columns = [np.asarray(file[name]) for name in features]
    except RowFileError:
        raise
    except Exception as error:  # a damaged archive raises whatever zlib, zipfile and numpy raise
        raise RowFileError(f"{path} is not a readable .npz file: {error}", path=path) from error
    for name, column in zip(features, columns, strict=True):
        if column.ndim != 1 or column.dtype.kind not in "fiu" or len(column) != len(columns[0]):
            raise RowFileError(
                f"{path}: {name} has shape {column.shape} and dtype {column.dtype}, expected "
                f"real numbers of shape ({columns[0].size},), like {features[0]}",
                found=column.shape,
                expected=columns[0].shape,
                path=path,
            )
    return np.stack([column.astype(np.float64) for column in columns], axis=1)


def _read_csv(path: Path, content: bytes, features: Sequence[str]) -> FloatArray:
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        names = [name.strip() for name in next(lines, [])]
        _check_names(path, names, features)
        order = [names.index(feature) for feature in features]
        rows = []
        for line in filter(None, lines):
            if len(line) != len(names):
                raise RowFileError(
                    f"{path}: line {lines.line_num} has {len(line)} values, expected "
                    f"{len(names)}, one for each name in the first line",
                    found=len(line),
                    expected=len(names),
                    path=path,
                )
            rows.append([_number(path, lines.line_num, line[column]) for column in order])
    except (UnicodeDecodeError, csv.Error) as error:
        raise RowFileError(f"{path} is not a readable .csv file: {error}", path=path) from error
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(features))


def _number(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RowFileError(
            f"{path}: line {line} has {text!r}, expected a number", found=text, path=path
        ) from error


def _check_names(path: Path, names: Sequence[str], features: Sequence[str]) -> None:
    for feature in features:
        if (found := list(names).count(feature)) != 1:
            raise RowFileError(
                f"{path} has {found} columns called {feature!r}, expected one; it has "
                f"{', '.join(names) or 'none'}, expected {', '.join(features)}",
                found=list(names),
                expected=tuple(features),
                path=path,
            )
