"""A learned reference against zeroproofml 0.5.1's own, and against solvers without any model.

Sides:

    ours        StrictIK on a bundle of ours: model, masks, check, fallback
    zeroproofml the reference deployment of zeroproofml 0.5.1, trained in this run by its own
                function with its own defaults, served as its documents show: runtime, masks, and
                route_to_analytic_solver with the damped least squares that it trains on
    damped      damped least squares alone, as our fallback damps them
    exact       our analytic solver alone

Every side answers rows for its own arm, drawn by one rule with one seed: joint positions uniform
within the position limits, and a step of one length in a uniform direction. Both arms have the same
limits and speeds; their links differ, as zeroproofml's reference has links of 1 m and 1 m. The
solvers answer the rows of our arm.

A row is served in the end if its answer is finite, within the position and step limits, and leads
the tool nearer to its target. `StrictIK` checks by itself, and the other sides get that check here,
within their time. Of the exact solver's joint motion that is too long for one step the whole is
checked, and the first step is the answer. What `StrictIK` asks of a model is that J dq is dx; a
long step may keep that and still end farther away, since an arm moves on arcs. Such rows count as
astray, and not as served.

    residual    |J dq - dx| / |dx| of the rows the model serves
    tool error  |FK(q + dq) - FK(q) - dx| / |dx| of all rows served in the end
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness.rounds import in_turns, median_of, show_json, timed
from harness.rows import BUNDLE, STEP
from numpy.typing import NDArray
from zeroproofml.inference import load_onnx_runtime_bundle, route_to_analytic_solver

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.kinematics import AnalyticSolver, Arm, Planar2R, damped_least_squares
from zeroproof_ros.kinematics.analytic import DAMPING, NEAR_SINGULAR, first_step
from zeroproof_ros.kinematics.arm import moved_within
from zeroproof_ros.pipeline import Policy, Source, StrictIK
from zeroproof_ros.pipeline.verify import differential_residual, finite_residual

Rows = NDArray[np.float64]
Mask = NDArray[np.bool_]

NEAR = 0.02  # |det J| under which no row of a model may be accepted [m^2]
BATCHES = (1, 1024)
ROUNDS = 15
SECONDS = 0.03  # per side and round
THEIR_LINKS = (1.0, 1.0)  # [m]
THEIR_DAMPING = 0.01  # [m]
TRAIN_THEIRS = """
import sys
from pathlib import Path
from zeroproofml.reference_robotics_deployment import (
    ReferenceRoboticsDeploymentConfig,
    run_reference_robotics_deployment,
)
run_reference_robotics_deployment(ReferenceRoboticsDeploymentConfig(out_root=Path(sys.argv[1])))
"""


@dataclass(frozen=True)
class Answer:
    """Joint steps dq (N, 2) [rad] for N rows and what became of each, (N,).

    A side without a model has neither bottoms nor gaps.
    """

    dq: Rows
    served: Mask
    by_model: Mask
    bottom: Mask | None = None
    gap: Mask | None = None


@dataclass(frozen=True)
class Side:
    """Something that answers rows (N, 4) = q1, q2, dx, dy for an arm."""

    arm: Arm
    answer: Callable[[Rows], Answer]


def draw(arm: Arm, count: int) -> Rows:
    """Rows (count, 4) by the rule of this module."""
    random = np.random.default_rng(11)
    q = random.uniform(arm.limits.lower, arm.limits.upper, (count, 2))
    direction = random.uniform(-np.pi, np.pi, count)
    return np.column_stack([q, STEP * np.cos(direction), STEP * np.sin(direction)])


def checked(arm: Arm, x: Rows, dq: Rows, motion: Rows | None = None) -> Mask:
    """(N,) which joint steps, as the beginnings of joint motions, may be made and lead nearer."""
    policy, q = Policy(), x[:, :2]
    whole = dq if motion is None else motion
    nearer = finite_residual(arm, q, whole, x[:, 2:]) <= policy.motion_tolerance
    return np.asarray(nearer & moved_within(arm.limits, q + dq, dq, policy.step_duration))


def ours(bundle: Path) -> Side:
    ik = StrictIK(load_bundle(bundle))

    def answer(x: Rows) -> Answer:
        table = ik.solve(x)
        masks = (table[name].astype(bool) for name in ("bottom", "gap"))
        return Answer(table["resolved"], table.served, table["source"] == Source.MODEL, *masks)

    return Side(ik.deployment.arm, answer)


def zeroproofml(bundle: Path, arm: Planar2R) -> Side:
    # With more, torch waits for the other cores longer than these few rows take.
    torch.set_num_threads(1)
    runtime = load_onnx_runtime_bundle(bundle)

    def solver(x: torch.Tensor) -> torch.Tensor:
        rows = x.numpy().astype(np.float64)
        J = arm.jacobian(rows[:, :2])
        Jt = J.transpose(0, 2, 1)
        damped = J @ Jt + THEIR_DAMPING**2 * np.eye(2)
        dq = (Jt @ np.linalg.solve(damped, rows[:, 2:, None]))[:, :, 0]
        return torch.from_numpy(dq.astype(np.float32))

    def answer(x: Rows) -> Answer:
        inputs = x.astype(np.float32)
        decoded, *masks = runtime.run(inputs)
        bottom, gap = (mask.reshape(len(x), -1).any(axis=1) for mask in masks)
        routed = bottom | gap
        resolved = route_to_analytic_solver(
            torch.from_numpy(decoded),
            torch.from_numpy(routed),
            inputs=torch.from_numpy(inputs),
            solver_fn=solver,
        )
        dq = resolved.numpy().astype(np.float64)
        served = checked(arm, x, dq)
        return Answer(dq, served, served & ~routed, bottom, gap & ~bottom)

    return Side(arm, answer)


def damped(arm: Arm) -> Side:
    w0 = NEAR_SINGULAR * arm.max_determinant
    k0 = DAMPING**2 * arm.max_determinant

    def answer(x: Rows) -> Answer:
        J = arm.jacobian(x[:, :2])
        w = np.abs(arm.determinant(x[:, :2]))
        dq = damped_least_squares(J, x[:, 2:], w, w0=w0, k0=k0)
        return Answer(dq, checked(arm, x, dq), np.zeros(len(x), dtype=bool))

    return Side(arm, answer)


def exact(arm: Arm) -> Side:
    solver, max_step = AnalyticSolver(arm), arm.limits.max_step(Policy().step_duration)

    def answer(x: Rows) -> Answer:
        motion = solver.motion(x[:, :2], x[:, 2:], max_step)
        dq = first_step(motion, max_step)
        return Answer(dq, checked(arm, x, dq, motion), np.zeros(len(x), dtype=bool))

    return Side(arm, answer)


def quality(side: Side, count: int) -> dict[str, Any]:
    """What a side makes of its rows; None where there is no model, or it serves none."""
    x = draw(side.arm, count)
    found, (q, dx) = side.answer(x), (x[:, :2], x[:, 2:])
    dq = found.dq
    residual = differential_residual(side.arm.jacobian(q), dq, dx)
    error = finite_residual(side.arm, q, dq, dx)
    astray = found.by_model & (error > Policy().motion_tolerance)
    served = found.served & ~astray
    near = np.abs(side.arm.determinant(q)) < NEAR
    masks = None if found.bottom is None or found.gap is None else (found.bottom, found.gap)
    return {
        "coverage": None if masks is None else float(1 - (masks[0] | masks[1]).mean()),
        "gap": None if masks is None else float(masks[1].mean()),
        "bottom": None if masks is None else float(masks[0].mean()),
        **quantiles("residual", residual[found.by_model], (0.5, 0.95, 1.0)),
        "by model": None if masks is None else float(found.by_model.mean()),
        "by model, astray": None if masks is None else float(astray.mean()),
        "by solver": float((found.served & ~found.by_model).mean()),
        "served": float(served.mean()),
        **quantiles("tool error", error[served], (0.5, 0.95)),
        f"accepted, det < {NEAR:g}": (
            None if masks is None else int(np.count_nonzero(near & ~masks[0]))
        ),
    }


def quantiles(name: str, values: Rows, levels: Sequence[float]) -> dict[str, float | None]:
    return {
        f"{name} {'max' if level == 1 else f'p{100 * level:.0f}'}": (
            float(np.quantile(values, level)) if values.size else None
        )
        for level in levels
    }


def timings(sides: Mapping[str, Side], batch: int) -> dict[str, float]:
    """Median time per row [us] of each side, taken in turns, at a batch size."""
    calls = {}
    for name, side in sides.items():
        # one row would be a row for the model or for the solver by chance
        batches = cycle(np.split(draw(side.arm, max(BATCHES)), max(BATCHES) // batch))
        calls[name] = timed(lambda s=side, x=batches: s.answer(next(x)), SECONDS)
    taken = in_turns(calls, ROUNDS)
    return {name: median_of(rounds) * 1e6 / batch for name, rounds in taken.items()}


def markdown(table: Mapping[str, Mapping[str, Any]]) -> str:
    """A line per figure and a column per side."""
    lines = [f"| | {' | '.join(table)} |", f"|---|{'---:|' * len(table)}"]
    for figure in next(iter(table.values())):
        cells = [cell(side[figure]) for side in table.values()]
        lines.append(f"| {figure} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def plain_words(table: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which models serve nothing, and where a solver alone is better than our model.

    Not than zeroproofml's, whose arm is another.
    """
    told = [
        f"{name}: the model serves no row; all that is served is its solver's work"
        for name in ("ours", "zeroproofml")
        if not table[name]["by model"]
    ]
    figures = ("served", "tool error p95", *(f"us per row, batch {batch}" for batch in BATCHES))
    for solver in ("damped", "exact"):
        for figure in figures:
            mine, other = table["ours"][figure], table[solver][figure]
            beats = other > mine if figure == "served" else other < mine
            verdict = "beats" if beats else "does not beat"
            told.append(
                f"{solver} alone {verdict} ours in {figure}: {other:.4g} against {mine:.4g}"
            )
    return told


def their_bundle(folder: Path) -> Path:
    """Train zeroproofml's reference as it trains itself; its bundle."""
    out = folder / "zeroproofml"
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_THEIRS, str(out)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"zeroproofml's reference failed:\n{done.stderr}")
    return out / "bundle"


def main() -> None:
    """Train, measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="of ours, for a planar_2r arm")
    parser.add_argument("--rows", type=int, default=20_000, help="for each side")
    options = parser.parse_args()
    mine = ours(options.bundle)
    with tempfile.TemporaryDirectory() as folder:
        theirs = zeroproofml(their_bundle(Path(folder)), Planar2R(THEIR_LINKS, mine.arm.limits))
    sides = {
        "ours": mine,
        "zeroproofml": theirs,
        "damped": damped(mine.arm),
        "exact": exact(mine.arm),
    }
    table = {name: quality(side, options.rows) for name, side in sides.items()}
    for batch in BATCHES:
        for name, taken in timings(sides, batch).items():
            table[name][f"us per row, batch {batch}"] = taken
    print(f"{options.rows} rows for each side, steps of {STEP:g} m\n")
    print(markdown(table), "", *plain_words(table), sep="\n")
    show_json({"benchmark": "reference_comparison", "rows": options.rows, "sides": table})


if __name__ == "__main__":
    main()
