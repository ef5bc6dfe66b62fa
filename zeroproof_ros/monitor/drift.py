"""Whether rows go as they went when their bundle was validated: a sequential test."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.contract import Reason
from zeroproof_ros.errors import ConfigError

# Evidence is kept in whole numbers of 1/UNITS, so that it does not depend on how rows are batched.
UNITS = 1 << 32
# Of rounding in rates that have to add up.
ROUNDING = 1e-6
# These rows never were in front of a model, so they do not tell how it does.
NOT_DECODED = np.array([Reason.BAD_INPUT, Reason.STALE, Reason.RUNTIME_ERROR], dtype=np.uint8)


@dataclass(frozen=True)
class ValidatedRates:
    """What a bundle did with the rows it was validated on.

    Attributes:
        coverage, bottom_rate, gap_rate: shares of the rows, 1 together.
        total_predictions: how many rows there were.

    Raises:
        ConfigError: numbers that can not be rates.
    """

    coverage: float
    bottom_rate: float
    gap_rate: float
    total_predictions: int

    def __post_init__(self) -> None:
        rates = (self.coverage, self.bottom_rate, self.gap_rate)
        fits = all(type(rate) in {int, float} and 0.0 <= rate <= 1.0 for rate in rates)
        total = self.total_predictions
        fits = fits and abs(sum(rates) - 1.0) <= ROUNDING and type(total) is int and total > 0
        if not fits:
            raise ConfigError(
                f"validated rates (coverage, bottom, gap) are {rates} of {total!r} rows, "
                "expected shares that are 1 together, of at least one row",
                found=(*rates, total),
            )

    @classmethod
    def of(cls, validation: Mapping[str, Any]) -> ValidatedRates:
        """The `rates` in the `validation` of a deployment block.

        Raises:
            ConfigError: there are none, or numbers that can not be rates.
        """
        rates = validation.get("rates")
        names = [field.name for field in fields(cls)]
        if not isinstance(rates, Mapping) or not rates.keys() >= set(names):
            raise ConfigError("the bundle has no validated rates", found=rates, expected=names)
        return cls(**{name: rates[name] for name in names})


@dataclass(frozen=True)
class DriftSettings:
    """How `Cusum` tests.

    Attributes:
        margin: the rise of a rate that shall be found, in (0, 1).
        burst: rows on end that alone raise nothing.
        false_alarm: the most false alarms per independent row, in (0, 1).
    """

    margin: float = 0.10
    burst: int = 100
    false_alarm: float = 1e-6


class Cusum:
    """Page's one-sided CUSUM for a Bernoulli rate that has risen (Page 1954, Biometrika 41).

    With S = 0 at the start, each row adds the logarithm of its likelihood ratio, and S stays in
    0..h::

        S <- min(h, max(0, S + (ln(p1 / p0) if x else ln((1 - p1) / (1 - p0)))))

    It raises at S = h and clears at S = 0, where all evidence is gone. p0 is the rule of succession
    (k + 1) / (n + 2) on k of n validated rows, so it is neither 0 nor 1; p1 = p0 + margin, but at
    most half of the way from p0 to 1. A rate p makes S grow where
    p ln(p1 / p0) + (1 - p) ln((1 - p1) / (1 - p0)) > 0, and h divided by this is the delay in rows.

    The threshold is h = ln(1 / false_alarm) + burst ln(p1 / p0). At p0 S reaches x at no more than
    a share e^-x of independent rows, since S is distributed like the highest place of the same walk
    without a floor, whose exponential is a martingale. So `burst` rows on end do not raise, but
    from an S that was ln(1 / false_alarm) before. They are allowed for because rows along a path
    are not independent: near a singularity many follow each other that are bottom. Of independent
    rows at p0 it takes e^h on average to a false alarm, or more (Lorden 1971, Ann. Math. Statist.
    42, theorem 2), so there are less than `false_alarm` of them per row.

    Args:
        validated: k and n.
        settings: margin, burst and false_alarm.

    Attributes:
        p0, p1: the two rates.
        threshold: h.
        raised: whether S has been h, and not been 0 since.
        rows, hits: rows since S was last 0, and how many of them had it.
    """

    def __init__(self, validated: tuple[int, int], settings: DriftSettings) -> None:
        k, n = validated
        self.p0 = (k + 1) / (n + 2)
        self.p1 = min(self.p0 + settings.margin, (1.0 + self.p0) / 2.0)
        up = math.log(self.p1 / self.p0)
        self.threshold = settings.burst * up - math.log(settings.false_alarm)
        # both rounded down, and the threshold up, so that the bounds hold
        self._up = math.floor(up * UNITS)
        self._down = math.floor(math.log((1.0 - self.p1) / (1.0 - self.p0)) * UNITS)
        self._threshold = math.ceil(self.threshold * UNITS)
        self._evidence = self.rows = self.hits = 0
        self.raised = False

    @property
    def evidence(self) -> float:
        """S."""
        return self._evidence / UNITS

    def update(self, happened: NDArray[np.bool_]) -> None:
        """Take in rows (N,) in their order."""
        for x, n in _runs(happened):
            self.rows += n
            if x:
                self.hits += n
                self._evidence = min(self._threshold, self._evidence + n * self._up)
                self.raised |= self._evidence == self._threshold
            else:
                self._evidence = max(0, self._evidence + n * self._down)
            if not self._evidence:
                self.rows = self.hits = 0
                self.raised = False


class DriftTest:
    """Rows against the rates that their bundle was validated with, never against earlier rows.

    Two streams are tested by a `Cusum` each: rows that are bottom, and rows that are bottom or gap.
    Rows that were never decoded (bad input, stale, runtime error) are not looked at.

    Args:
        validated: None where the bundle has none, and nothing is judged.
        settings: of the tests.

    Attributes:
        streams: the tests by what they count, empty where nothing is judged.
    """

    def __init__(self, validated: ValidatedRates | None, settings: DriftSettings) -> None:
        self.streams: dict[str, Cusum] = {}
        if validated is not None:
            n = validated.total_predictions
            for name, rate in (
                ("bottom", validated.bottom_rate),
                ("uncovered", validated.bottom_rate + validated.gap_rate),
            ):
                self.streams[name] = Cusum((min(n, round(rate * n)), n), settings)

    @property
    def raised(self) -> bool:
        """Whether any stream is."""
        return any(stream.raised for stream in self.streams.values())

    def update(self, rows: NDArray[Any]) -> None:
        """Take in a structured array (N,) with the fields bottom, gap and reason."""
        if not self.streams:
            return
        rows = rows[~np.isin(rows["reason"], NOT_DECODED)]
        bottom = rows["bottom"].astype(bool)
        self.streams["bottom"].update(bottom)
        self.streams["uncovered"].update(bottom | rows["gap"].astype(bool))


def _runs(x: NDArray[np.bool_]) -> Iterator[tuple[bool, int]]:
    """Equal values on end (N,), as value and length."""
    if x.size:
        ends = [*np.flatnonzero(x[1:] != x[:-1]).tolist(), x.size - 1]
        start = -1
        for end in ends:
            yield bool(x[end]), end - start
            start = end
