"""Whether a target is still worth following, judged by its stamp and by its arrival."""

from __future__ import annotations

from dataclasses import dataclass

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Freshness:
    """What two clocks say of a target.

    Attributes:
        stale: older than the timeout by at least one of the clocks that can tell.
        stamp_age: seconds since the stamp, None where stamp or clock say nothing.
        arrival_age: seconds since arrival.
        future: the stamp lies ahead of the clock.
    """

    stale: bool
    stamp_age: float | None
    arrival_age: float
    future: bool


def judge_freshness(
    *, stamp_ns: int, now_ns: int, arrival_age_ns: int, timeout: float
) -> Freshness:
    """Judge a target.

    Args:
        stamp_ns: the stamp of the target, 0 for unknown.
        now_ns: the clock the stamps are compared with, 0 while it has not started.
        arrival_age_ns: time since the target arrived, which does not depend on that clock.
        timeout: largest age [s], 0 for no limit.
    """
    stamp_age = (now_ns - stamp_ns) / NANOSECONDS if stamp_ns and now_ns else None
    arrival_age = arrival_age_ns / NANOSECONDS
    oldest = max(arrival_age, stamp_age or 0.0)
    return Freshness(
        stale=bool(timeout) and not (oldest <= timeout),
        stamp_age=stamp_age,
        arrival_age=arrival_age,
        future=stamp_age is not None and stamp_age < 0.0,
    )
