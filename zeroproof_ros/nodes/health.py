"""What a strict_ik_node says of itself on /diagnostics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from zeroproof_ros.errors import MessageRefusedError
from zeroproof_ros.messages.diagnostics import ERROR, OK, WARN, status_to_msg
from zeroproof_ros.monitor import LatencyWindow
from zeroproof_ros.pipeline import Reason, ResultTable, StrictIK

LATENCY_WINDOW = 1000

# Counts that are reported from the start, 0 included: "none" must not look like "not counted".
WORK = ("rows", "served", "stamps_unknown")
REJECTED = {reason: f"rejected_{reason.name.lower()}" for reason in Reason if reason}
ERRORS = ("internal_errors", REJECTED[Reason.RUNTIME_ERROR])
WARNINGS = (
    *(name for name in REJECTED.values() if name not in ERRORS),
    *(f"refused_{error.kind}" for error in MessageRefusedError.__subclasses__()),
    "stamps_future",
    "dropped_inactive",
    "commands_withheld",
    "commands_paused",
    "incompatible_qos",
    "clock_jumps",
    "reloads_failed",
)
LEVELS = {
    **dict.fromkeys(WORK, OK),
    **dict.fromkeys(ERRORS, ERROR),
    **dict.fromkeys(WARNINGS, WARN),
}


class Health:
    """Counts what happens and reports it, once a second and as soon as it gets worse.

    Args:
        node_name: what the status is called after.
        publish: takes the status.
        state: what the node is doing, in a few words.
    """

    def __init__(
        self,
        node_name: str,
        publish: Callable[[DiagnosticStatus], None],
        state: Callable[[], str],
    ) -> None:
        self._name = f"{node_name}: inference"
        self._publish = publish
        self._counts: Counter[str] = Counter(dict.fromkeys(LEVELS, 0))
        self._reported = self._counts.copy()
        self._latency = LatencyWindow(LATENCY_WINDOW)
        self._serving: StrictIK | None = None
        self._failure = ""
        self._level = OK
        self._state = state

    def serves(self, ik: StrictIK | None) -> None:
        """From now on `ik` answers, None for nobody."""
        self._serving, self._failure = ik, ""
        self._latency.clear()

    def failed(self, what: str) -> None:
        """Nothing can be served until somebody acts."""
        self._failure = what
        self.report()

    def answered(self, table: ResultTable, seconds: float) -> None:
        """A target was answered."""
        self._latency.add(seconds)
        self._counts["rows"] += len(table)
        served = table.served
        self._counts["served"] += int(np.count_nonzero(served))
        if not served.all():
            reasons = np.bincount(table["reason"][~served], minlength=len(Reason))
            for reason, name in REJECTED.items():
                self.count(name, int(reasons[reason]))

    def count(self, what: str, times: int = 1) -> None:
        """Count something that is in `WORK`, `WARNINGS` or `ERRORS`."""
        if times:
            self._counts[what] += times
            if LEVELS[what] > self._level:
                self.report()

    def clock_jumped(self) -> None:
        """Durations across a jump mean nothing."""
        self._latency.clear()
        self.count("clock_jumps")

    def report(self) -> None:
        """Publish the status and start a new period."""
        self._level, message = self._worst_since_report()
        p50, p99 = self._latency.quantiles(0.5, 0.99)
        bundle = self._serving.bundle if self._serving else None
        self._publish(
            status_to_msg(
                self._name,
                hardware_id=bundle.id if bundle else "",
                level=self._level,
                message=message,
                values={
                    "state": self._state(),
                    "providers": bundle.runtime.providers if bundle else (),
                    "latency_p50_ms": p50 * 1e3,
                    "latency_p99_ms": p99 * 1e3,
                    **self._counts,
                },
            )
        )
        self._reported = self._counts.copy()

    def _worst_since_report(self) -> tuple[int, str]:
        if self._failure:
            return ERROR, self._failure
        new = {k: n - self._reported[k] for k, n in self._counts.items() if n > self._reported[k]}
        for level, names in ((ERROR, ERRORS), (WARN, WARNINGS)):
            found = [f"{name} {new[name]}" for name in names if name in new]
            if found:
                return level, f"since the last report: {', '.join(found)}"
        if self._serving is None:
            return OK, self._state()
        return (
            OK,
            f"{self._serving.bundle.id} on {', '.join(self._serving.bundle.runtime.providers)}",
        )
