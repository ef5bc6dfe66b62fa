"""Rows as one character each."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zeroproof_ros.cli.screen import LEVELS, STYLES, UNKNOWN, served_by, sparkline
from zeroproof_ros.contract import Source


@pytest.mark.parametrize(
    ("q_abs", "drawn"),
    [
        ([], ""),
        ([0.0, 1e-9, 1e-3], LEVELS[0] * 3),
        ([1.0, 7.0, math.inf], LEVELS[-1] * 3),
        ([math.nan, 1.0], UNKNOWN + LEVELS[-1]),
        (np.logspace(-3, 0, 8) * 1.001, LEVELS),
    ],
)
def test_q_abs_is_drawn_on_a_logarithmic_scale(q_abs: list[float], drawn: str) -> None:
    assert sparkline(q_abs) == drawn


def test_who_served_is_told_by_colour() -> None:
    # also where another version knows more sources
    text = served_by(np.array([Source.MODEL, Source.ANALYTIC, Source.NONE, 9], np.uint8))
    assert text.plain == "████"
    assert [span.style for span in text.spans] == [STYLES[1], STYLES[2], STYLES[0]]
