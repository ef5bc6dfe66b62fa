"""Parts of the live views: rows as one character each, on a screen or as a line per second."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from zeroproof_ros.contract import Source

LABELS: dict[int, str] = {
    Source.MODEL: "model",
    Source.ANALYTIC: "analytic solver",
    Source.NONE: "rejected",
}
STYLES: dict[int, str] = {Source.MODEL: "blue", Source.ANALYTIC: "yellow", Source.NONE: "red"}
# How many of the last rows a view shows as one character each.
TRACE = 50
LEVELS = "▁▂▃▄▅▆▇█"
UNKNOWN = "·"


class Screen:
    """Follows what is shown to it, on a terminal; elsewhere it prints a line per second."""

    def __init__(self) -> None:
        console = Console()
        self._live = Live(console=console, refresh_per_second=10) if console.is_terminal else None
        self._printed = 0

    def __enter__(self) -> Screen:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(
        self, elapsed: float, screen: Callable[[], RenderableType], line: Callable[[], str]
    ) -> None:
        """Show the present state, `elapsed` seconds after the first time.

        Args:
            elapsed: steady time [s].
            screen: makes what a terminal shows.
            line: makes the line of a second; an empty one is not printed.
        """
        if self._live:
            self._live.update(screen())
        elif int(elapsed) > self._printed and (text := line()):
            self._printed = int(elapsed)
            print(text, flush=True)


def sparkline(q_abs: ArrayLike) -> str:
    """|Q| on a logarithmic scale from 1e-3 (and below) to 1 (and above).

    Args:
        q_abs: (N,) |Q|, NaN where it is not known.
    """
    height = (np.log10(np.clip(q_abs, 1e-3, 1.0)) + 3.0) / 3.0 * (len(LEVELS) - 1)
    return "".join(UNKNOWN if np.isnan(h) else LEVELS[int(h)] for h in height)


def served_by(sources: NDArray[np.uint8]) -> Text:
    """Who served each row, by colour.

    Args:
        sources: (N,) codes of `Source`.
    """
    return Text.assemble(*(("█", STYLES.get(int(s), "")) for s in sources))
