"""How `watch` looks: a screen, and a line."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from zeroproof_ros.cli.screen import LABELS, served_by, sparkline
from zeroproof_ros.cli.terminal import printable
from zeroproof_ros.contract import Reason

if TYPE_CHECKING:
    from zeroproof_ros.nodes.watch_observer import RejectedRow, WatchObserver

# The columns of the monitor's rates that have room on a screen, and their heads.
COLUMNS = {
    "rows": "rows",
    "rows_per_second": "rows/s",
    "coverage": "coverage",
    "bottom_rate": "bottom",
    "gap_rate": "gap",
    "fault_rate": "fault",
    "fallback_rate": "fallback",
    "reject_rate": "rejected",
    "q_abs_min": "|Q| min",
    "q_abs_p50": "p50",
}
LEVELS = {1: ("warning", "yellow"), 2: ("ERROR", "red"), 3: ("stale", "magenta")}
REASONS = {int(reason): reason.name.lower() for reason in Reason}


def watch_screen(seen: WatchObserver) -> Group:
    """What a terminal shows."""
    parts: list[RenderableType] = [Text(_serving(seen), "bold")]
    parts += [Text(text, style) for text, style in _absent(seen)]
    if seen.q_abs:
        trace = Table.grid(padding=(0, 2))
        trace.add_row("|Q|", sparkline(seen.q_abs), f"{seen.q_abs[-1]:.4g}")
        served = served_by(np.array(seen.sources, np.uint8))
        trace.add_row("served by", served, LABELS.get(seen.sources[-1], "unknown"))
        parts.append(trace)
    if seen.rates:
        parts.append(_rates(seen))
    parts += [Text(text, style) for text, style in _alerts(seen)]
    if seen.rejected:
        parts.append(Text("last rows that nobody served", "bold"))
        parts += [Text(_rejected(row)) for row in reversed(seen.rejected)]
    return Group(*parts)


def watch_line(seen: WatchObserver, elapsed: float) -> str:
    """What is printed of a second."""
    parts = [f"{elapsed:4.0f} s", _serving(seen), *(text for text, _ in _absent(seen))]
    if seen.q_abs:
        served = LABELS.get(seen.sources[-1], "unknown")
        parts.append(f"rows {seen.rows}  |Q| {sparkline(seen.q_abs)} {seen.q_abs[-1]:.4g}")
        parts.append(f"served by {served}")
    for span, rates in seen.rates.items():
        shown = ("coverage", "bottom_rate", "gap_rate", "fallback_rate", "reject_rate")
        figures = "  ".join(f"{COLUMNS[name]} {getattr(rates, name):.3f}" for name in shown)
        parts.append(f"{printable(span)}: {figures}")
    if seen.rates or seen.statuses:
        parts += [text for text, _ in _alerts(seen)]
    if seen.rejected:
        parts.append(f"last rejected: {_rejected(seen.rejected[-1])}")
    return " | ".join(parts)


def _serving(seen: WatchObserver) -> str:
    if not seen.bundle:
        return "no bundle serves"
    facts = (f"{key} {seen.info[key]}" for key in ("tau_infer", "tau_train") if key in seen.info)
    return printable(f"{seen.bundle} on {seen.info.get('providers', '?')}  {'  '.join(facts)}")


def _absent(seen: WatchObserver) -> list[tuple[str, str]]:
    """What does not come, and the style in which this is told."""
    found = []
    for topic, presence in seen.topics().items():
        node = topic.rsplit("/", 1)[0]
        if presence.value == "awaited":
            found.append((f"waiting for {topic}: no node publishes it yet", "yellow"))
        elif presence.value == "gone":
            found.append((f"{node} is gone: nobody publishes {topic} any more", "red"))
    if seen.unreadable:
        found.append((f"{seen.unreadable} messages could not be read", "red"))
    return found


def _rates(seen: WatchObserver) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for head in COLUMNS.values():
        table.add_column(head, justify="right")
    for span, rates in seen.rates.items():
        named = rates.to_dict()
        figures = [f"{named[name]:.4g}" for name in COLUMNS]
        table.add_row(Text(printable(span)), *figures)
    return table


def _alerts(seen: WatchObserver) -> list[tuple[str, str]]:
    """The statuses that are not well, the worst first, and their styles."""
    bad = sorted(
        (-level, name, message)
        for name, (level, message) in seen.statuses.items()
        # which repeats those of the alerts
        if level and not name.endswith(": rates")
    )
    if not bad:
        return [("no alert", "green")] if seen.statuses else []
    told = []
    for level, name, message in bad:
        word, style = LEVELS.get(-level, (f"level {-level}", "red"))
        told.append((printable(f"{word}: {name}: {message}"), style))
    return told


def _rejected(row: RejectedRow) -> str:
    reason = REASONS.get(row.reason, f"reason {row.reason}")
    inputs = " ".join(f"{name}={value:.6g}" for name, value in row.inputs.items())
    at = datetime.fromtimestamp(row.stamp).astimezone().strftime("%H:%M:%S.%f")[:-3]
    return printable(f"{at if row.stamp else 'no stamp'}  {reason}  |Q|={row.q_abs:.4g}  {inputs}")
