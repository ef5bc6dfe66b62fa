"""VALIDATION_REPORT.md: the summary as people read it. It says nothing the summary does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zeroproof_ros.text import escaped

# Names that Markdown and HTML leave as they are.
_PLAIN = re.compile(r"[\w .,:;=/@'()-]*")
_RATES = (
    "rows",
    "coverage",
    "accept_rate",
    "bottom_rate",
    "gap_rate",
    "fault_rate",
    "serve_rate",
    "fallback_rate",
    "reject_rate",
    "q_abs_min",
)
_RATES_TOLD = (
    "coverage is 1 - bottom - gap; accept counts the gap as accepted; fallback are the rows that "
    "the solver served, reject those that nobody did; q_abs_min is the smallest |Q|."
)
_LATENCY_TOLD = (
    "Of the model alone, in [{0}]({0}): it is measured anew at each run, while here the same "
    "bundle gives the same bytes. No gate judges it."
)
# The table of the sweep has every so manieth threshold of the summary.
_EVERY = 4


def markdown(summary: Mapping[str, Any], *, figure: str, latency: str) -> str:
    """The report in Markdown.

    Args:
        summary: of a `ValidationReport`.
        figure, latency: the files with the picture and the latency, beside the report.
    """
    failed = [gate["name"] for gate in summary["gates"] if not gate["passed"]]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "PASSED: all gates"
    parts = [
        "# Validation report",
        f"**{verdict}**",
        _table(
            ("gate", "expected", "found", "verdict", "why"),
            (
                (
                    gate["name"],
                    gate["expected"],
                    gate["found"],
                    "passed" if gate["passed"] else "**failed**",
                    gate["why"],
                )
                for gate in summary["gates"]
            ),
            raw=("expected", "verdict"),
        ),
        "## Bundle",
        _bundle(summary),
        "## Rows",
        _rows(summary),
        _table(
            ("split", *_RATES),
            ((name, *(rates[r] for r in _RATES)) for name, rates in summary["splits"].items()),
        ),
        _RATES_TOLD,
        *_sections(summary),
        "## Smoke test",
        _smoke(summary["smoke"]),
        "## Latency",
        _LATENCY_TOLD.format(latency),
    ]
    if summary["robot"] is not None:
        parts += ["## Picture", f"![Rates over the workspace and by |det J|]({figure})"]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _bundle(summary: Mapping[str, Any]) -> str:
    thresholds, robot = summary["thresholds"], summary["robot"]
    facts = {
        "digest": summary["bundle_digest"],
        "graph": summary["graph"],
        "tau_infer": thresholds["tau_infer"],
        "tau_train": thresholds["tau_train"],
    }
    for side in ("inputs", "outputs"):
        for spec in summary[side]:
            shape = ", ".join(map(str, spec["shape"]))
            facts[f"{side[:-1]} {spec['name']}"] = f"{spec['dtype']} ({shape})"
    if robot is not None:
        facts |= {
            "robot": robot["type"],
            "link lengths (m)": robot["link_lengths"],
            "joints": robot["joint_names"],
            "position limits (rad)": [
                f"{low:g} to {high:g}"
                for low, high in zip(robot["position_lower"], robot["position_upper"], strict=True)
            ],
            "velocity limits (rad/s)": robot["velocity"],
            "features": robot["features"],
            "outputs": f"{', '.join(robot['outputs'])} as {robot['output_kind']}",
        }
    files = ((f["name"], f["bytes"], f["sha256"]) for f in summary["files"])
    return "\n".join(
        (_table(("", "value"), facts.items()), _table(("file", "bytes", "SHA-256"), files))
    )


def _rows(summary: Mapping[str, Any]) -> str:
    drawn = summary["drawn"]
    told = f"Gates, strata and picture are about the split {_cell(summary['judged'])}."
    if drawn is not None:
        what = "standard normal numbers, which mean nothing to the model"
        if summary["robot"] is not None:
            what = (
                "joint positions uniform within the limits, which cover the whole workspace, each "
                "with a step of the tool that a tenth of the largest joint step makes"
            )
        told += f" Its {drawn['rows']} rows were drawn here with seed {drawn['seed']}: {what}."
    return told


def _sections(summary: Mapping[str, Any]) -> list[str]:
    parts = []
    residuals, strata, curves = (summary[k] for k in ("residuals", "strata", "calibration"))
    if residuals is not None:
        delta = residuals["unit"] == "1"
        policy = summary["policy"]
        what = (
            "Of the model |J dq - dx| / |dx|, of the solver |FK(q + dq) - FK(q) - dx| / |dx|; the "
            f"tolerances are {policy['residual_tolerance']:g} and {policy['motion_tolerance']:g}."
            if delta
            else f"|FK(q) - x| in [m]; the tolerance is {policy['position_tolerance']:g}."
        )
        levels = ("rows", "p50", "p95", "p99", "max")
        quantiles = (
            (name, *(residuals[name][level] for level in levels)) for name in ("model", "solver")
        )
        parts += ["## Residuals of served rows", what, _table(("served by", *levels), quantiles)]
    if strata is not None:
        unit, bound = len(summary["robot"]["joint_names"]), summary["det_bound"]
        what = f"|det J| in [m^{unit}]. No row below {bound:g} may be accepted."
        rates = ((s["from"], s["to"], *(s[r] for r in _RATES)) for s in strata)
        parts += ["## By |det J|", what, _table(("from", "below", *_RATES), rates)]
    if curves is not None:
        names = ("taus", "fn_in", "fp_cens", "bottom_rate")
        what = (
            f"What another tau_infer would do to the same rows: those with |det J| of "
            f"{summary['det_bound']:g} or more are in range, the others censored. fn_in is the "
            "share of rows in range that are rejected, fp_cens that of censored rows that are "
            f"not. tau_infer is {summary['thresholds']['tau_infer']:g}; the summary has the "
            "thresholds in between too."
        )
        points = zip(*(curves[name][::_EVERY] for name in names), strict=True)
        parts += ["## Calibration curve", what, _table(names, points)]
    if summary["omitted"]:
        parts += ["## Not in this report", _table(("section", "why"), summary["omitted"].items())]
    return parts


def _smoke(smoke: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{count} {kind}" for kind, count in smoke["rows"].items())
    lines = [f"Rows: {_cell(rows)}.", f"Checks: {', '.join(smoke['checks']) or 'none ran'}."]
    lines += [f"Warning: {_cell(warning)}." for warning in smoke["warnings"]]
    lines += [f"**Failed** {name}: {_cell(what)}." for name, what in smoke["failures"].items()]
    return "\n\n".join(lines)


def _table(head: Sequence[str], rows: Iterable[Iterable[Any]], *, raw: Sequence[str] = ()) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = (
            str(value) if name in raw else _cell(value)
            for name, value in zip(head, row, strict=True)
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    """A value that no table, markup or terminal mistakes for something else."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    text = escaped(str(value))
    if _PLAIN.fullmatch(text):
        return text
    return re.sub(r"([\\`*_{}\[\]<>#+!|~&$])", r"\\\1", text)
