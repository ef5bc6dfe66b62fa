"""The tables of a page: what report.json says, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from xml.etree import ElementTree as ET

from zeroproof_ros.bags.page.markup import element, table, told
from zeroproof_ros.messages.targets import NANOSECONDS
from zeroproof_ros.pipeline import Reason, Source

CODES = {"source": Source, "reason": Reason}
# Figures by the beginnings of their names; the last group gets those that are left.
GROUPS = {
    "Residuals of the rows that each served": ("model_", "solver_"),
    "Shares of rows by source and reason": ("source_", "reason_"),
    "Rates and counts": ("",),
}
# What may be odd about the stamps of targets.
STAMPS = {
    "without a stamp": "stamps_unknown",
    "stamped ahead": "stamps_future",
    "out of order": "out_of_order",
}
# What is counted of recorded results.
AGAINST = {
    "recorded": "recorded",
    "compared": "compared",
    "differing": "differing by more than the tolerance",
    "unmatched": "recorded for no target of the recording",
    "before": "recorded before the first target",
    "stale": "stale when recorded, which stamps do not tell",
    "unanswered": "here, but not recorded",
    "unreadable": "messages that are no such results",
    "tolerance": "tolerance",
}
Part = Mapping[str, Any]


def names_of(report: Part) -> list[str]:
    """What the bundles are called here; two are numbered, as their folders are."""
    ids = [part["bundle"]["id"] for part in report["evaluations"]]
    return ids if len(ids) == 1 else [f"{n}: {name}" for n, name in enumerate(ids, start=1)]


def bundles_table(report: Part) -> ET.Element:
    """Who the bundles are, side by side."""
    bundles = [part["bundle"] for part in report["evaluations"]]
    flat = [{name: _joined(value) for name, value in bundle.items()} for bundle in bundles]
    keys = [key for key in flat[0] if key not in {"id", "validation"}]
    rows = [(key, *(bundle[key] for bundle in flat)) for key in keys]
    return table("Who answered", ("", *names_of(report)), rows)


def figures_tables(report: Part) -> Iterator[ET.Element]:
    """What was found, beside what the bundle was validated with."""
    parts = report["evaluations"]
    validated = [_validated(part["bundle"]["validation"]) for part in parts]
    remaining = list(parts[0]["figures"])
    for caption, beginnings in GROUPS.items():
        group = [name for name in remaining if name.startswith(beginnings)]
        remaining = [name for name in remaining if name not in group]
        head, columns = ["figure"], [group]
        for name, part, known in zip(names_of(report), parts, validated, strict=True):
            head.append(name if len(parts) > 1 else "found")
            columns.append([part["figures"][figure] for figure in group])
            if any(figure in known for figure in group):
                head.append("validated")
                columns.append([known.get(figure, "") for figure in group])
        yield table(caption, head, zip(*columns, strict=True))


def gates_tables(report: Part) -> Iterator[ET.Element]:
    """What was judged, by bundle."""
    for name, part in zip(names_of(report), report["evaluations"], strict=True):
        rows = [
            (gate["name"], gate["expected"], gate["found"], _verdict(gate["passed"]), gate["why"])
            for gate in part["gates"]
        ]
        head = ("gate", "expected", "found", "verdict", "why")
        yield table(f"Gates of {name}", head, rows)


def recordings_tables(report: Part) -> Iterator[ET.Element]:
    """What was recorded, refused, or could not be read; of each bundle where that differs."""
    head = (
        "recording", "path", "topic", "type", "first target [UTC]", "last target [UTC]",
        "length [s]", "targets", "rows", "refused", "stamps",
    )  # fmt: skip
    parts = report["evaluations"]
    for name, part in zip(names_of(report), parts, strict=True):
        if part is not parts[0] and part["bags"] == parts[0]["bags"]:
            continue
        rows = [
            (
                number,
                *(bag[key] for key in ("path", "topic", "target_type")),
                *(_time(bag[key]) if bag["messages"] else None for key in ("first_ns", "last_ns")),
                (bag["last_ns"] - bag["first_ns"]) / NANOSECONDS,
                *(bag[key] for key in ("messages", "rows")),
                _counts(bag["refused"]),
                _counts({what: bag[key] for what, key in STAMPS.items()}),
            )
            for number, bag in enumerate(part["bags"])
        ]
        caption = "Recordings" if part is parts[0] else f"Recordings, as {name} read them"
        yield table(caption, head, rows)
        sentences = [
            (f"{bag['path']}: {what}", kind)
            for bag in part["bags"]
            for kind, key in (("problem", "problems"), ("refused", "refusals"))
            for what in bag[key]
        ]
        if sentences:
            yield element(
                "ul",
                *(element("li", element("b", f"{kind}: "), text) for text, kind in sentences),
            )


def serving_table(report: Part) -> ET.Element:
    """The parameters that were assumed."""
    serving = {**report["serving"]["policy"], **report["serving"]}
    del serving["policy"]
    rows = [(name, value if value != "" else "none") for name, value in serving.items()]
    return table("Parameters of strict_ik_node", ("parameter", "value"), rows)


def against_tables(against: Part) -> Iterator[ET.Element]:
    """What was compared with recorded results, and where it differs."""
    counts = [(what, against[key]) for key, what in AGAINST.items()]
    yield table(f"Compared with {against['topic']}", ("rows", "count"), counts)
    columns = [(column, count) for column, count in against["by_column"].items() if count]
    if columns:
        yield table("Rows that differ, by column", ("column", "rows"), columns)
        first = against["first"]
        rows = [
            (
                *_place(row).values(),
                *(_cells(row["columns"], side) for side in ("here", "recorded")),
            )
            for row in first
        ]
        head = (*_place(first[0]), "here", "recorded")
        yield table(f"The first {len(rows)} of {against['differing']} rows that differ", head, rows)
    if against.get("problems"):
        yield element("ul", *(element("li", problem) for problem in against["problems"]))


def disagreement_tables(names: Sequence[str], apart: Part) -> Iterator[ET.Element]:
    """Where two bundles end otherwise."""
    yield table(
        "Rows that end otherwise, by column", ("column", "rows"), apart["by_column"].items()
    )
    yield table(
        "How far answers are apart that both served",
        ("", "joint that differs most [rad]"),
        apart["answers_apart"].items(),
    )
    if first := apart["first"]:
        rows = []
        for row in first:
            columns = {name: value for name, value in row.items() if isinstance(value, list)}
            rows.append((*_place(row).values(), *(_cells(columns, side) for side in range(2))))
        caption = f"The first {len(rows)} of {apart['differing']} rows that end otherwise"
        yield table(caption, (*_place(first[0]), *names), rows)


def _place(row: Part) -> Part:
    """Where a row came from, by the names of the columns that say so."""
    place = {name: value for name, value in row.items() if isinstance(value, int)}
    return {"recording": place.pop("bag"), **place}


def _cells(columns: Mapping[str, Any], side: str | int) -> str:
    """One side's values of the columns that differ."""
    return ", ".join(
        f"{column} {CODES[column](v[side]).name.lower() if column in CODES else told(v[side])}"
        for column, v in columns.items()
    )


def _validated(validation: Part) -> Part:
    """The rates of a validation, which is what its maker wrote."""
    rates = validation.get("rates")
    return rates if isinstance(rates, Mapping) else {}


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _joined(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_joined(item)}" for name, item in value.items()) or "not told"
    return told(value)


def _verdict(passed: bool) -> ET.Element:
    return element("b", "passed" if passed else "FAILED", class_="passed" if passed else "failed")


def _time(ns: int) -> str:
    seconds, rest = divmod(ns, NANOSECONDS)
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{rest // 1_000_000:03d}"
