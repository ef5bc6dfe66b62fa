"""Timing two or more sides in one run: in turns, so that a busy machine is busy for all of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]


def in_turns(sides: Mapping[str, Callable[[], Samples]], rounds: int) -> dict[str, list[Samples]]:
    """Let every side take samples once per round, in an order that turns around each round."""
    taken: dict[str, list[Samples]] = {name: [] for name in sides}
    names = list(sides)
    for _ in range(rounds):
        for name in names:
            taken[name].append(sides[name]())
        names.reverse()
    return taken


def median_of(rounds: list[Samples], quantile: float = 0.5) -> float:
    """The median over the rounds of a quantile within each."""
    return float(np.median([np.quantile(samples, quantile) for samples in rounds]))


def ratio_of(above: list[Samples], below: list[Samples], quantile: float = 0.5) -> float:
    """The median over the rounds of above/below, each a quantile within the round."""
    pairs = zip(above, below, strict=True)
    return float(np.median([np.quantile(a, quantile) / np.quantile(b, quantile) for a, b in pairs]))


def timed(call: Callable[[], object], seconds: float) -> Callable[[], Samples]:
    """A side that calls for about so many seconds a round and samples the time per call [s]."""
    for _ in range(3):
        started = time.perf_counter()
        call()
        once = time.perf_counter() - started
    calls = max(3, int(seconds / once))

    def side() -> Samples:
        samples = np.empty(calls)
        for index in range(calls):
            started = time.perf_counter()
            call()
            samples[index] = time.perf_counter() - started
        return samples

    return side


def show_table(rows: list[dict[str, Any]]) -> None:
    """Print records with the same keys as a table."""
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def show_json(document: Mapping[str, Any]) -> None:
    """Print the figures as the last line, for programs."""
    print(json.dumps(document), flush=True)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
