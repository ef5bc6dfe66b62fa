"""What went out in a replay, what came back, and which target nobody answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.messages.targets import Target
from zeroproof_ros.pipeline import Reason, ResultTable, Source


@dataclass
class Tally:
    """Counts, and the targets that wait for an answer.

    A result answers a target that has its inputs, bit for bit, and its stamp. Targets that have
    no header are stamped by the node, so for them the inputs have to do.

    Attributes:
        has_header: whether the targets are of a type with a header.
        published: targets that went out.
        refused: those of them that no node answers, by kind.
        refusals: their index in the recording, and why.
        results, rows: what came back.
        unasked: results that answer no target of this replay, or can not be read.
        commands: command messages that came back.
        by_source, by_reason: the rows by their codes.
    """

    has_header: bool
    published: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    results: int = 0
    rows: int = 0
    unasked: int = 0
    commands: int = 0
    by_source: Counter[Source] = field(default_factory=Counter)
    by_reason: Counter[Reason] = field(default_factory=Counter)
    _waiting: dict[tuple[int, bytes], list[tuple[int, str]]] = field(default_factory=dict)

    def ask(self, index: int, target: Target) -> None:
        """A target went out, the one with this index in the recording."""
        first = ", ".join(f"{value:g}" for value in target.rows[0])
        told = f"stamp {target.stamp_ns} ns, {len(target.rows)} rows, first: {first}"
        self._waiting.setdefault(self._key(target.stamp_ns, target.rows), []).append((index, told))

    def refuse(self, index: int, kind: str, why: str) -> None:
        """A target is one that the node refuses."""
        self.refused[kind] += 1
        self.refusals.append((index, why))

    def answer(self, table: ResultTable, stamp_ns: int) -> None:
        """A result came back."""
        self.results += 1
        self.rows += len(table)
        for source, rows in enumerate(np.bincount(table["source"])):
            self.by_source[Source(source)] += int(rows)
        for reason, rows in enumerate(np.bincount(table["reason"])):
            self.by_reason[Reason(reason)] += int(rows)
        key = self._key(stamp_ns, table["in"])
        waiting = self._waiting.get(key)
        if waiting is None:
            self.unasked += 1
            return
        waiting.pop(0)
        if not waiting:
            del self._waiting[key]

    @property
    def waiting(self) -> int:
        """How many targets wait for an answer; refused ones do not."""
        return sum(map(len, self._waiting.values()))

    def unanswered(self) -> list[tuple[int, str]]:
        """Index in the recording, and stamp and inputs, of the targets that wait."""
        return sorted(each for waiting in self._waiting.values() for each in waiting)

    def _key(self, stamp_ns: int, rows: NDArray[np.float64]) -> tuple[int, bytes]:
        data = np.ascontiguousarray(rows).tobytes()
        return stamp_ns if self.has_header else 0, blake2b(data, digest_size=16).digest()
