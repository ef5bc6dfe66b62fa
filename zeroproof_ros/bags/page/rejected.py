"""Rows that nobody served, as the script of the page reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bags.evaluation import ROWS_FILE, Evaluation
from zeroproof_ros.bags.page.markup import element
from zeroproof_ros.pipeline import Reason, ResultTable, Source, explain
from zeroproof_ros.text import escaped

# So many rows of a bundle a browser still sorts at once; so many come with a sentence.
LISTED = 100_000
EXPLAINED = 1000
CAPTION = "Rejected rows"
MASKS = ("bottom", "gap", "fault", "semantic")


def rejected_rows(evaluation: Evaluation) -> NDArray[np.intp]:
    """Indices (M,) of the rows that nobody served."""
    return np.flatnonzero(evaluation.rows["source"] == Source.NONE)


def rejected_json(evaluations: Sequence[Evaluation]) -> str:
    """The first `LISTED` rejected rows of each evaluation, column by column.

    Text is such that it may stand in an HTML script element. Numbers that are not finite are
    their names; `recorded` is in [ms] since 1970; `masks` has a bit for each name of `maskNames`,
    and `reason` is an index of `reasonNames`.
    """
    parts = [_columns(number, each) for number, each in enumerate(evaluations, start=1)]
    data = {
        "maskNames": MASKS,
        "reasonNames": [reason.name.lower() for reason in Reason],
        "bundles": len(evaluations),
        "columns": [
            {"name": same[0][0], "values": [v for _, values in same for v in values]}
            for same in zip(*parts, strict=True)
        ],
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _columns(number: int, evaluation: Evaluation) -> list[tuple[str, list[Any]]]:
    which = rejected_rows(evaluation)[:LISTED]
    rows, origin = evaluation.rows[which], evaluation.origin[which]
    table = ResultTable(evaluation.ik.layout, evaluation.rows)
    sentences = [explain(evaluation.ik, table, int(i)) for i in which[:EXPLAINED]]
    masks = sum(rows[name].astype(int) << bit for bit, name in enumerate(MASKS))
    inputs = enumerate(evaluation.ik.layout.features)
    return [
        ("bundle", [number] * len(which)),
        ("index", which.tolist()),
        ("recording", origin["bag"].tolist()),
        ("message", origin["message"].tolist()),
        ("row", origin["row"].tolist()),
        ("recorded", (origin["recorded_ns"] / 1e6).round(3).tolist()),
        ("reason", rows["reason"].tolist()),
        *((f"in.{escaped(name)}", _numbers(rows["in"][:, column])) for column, name in inputs),
        ("|Q|", _numbers(rows["q_abs"])),
        ("residual", _numbers(rows["residual"])),
        ("masks", np.asarray(masks).tolist()),
        ("explained", [escaped(s) for s in sentences] + [""] * (len(which) - len(sentences))),
    ]


def _numbers(values: NDArray[np.float64]) -> list[float | str]:
    return [v if np.isfinite(v) else str(v) for v in values.tolist()]


def rejected_controls(evaluations: Sequence[Evaluation]) -> Iterator[ET.Element]:
    """What the script fills: a search, filters, a table and what leads through its pages."""
    counts = [len(rejected_rows(evaluation)) for evaluation in evaluations]
    if not any(counts):
        yield element("p", "No row was rejected.")
        return
    told = [
        f"{f'bundle {number}: ' if len(counts) > 1 else ''}{count} of {len(each.rows)} rows were "
        "rejected"
        for number, (count, each) in enumerate(zip(counts, evaluations, strict=True), start=1)
    ]
    if max(counts) > LISTED:
        told.append(f"the first {LISTED} are listed here, all are in {ROWS_FILE}")
    if max(counts) > EXPLAINED:
        told.append(f"the first {EXPLAINED} with a sentence")
    yield element("p", "; ".join(told) + f". The index of a row is that in {ROWS_FILE}.")
    yield element(
        "noscript",
        element("p", f"A script shows them, which does not run here. {ROWS_FILE} has them too."),
    )
    yield element(
        "form",
        element("label", "Search ", element("input", type="search", id="search")),
        element("label", "Reason ", element("select", id="reason")),
        element("label", "Bundle ", element("select", id="bundle")),
        element("output", id="count", aria_live="polite"),
        id="controls",
        hidden="",
    )
    yield element(
        "div",
        element("table", element("caption", CAPTION), element("thead"), id="rows"),
        class_="scroll",
        role="region",
        aria_label=CAPTION,
        tabindex="0",
    )
    yield element(
        "p",
        element("button", "Previous", type="button", id="previous"),
        " ",
        element("button", "Next", type="button", id="next"),
        id="pages",
        hidden="",
    )
