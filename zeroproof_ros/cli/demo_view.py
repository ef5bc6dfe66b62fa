"""How the demo looks: a live table, a summary and the picture of the path."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table

from zeroproof_ros.bundle import Bundle, Deployment
from zeroproof_ros.cli.screen import LABELS, TRACE, served_by, sparkline
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.monitor import Rates
from zeroproof_ros.pipeline import Reason, Source

COLOURS = {Source.MODEL: "#1f77b4", Source.ANALYTIC: "#ff7f0e", Source.NONE: "#d62728"}


def demo_screen(
    bundle: Bundle,
    duration: float,
    elapsed: float,
    tables: Sequence[NDArray[Any]],
    rates: Mapping[str, Rates] | None,
) -> Group:
    """What a terminal shows while rows come."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row("time", ProgressBar(total=duration, completed=elapsed, width=TRACE))
    if tables:
        last = np.concatenate(tables[-TRACE:])
        grid.add_row("|Q|", sparkline(last["q_abs"]), f"{last['q_abs'][-1]:.4f} m²")
        grid.add_row(
            "served by",
            served_by(last["source"]),
            LABELS[Source(last["source"][-1])],
        )
        grid.add_row("why", _why(last[-1], bundle.config))
        grid.add_row("rows", str(sum(map(len, tables))))
    if rates:
        window = rates["window"]
        grid.add_row(
            "monitor",
            f"coverage {window.coverage:.3f}  bottom {window.bottom_rate:.3f}  "
            f"gap {window.gap_rate:.3f}  fallback {window.fallback_rate:.3f}  "
            f"rejected {window.reject_rate:.3f}",
        )
    return Group(f"[bold]{bundle.id}[/] on {', '.join(bundle.runtime.providers)}", grid)


def _why(row: Any, config: InferenceConfig) -> str:
    return {
        Reason.OK: "the model's answer was checked and taken",
        Reason.BOTTOM: f"bottom: |Q| < tau_infer = {config.tau_infer:g}",
        Reason.GAP: f"gap: |Q| < tau_train = {config.tau_train or config.tau_infer:g}",
        Reason.RESIDUAL: "the model's answer failed the check against the arm",
        Reason.LIMIT: "the model's answer would break a joint or step limit",
    }.get(Reason(row["reason"]), Reason(row["reason"]).name.lower())


def demo_line(
    elapsed: float,
    tables: Sequence[NDArray[Any]],
    rates: Mapping[str, Rates] | None,
) -> str:
    """What is printed of a second, empty before the first row."""
    if not tables:
        return ""
    last = tables[-1][-1]
    text = (
        f"{elapsed:4.1f} s  rows {sum(map(len, tables)):4d}  |Q| {last['q_abs']:.4f}  "
        f"{sparkline(np.concatenate(tables[-TRACE:])['q_abs'][::2])}  "
        f"{LABELS[Source(last['source'])]}"
    )
    if rates:
        window = rates["window"]
        text += f"  coverage {window.coverage:.3f}  fallback {window.fallback_rate:.3f}"
    return text


def show_summary(summary: Mapping[str, Any], rates: Mapping[str, Rates] | None, out: Path) -> None:
    """Print the summary, the monitor's own count beside it, and where the files are."""
    table = Table(title="What the demo did")
    table.add_column("")
    table.add_column("value", justify="right")
    for key, value in summary.items():
        table.add_row(key, f"{value:.6g}" if isinstance(value, float) else str(value))
    if rates:
        for key in ("rows", "bottom_rate", "gap_rate"):
            table.add_row(f"monitor: {key}", f"{asdict(rates['all'])[key]:.6g}")
    console = Console(file=sys.stdout)
    console.print(table)
    console.print(f"summary: {out / 'summary.json'}   picture: {out / 'path.png'}", soft_wrap=True)


def draw_path(rows: NDArray[Any], deployment: Deployment, path: Path) -> None:
    """The way of the tool in the workspace, coloured by source, with the singular circles."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    l1, l2 = deployment.link_lengths
    turn = np.linspace(0.0, 2.0 * np.pi, 361)
    figure, axes = plt.subplots(figsize=(7, 7), dpi=120)
    for radius, label in ((l1 + l2, "singular: stretched"), (abs(l1 - l2), "singular: folded")):
        dash = "--" if radius == l1 + l2 else ":"
        axes.plot(radius * np.cos(turn), radius * np.sin(turn), dash, color="0.5", label=label)
    for source in (Source.MODEL, Source.ANALYTIC, Source.NONE):
        these = rows[rows["source"] == source]
        axes.scatter(
            these["x"],
            these["y"],
            s=14 if source is Source.MODEL else 26,
            color=COLOURS[source],
            label=f"{LABELS[source]} ({len(these)} rows)",
            zorder=3,
        )
    stretched = rows[np.argmax(np.hypot(rows["x"], rows["y"]))]
    elbow = l1 * np.array([np.cos(stretched["in"][0]), np.sin(stretched["in"][0])])
    axes.plot(
        [0, elbow[0], stretched["x"]],
        [0, elbow[1], stretched["y"]],
        "o-",
        color="0.25",
        linewidth=2,
        zorder=2,
        label="the arm, stretched",
    )
    axes.set(
        aspect="equal",
        xlabel="x [m]",
        ylabel="y [m]",
        title="Tool path through both singularities, by who served each row",
    )
    axes.set_xlim(-0.4 - abs(l1 - l2), l1 + l2 + 0.15)
    axes.set_ylim(-(l1 + l2) * 0.8, (l1 + l2) * 0.8)
    axes.grid(visible=True, color="0.92")
    axes.legend(loc="lower left", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
