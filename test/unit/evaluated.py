"""Real recordings, evaluated by real bundles, and the page of them as a browser reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from std_msgs.msg import Header

from zeroproof_ros.bags import BagFile, Evaluation, document, evaluate, load_ik, write_report
from zeroproof_ros.bags.limits import DEFAULT_LIMITS, Limits
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.messages.targets import NANOSECONDS, joint_state_from_rows

TOPIC = "/strict_ik_node/target"
START = 1_750_000_000 * NANOSECONDS
PERIOD = 20_000_000  # [ns]
FEATURES = ("theta1", "theta2", "dx", "dy")
# One row that nobody serves: stretched, and far out of reach.
OUT_OF_REACH = (0.1, 0.0, 0.5, 0.0)


def drawn(count: int, seed: int, step: float = 0.01) -> NDArray[np.float64]:
    """Targets (N, 4) all over the workspace, with tool steps of one length [m]."""
    random = np.random.default_rng(seed)
    q, a = random.uniform(-3.0, 3.0, (count, 2)), random.uniform(-np.pi, np.pi, count)
    return np.column_stack([q, step * np.cos(a), step * np.sin(a)])


def recorded(
    path: Path,
    rows: Any,
    *,
    start: int = START,
    frame: str = "",
    features: Sequence[str] = FEATURES,
) -> Path:
    """A recording of single targets, one every `PERIOD`."""
    with BagFile(path) as bag:
        for index, row in enumerate(rows):
            time_ns = start + index * PERIOD
            sec, nanosec = divmod(time_ns, NANOSECONDS)
            header = Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame)
            message = joint_state_from_rows(np.array([row]), tuple(features), header)
            bag.write(TOPIC, message, time_ns)
    return path


@dataclass(frozen=True, eq=False)
class Written:
    """What an evaluation wrote, and what it was written from."""

    out: Path
    report: dict[str, Any]
    html: str
    evaluations: list[Evaluation]


def written(
    out: Path,
    bags: Sequence[Path],
    bundles: Sequence[Path],
    *,
    limits: Limits = DEFAULT_LIMITS,
    against: str | None = None,
) -> Written:
    """Evaluate recordings and write the report of them."""
    serving = Serving()
    evaluations = [
        evaluate(bags, load_ik(bundle, serving), out / str(number), serving)
        for number, bundle in enumerate(bundles, start=1)
    ]
    found = document(evaluations, limits, against=against, tolerance=1e-6)
    write_report(out, found, evaluations, 1.0)
    report = json.loads((out / "report.json").read_text("utf-8"))
    return Written(out, report, (out / "report.html").read_text("utf-8"), evaluations)


class Page(HTMLParser):
    """A page as a browser understands it.

    Attributes:
        elements: the name and the attributes of every element, in order.
        texts: text by the innermost element it is in, in order.
        tables: rows of cells by the caption of their table.
        scripts: what is in the script elements.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert self._open == [], "elements that do not end"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input"}:
            self._open.append(tag)
        if tag == "caption":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"th", "td"}:
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        self.texts.append((inside, data))
        if inside == "caption":
            self.tables[data] = self._rows
        elif {"th", "td"} & set(self._open):
            self._rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags: str) -> str:
        """What stands in the elements of some names; of all but scripts and styles if none."""
        return "".join(
            text
            for tag, text in self.texts
            if (tag in tags if tags else tag not in {"script", "style"})
        )

    @property
    def rejected(self) -> dict[str, Any]:
        """The columns of rejected rows by name, and what else the script reads."""
        data = json.loads(next(t for tag, t in self.texts if tag == "script"))
        return {**data, **{column["name"]: column["values"] for column in data["columns"]}}
