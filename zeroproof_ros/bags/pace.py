"""The time of a recording while it is played again."""

from __future__ import annotations

NANOSECONDS = 1e9


class Pace:
    """Recorded time, held back at the message that is played next.

        now = min(next, start + rate (steady - begin))

    It never runs backwards, and a message is played when `now` has come to it: whoever reads this
    clock when it gets the message reads the time at which the message was recorded.

    Args:
        start_ns: when the first message was recorded [ns].
        rate: recorded seconds per second; with 0 it stands still until the next message is played.

    Attributes:
        now_ns: recorded time now [ns].
    """

    def __init__(self, start_ns: int, rate: float) -> None:
        self.now_ns = self._next_ns = self._start_ns = start_ns
        self._rate = rate
        self._begin = 0.0

    def begin(self, steady: float) -> None:
        """Let it run, from a time `steady` [s] of a clock that nobody sets."""
        self._begin = steady

    def wait(self, next_ns: int, steady: float) -> float:
        """How long it is until the message that was recorded at `next_ns` is due [s].

        One that was recorded before `now` is due at once.
        """
        self._next_ns = next_ns
        if not self._rate or next_ns <= self.now_ns:
            return 0.0
        due = self._begin + (next_ns - self._start_ns) / (self._rate * NANOSECONDS)
        return max(0.0, due - steady)

    def tick(self, steady: float) -> int:
        """Recorded time at `steady` [s], in ns."""
        elapsed = round((steady - self._begin) * self._rate * NANOSECONDS)
        self.now_ns = max(self.now_ns, min(self._next_ns, self._start_ns + elapsed))
        return self.now_ns

    def play(self) -> None:
        """Go on to the next message."""
        self.now_ns = max(self.now_ns, self._next_ns)
