"""The monitor of strict inference: running rates, histograms, summaries and events."""

from __future__ import annotations

import logging
import math
from collections import Counter, deque
from dataclasses import KW_ONLY, dataclass, field
from numbers import Real
from typing import Any

from zeroproof_ros.errors import ConfigError, ThresholdError
from zeroproof_ros.monitor.events import EventLogger
from zeroproof_ros.monitor.masks import MaskCounts, count_masks, share

# So many of the latest batches are kept as summaries.
SUMMARIES = 1000
# So many different values of a histogram have their own bar; later ones share the bar OTHER.
BARS = 1000
OTHER = "other"

_log = logging.getLogger(__name__)


@dataclass
class StrictInferenceMonitor:
    """Counts masks batch by batch, in memory that does not grow.

    All rates are shares of the entries of the bottom masks. A batch without a gap mask, or without
    provenance, adds entries and nothing to what it does not tell.

    The logger is called with a dict for each of these, in this order, after everything is counted:

    ========================== =====================================================
    event                      when
    ========================== =====================================================
    `bottom-trigger`           the batch has a bottom entry
    `fault-bottom-trigger`     it has one by a fault (needs provenance)
    `semantic-bottom-trigger`  it has one by a small denominator (needs provenance)
    `gap-trigger`              it has an entry in the gap
    `acceptance-rate-drift`    its acceptance rate strays from that of all before it
    ========================== =====================================================

    Each has `update_index`, `batch_size`, `running_accept_rate` and, where given, `bundle_id`. A
    trigger has `count` and `rate` in the batch; a drift has `accept_rate`, `previous_accept_rate`,
    `delta`, `threshold` and `direction` ("increase" or "decrease").

    A drift is `|accept_rate - previous_accept_rate| >= threshold`, where the previous rate is that
    of all entries of all earlier batches. A slide that is slow from batch to batch leaves this
    rate behind, and so is seen; a lasting change is told with every batch until it is the rule. A
    batch of n entries strays by chance, by about sqrt(p (1 - p) / n): a threshold has to lie well
    above this, so rows that come one by one are to be put together before they are counted.

    An event that the logger raises at is lost, not the counts, and not the caller's batch: the
    state tells how many (`n_events_lost`) and why (`last_event_error`), the first is logged.

    Args:
        bundle_id: which bundle is watched; it is told with rates and events.
        event_logger: called with one dict per event, for instance a `JsonlLogger`.
        acceptance_rate_drift_threshold: in (0, 1], or None for no drift events.

    Raises:
        ThresholdError: a threshold outside (0, 1].
        ConfigError: a logger that can not be called.
    """

    bundle_id: str | None = None
    _: KW_ONLY
    event_logger: EventLogger | None = None
    acceptance_rate_drift_threshold: float | None = None
    n_updates: int = field(default=0, init=False)
    n_gap_updates: int = field(default=0, init=False)
    n_provenance_updates: int = field(default=0, init=False)
    n: int = field(default=0, init=False)
    n_bottom: int = field(default=0, init=False)
    n_gap: int = field(default=0, init=False)
    n_fault: int = field(default=0, init=False)
    n_semantic_bottom: int = field(default=0, init=False)
    n_events_lost: int = field(default=0, init=False)
    last_event_error: str | None = field(default=None, init=False)
    _histograms: dict[str, Counter[str]] = field(default_factory=dict, init=False, repr=False)
    _summaries: deque[tuple[int, MaskCounts]] = field(
        default_factory=lambda: deque(maxlen=SUMMARIES), init=False, repr=False
    )

    def __post_init__(self) -> None:
        threshold = self.acceptance_rate_drift_threshold
        if threshold is not None and (
            isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 < threshold <= 1
        ):
            raise ThresholdError(
                f"acceptance_rate_drift_threshold is {threshold!r}, expected a number in (0, 1], "
                "or None for no drift events",
                found=threshold,
                expected="in (0, 1]",
            )
        if self.event_logger is not None and not callable(self.event_logger):
            raise ConfigError(
                f"event_logger is {type(self.event_logger).__name__}, expected a function of one "
                "dict; for a file give JsonlLogger(path)",
                found=self.event_logger,
                expected="callable",
            )

    @property
    def has_provenance(self) -> bool:
        """Whether any batch told the reasons of its bottoms."""
        return self.n_provenance_updates > 0

    @property
    def n_accept(self) -> int:
        """Entries with a value, those in the gap with them."""
        return self.n - self.n_bottom

    def update(
        self,
        bottom_mask: Any,
        gap_mask: Any | None = None,
        *,
        fault_mask: Any | None = None,
        semantic_bottom_mask: Any | None = None,
        bottom_provenance: Any | None = None,
    ) -> None:
        """Count the masks of a batch; numpy arrays or tensors.

        Args:
            bottom_mask: (N,) or (N, K) bool.
            gap_mask: bool, of the shape of `bottom_mask`, or one per row; not counted where bottom.
            fault_mask, semantic_bottom_mask: why entries are bottom, as `gap_mask`; both or none.
            bottom_provenance: the same as codes of `BottomProvenance`.

        Raises:
            ArrayError: shapes, dtypes or codes other than the above; then nothing is counted.
        """
        counts = count_masks(
            bottom_mask,
            gap_mask,
            fault_mask=fault_mask,
            semantic_bottom_mask=semantic_bottom_mask,
            bottom_provenance=bottom_provenance,
        )
        previous_accept_rate = share(self.n_accept, self.n)
        self._count(counts)
        self._tell(counts, previous_accept_rate)

    def rates(self) -> dict[str, Any]:
        """`n`, `bottom_rate`, `gap_rate`, `accept_rate` (1 - bottom) and `bundle_id` where given.

        `fault_rate` and `semantic_bottom_rate` are there once a batch told them. The rates are NaN
        while `n` is 0.
        """
        rates: dict[str, Any] = {
            "n": self.n,
            "bottom_rate": share(self.n_bottom, self.n),
            "gap_rate": share(self.n_gap, self.n),
            "accept_rate": share(self.n_accept, self.n),
        }
        if self.has_provenance:
            rates["fault_rate"] = share(self.n_fault, self.n)
            rates["semantic_bottom_rate"] = share(self.n_semantic_bottom, self.n)
        if self.bundle_id is not None:
            rates["bundle_id"] = self.bundle_id
        return rates

    def export_state(
        self, *, include_histograms: bool = False, include_batch_summaries: bool = False
    ) -> dict[str, Any]:
        """The rates and all counts.

        Args:
            include_histograms: with `histograms`: how many batches had which size and counts. The
                bar "other" holds what came after a thousand different values.
            include_batch_summaries: with `batch_summaries` of the latest thousand batches, oldest
                first, and `n_batch_summaries_dropped`, how many older ones are not kept. Rates of
                an empty batch are NaN.
        """
        state = self.rates() | {
            "n_updates": self.n_updates,
            "n_gap_updates": self.n_gap_updates,
            "n_provenance_updates": self.n_provenance_updates,
            "n_bottom": self.n_bottom,
            "n_gap": self.n_gap,
            "n_accept": self.n_accept,
            "has_provenance": self.has_provenance,
            "n_events_lost": self.n_events_lost,
            "last_event_error": self.last_event_error,
        }
        if self.has_provenance:
            state["n_fault"] = self.n_fault
            state["n_semantic_bottom"] = self.n_semantic_bottom
        if include_histograms:
            state["histograms"] = {
                name: {bar: bars[bar] for bar in sorted(bars, key=_size)}
                for name, bars in self._histograms.items()
            }
        if include_batch_summaries:
            state["batch_summaries"] = [_summary(*item) for item in self._summaries]
            state["n_batch_summaries_dropped"] = self.n_updates - len(self._summaries)
        return state

    def _count(self, counts: MaskCounts) -> None:
        self.n_updates += 1
        self.n_gap_updates += counts.has_gap
        self.n_provenance_updates += counts.has_provenance
        self.n += counts.n
        self.n_bottom += counts.bottom
        self.n_gap += counts.gap
        self.n_fault += counts.fault
        self.n_semantic_bottom += counts.semantic
        self._summaries.append((self.n_updates, counts))
        told = {"batch_size": counts.n, "batch_bottom_count": counts.bottom}
        if counts.has_gap:
            told["batch_gap_count"] = counts.gap
        if counts.has_provenance:
            told["batch_fault_count"] = counts.fault
            told["batch_semantic_bottom_count"] = counts.semantic
        for name, value in told.items():
            bars = self._histograms.setdefault(name, Counter())
            bar = str(value)
            bars[bar if bar in bars or len(bars) < BARS else OTHER] += 1

    def _tell(self, counts: MaskCounts, previous_accept_rate: float) -> None:
        for event, count in (
            ("bottom-trigger", counts.bottom),
            ("fault-bottom-trigger", counts.fault),
            ("semantic-bottom-trigger", counts.semantic),
            ("gap-trigger", counts.gap),
        ):
            if count:
                self._emit(event, counts, count=count, rate=share(count, counts.n))
        threshold = self.acceptance_rate_drift_threshold
        if threshold is None:
            return
        accept_rate = share(counts.accept, counts.n)
        # NaN, so no drift, where this batch or all before it are empty
        delta = accept_rate - previous_accept_rate
        # In floats 0.9 is a little less than 0.1 away from 1.0.
        if abs(delta) >= threshold or math.isclose(abs(delta), threshold):
            self._emit(
                "acceptance-rate-drift",
                counts,
                accept_rate=accept_rate,
                previous_accept_rate=previous_accept_rate,
                delta=delta,
                threshold=float(threshold),
                direction="increase" if delta > 0 else "decrease",
            )

    def _emit(self, event: str, counts: MaskCounts, **values: object) -> None:
        if self.event_logger is None:
            return
        record: dict[str, object] = {
            "event": event,
            "update_index": self.n_updates,
            "batch_size": counts.n,
            "running_accept_rate": share(self.n_accept, self.n),
            **values,
        }
        if self.bundle_id is not None:
            record["bundle_id"] = self.bundle_id
        try:
            self.event_logger(record)
        except Exception as error:  # noqa: BLE001 -- a logger may raise anything; the batch goes on
            if not self.n_events_lost:
                _log.warning("event %s is lost, later ones are only counted: %r", event, error)
            self.n_events_lost += 1
            self.last_event_error = repr(error)


def _size(bar: str) -> float:
    return math.inf if bar == OTHER else int(bar)


def _summary(update_index: int, counts: MaskCounts) -> dict[str, Any]:
    shares = {"bottom": counts.bottom, "gap": counts.gap, "accept": counts.accept}
    if counts.has_provenance:
        shares |= {"fault": counts.fault, "semantic_bottom": counts.semantic}
    summary: dict[str, Any] = {
        "update_index": update_index,
        "batch_size": counts.n,
        "has_gap": counts.has_gap,
        "has_provenance": counts.has_provenance,
    }
    for name, count in shares.items():
        summary[f"{name}_count"] = count
        summary[f"{name}_rate"] = share(count, counts.n)
    if counts.has_provenance:
        tags = {
            "finite": counts.accept,
            "fault": counts.fault - counts.mixed,
            "semantic": counts.semantic - counts.mixed,
            "mixed": counts.mixed,
            "unspecified": counts.unspecified,
        }
        summary["provenance_tag_counts"] = tags
        summary["provenance_tags"] = [t for t, count in tags.items() if count and t != "finite"]
    return summary
