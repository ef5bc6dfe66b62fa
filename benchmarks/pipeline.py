"""`StrictIK` alone, against zeroproofml 0.5.1 doing the same work on the same bundle.

Sides, all on one bundle of the strict kind with the exact model of the planar arm:

    ours        StrictIK.solve: model, masks, fallback, and every row checked
    documented  zeroproofml as its documents show it: runtime, masks to torch, then
                route_to_analytic_solver with damped least squares; nothing is checked
    checked     the same, and then the residual, joint limits and step limit of every row, which is
                what a user has to add before the rows may go to an arm

Only `checked` does the same work as `ours`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from harness.rounds import in_turns, median_of, ratio_of, show_json, show_table, timed
from harness.rows import ROBOT, target_rows
from numpy.typing import NDArray
from zeroproofml.inference import load_onnx_runtime_bundle, route_to_analytic_solver

from zeroproof_ros.bundle import GraphKind, load_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.pipeline import StrictIK
from zeroproof_ros.training.exact_planar_2r import write_exact_bundle

BATCHES = (1, 64, 1024, 65536)
ROUTED_SHARE = 0.05
ROUNDS = 15
SECONDS = 0.03  # per side and round

THRESHOLDS = InferenceConfig(tau_infer=0.02, tau_train=0.05)
DAMPING = 0.05  # [m]

Solve = Callable[[NDArray[np.float32]], NDArray[Any]]


class Documented:
    """What a user of zeroproofml writes after its documents, for the arm of the bundle."""

    def __init__(self, bundle: Path, ik: StrictIK) -> None:
        self._runtime = load_onnx_runtime_bundle(bundle)
        self._l1, self._l2 = ik.deployment.link_lengths
        self._limits = ik.deployment.arm.limits
        self._max_step = self._limits.max_step(ik.policy.step_duration)
        self._policy = ik.policy

    def solve(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Joint steps (N, 2) [rad]: the model's, or where it gives none the solver's."""
        return self._resolve(x)[0]

    def solve_checked(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Joint steps (N, 2) [rad], NaN where the checks of `StrictIK` fail."""
        answers, routed = self._resolve(x)
        q, dx, dq = x[:, :2].astype(np.float64), x[:, 2:], answers.astype(np.float64)
        wanted = np.maximum(np.linalg.norm(dx, axis=1), 1e-6)
        linear = np.einsum("nij,nj->ni", self._jacobian(q), dq) - dx
        residual = np.linalg.norm(linear, axis=1) / wanted
        tolerance = np.full(len(x), self._policy.residual_tolerance)
        if routed.any():
            finite = self._tool(q[routed] + dq[routed]) - self._tool(q[routed]) - dx[routed]
            residual[routed] = np.linalg.norm(finite, axis=1) / wanted[routed]
            tolerance[routed] = self._policy.motion_tolerance
        to = q + dq
        inside = np.all((to >= self._limits.lower) & (to <= self._limits.upper), axis=1)
        slow = np.all(np.abs(dq) <= self._max_step, axis=1)
        served = (residual <= tolerance) & inside & slow
        return np.where(served[:, None], dq, np.nan)

    def _resolve(self, x: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        decoded, bottom, gap = self._runtime.run(x)
        invalid = torch.from_numpy(bottom | gap)
        resolved = route_to_analytic_solver(
            torch.from_numpy(decoded),
            invalid,
            inputs=torch.from_numpy(x),
            solver_fn=self._damped_least_squares,
        )
        return resolved.numpy(), invalid.numpy()

    def _damped_least_squares(self, x: torch.Tensor) -> torch.Tensor:
        q1, q12 = x[:, 0], x[:, 0] + x[:, 1]
        forearm_x, forearm_y = self._l2 * torch.cos(q12), self._l2 * torch.sin(q12)
        row_x = torch.stack([-self._l1 * torch.sin(q1) - forearm_y, -forearm_y], dim=1)
        row_y = torch.stack([self._l1 * torch.cos(q1) + forearm_x, forearm_x], dim=1)
        J = torch.stack([row_x, row_y], dim=1)
        Jt = J.transpose(1, 2)
        damped = J @ Jt + DAMPING**2 * torch.eye(2)
        return (Jt @ torch.linalg.solve(damped, x[:, 2:, None]))[:, :, 0]

    def _tool(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        q1, q12 = q[:, 0], q[:, 0] + q[:, 1]
        x = self._l1 * np.cos(q1) + self._l2 * np.cos(q12)
        y = self._l1 * np.sin(q1) + self._l2 * np.sin(q12)
        return np.stack([x, y], axis=1)

    def _jacobian(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        q1, q12 = q[:, 0], q[:, 0] + q[:, 1]
        forearm_x, forearm_y = self._l2 * np.cos(q12), self._l2 * np.sin(q12)
        row_x = np.stack([-self._l1 * np.sin(q1) - forearm_y, -forearm_y], axis=1)
        row_y = np.stack([self._l1 * np.cos(q1) + forearm_x, forearm_x], axis=1)
        return np.stack([row_x, row_y], axis=1)


def measure(sides: dict[str, Solve], batch: int, routed: int) -> dict[str, Any]:
    """Figures of one batch size."""
    x = target_rows(batch, routed).astype(np.float32)
    taken = in_turns({name: timed(lambda s=s: s(x), SECONDS) for name, s in sides.items()}, ROUNDS)
    return {
        "batch": batch,
        "routed": routed,
        **{f"{name}_us": median_of(rounds) * 1e6 for name, rounds in taken.items()},
        "documented_over_ours": ratio_of(taken["documented"], taken["ours"]),
        "checked_over_ours": ratio_of(taken["checked"], taken["ours"]),
    }


def check_agreement(ik: StrictIK, documented: Documented) -> None:
    """Both must serve all rows, and those of the model alike, before their speed is compared."""
    x = target_rows(1024, 51).astype(np.float32)
    table, theirs = ik.solve(x), documented.solve_checked(x)
    by_model = table["reason"] == 0
    same = np.allclose(table["resolved"][by_model], theirs[by_model], rtol=1e-6)
    if not (same and np.count_nonzero(~by_model) == 51 and table.served.all()):
        raise RuntimeError("the sides do not do the same work")
    unserved = int(np.isnan(theirs).any(axis=1).sum())
    print(f"of 51 rows for the solver, damped least squares leaves {unserved} unserved, ours 0")


def main() -> None:
    """Measure all batches and mixes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "strict"
        block = yaml.safe_load(ROBOT.read_text("utf-8"))
        write_exact_bundle(path, block, THRESHOLDS, kind=GraphKind.STRICT)
        ik = StrictIK(load_bundle(path))
        documented = Documented(path, ik)
    check_agreement(ik, documented)
    sides: dict[str, Solve] = {
        "ours": lambda x: ik.solve(x)["resolved"],
        "documented": documented.solve,
        "checked": documented.solve_checked,
    }
    cases = []
    for share in (0.0, ROUTED_SHARE):
        for batch in BATCHES:
            routed = int(np.ceil(share * batch))
            print(f"batch {batch}, {routed} rows for the solver ...", flush=True)
            cases.append(measure(sides, batch, routed))
    show_table(cases)
    show_json({"benchmark": "pipeline", "cases": cases})


if __name__ == "__main__":
    main()
