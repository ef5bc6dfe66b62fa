"""What a user of zeroproofml 0.5.1 writes after its documents, for the arm of a bundle of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from zeroproofml.inference import load_onnx_runtime_bundle, route_to_analytic_solver

from zeroproof_ros.pipeline import StrictIK

DAMPING = 0.05  # [m]


class Documented:
    """Runtime, masks to torch, then routing to damped least squares.

    Args:
        bundle: folder of a bundle of the strict kind, which zeroproofml reads too.
        ik: ours on the same bundle, for the arm and the policy of the checks.
    """

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
        accurate = np.linalg.norm(linear, axis=1) / wanted <= self._policy.residual_tolerance
        moved = self._tool(q + dq) - self._tool(q) - dx
        arrives = np.linalg.norm(moved, axis=1) / wanted <= self._policy.motion_tolerance
        to = q + dq
        inside = np.all((to >= self._limits.lower) & (to <= self._limits.upper), axis=1)
        slow = np.all(np.abs(dq) <= self._max_step, axis=1)
        served = (accurate | routed) & arrives & inside & slow
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
