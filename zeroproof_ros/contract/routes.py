"""The codes by which a row of a result says who answered it, and why."""

from __future__ import annotations

from enum import IntEnum


class Source(IntEnum):
    """Who answered a row."""

    NONE = 0
    MODEL = 1
    ANALYTIC = 2


class Reason(IntEnum):
    """Why a row was not served by the model, or was not served at all."""

    OK = 0
    BOTTOM = 1
    GAP = 2
    RESIDUAL = 3
    LIMIT = 4
    BAD_INPUT = 5
    STALE = 6
    RUNTIME_ERROR = 7
    FALLBACK_FAILED = 8
