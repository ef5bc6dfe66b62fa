"""Counts as shares of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields

from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.monitor.counts import RowCounts

PERCENTILES = (1, 5, 50)

# The fields of `Rates` that are rows of numbers, and what each of these is called.
PARTS = {
    "q_abs_percentiles": tuple(f"q_abs_p{percent:02d}" for percent in PERCENTILES),
    "sources": tuple(f"source_{source.name.lower()}" for source in Source),
    "reasons": tuple(f"reason_{reason.name.lower()}" for reason in Reason),
}


@dataclass(frozen=True)
class Rates:
    """Shares of `rows`; NaN where there were none, since no share is known then.

    All but `rows_per_second` are functions of the rows alone, so whoever has the rows can count
    them again.

    Attributes:
        rows: how many rows these are the rates of.
        bottom_rate, gap_rate, fault_rate: rows without a value, risky, without one by a fault.
        accept_rate: 1 - bottom: the gap counts as accepted.
        coverage: 1 - bottom - gap: the gap does not.
        fallback_rate: rows the solver served.
        reject_rate: rows nobody served.
        serve_rate: rows model or solver served.
        rows_per_second: over the time the rows came in.
        q_abs_min: smallest |Q|, exactly, NaN where no row told it.
        q_abs_percentiles: |Q| at `PERCENTILES`, as exact as `QHistogram.percentile` says.
        sources, reasons: shares of the rows with each code of `Source` and `Reason`.
    """

    rows: float
    bottom_rate: float
    gap_rate: float
    fault_rate: float
    accept_rate: float
    coverage: float
    fallback_rate: float
    reject_rate: float
    serve_rate: float
    rows_per_second: float
    q_abs_min: float
    q_abs_percentiles: tuple[float, ...]
    sources: tuple[float, ...]
    reasons: tuple[float, ...]

    @classmethod
    def of(cls, counts: RowCounts, seconds: float) -> Rates:
        """The rates of counts that came in over some seconds."""
        n = counts.rows or math.nan
        q_abs_min = counts.q_abs.minimum
        return cls(
            rows=float(counts.rows),
            bottom_rate=counts.bottom / n,
            gap_rate=counts.gap / n,
            fault_rate=counts.fault / n,
            accept_rate=(counts.rows - counts.bottom) / n,
            coverage=counts.covered / n,
            fallback_rate=counts.fallback / n,
            reject_rate=counts.sources[Source.NONE] / n,
            serve_rate=counts.served / n,
            rows_per_second=counts.rows / seconds if seconds > 0 else math.nan,
            q_abs_min=q_abs_min if math.isfinite(q_abs_min) else math.nan,
            q_abs_percentiles=tuple(counts.q_abs.percentile(p) for p in PERCENTILES),
            sources=tuple(count / n for count in counts.sources),
            reasons=tuple(count / n for count in counts.reasons),
        )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """What each number is called, in the order of `to_dict`."""
        return tuple(_names())

    def to_dict(self) -> dict[str, float]:
        """All numbers by name."""
        values = (v if name in PARTS else (v,) for name, v in asdict(self).items())
        return dict(zip(_names(), (x for part in values for x in part), strict=True))

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Rates:
        """The mirror of `to_dict`.

        Raises:
            KeyError: a name is missing.
        """
        parts = {
            part: tuple(float(values[name]) for name in names) for part, names in PARTS.items()
        }
        single = (field.name for field in fields(cls) if field.name not in PARTS)
        return cls(**{name: float(values[name]) for name in single}, **parts)  # type: ignore[arg-type]


def _names() -> Iterator[str]:
    for field in fields(Rates):
        yield from PARTS.get(field.name, (field.name,))
