"""Strict inference of joint targets, checked row by row, with the analytic fallback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle import Bundle, OutputKind
from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.errors import ArrayError, DeploymentError, ZeroProofError
from zeroproof_ros.kinematics import AnalyticSolver
from zeroproof_ros.kinematics.analytic import first_step
from zeroproof_ros.kinematics.arm import moved_within, step_within
from zeroproof_ros.kinematics.limits import BoolArray, FloatArray
from zeroproof_ros.pipeline.policy import Policy
from zeroproof_ros.pipeline.table import ResultTable, TableLayout
from zeroproof_ros.pipeline.verify import (
    differential_residual,
    finite_residual,
    position_residual,
)


class StrictIK:
    """What the node, the bag evaluator and the tests call.

    Every input row comes back exactly once, in order. A row is served only if its answer, from
    the model or the solver, passed the check of its source, the position limits and the step
    limit. Of a solver's joint motion that is too long for one step, the whole passed the check and
    the first step is the answer.

    Args:
        bundle: a loaded bundle with a deployment.
        policy: what happens to rows the model may not serve.

    Raises:
        DeploymentError: the bundle says nothing about the arm.
    """

    def __init__(self, bundle: Bundle, policy: Policy | None = None) -> None:
        if bundle.deployment is None:
            raise DeploymentError(
                f"{bundle.path} has no deployment block, so the arm and the meaning of the "
                "columns are unknown; give them to load_bundle(deployment=...)",
                path=bundle.path,
            )
        self.bundle = bundle
        self.policy = policy or Policy()
        self.deployment = bundle.deployment
        self.layout = TableLayout(self.deployment.features, self.deployment.outputs)
        self._arm = self.deployment.arm
        self._solver = AnalyticSolver(self._arm)
        self._is_delta = self.deployment.output_kind is OutputKind.JOINT_DELTA
        self._max_step = self._arm.limits.max_step(self.policy.step_duration)
        self._joints = _as_slice(self.deployment.joint_columns)
        self._task = _as_slice(self.deployment.task_columns)
        self._model_dtype = np.dtype(bundle.runtime.inputs[0].dtype)

    def solve(self, inputs: NDArray[Any]) -> ResultTable:
        """Answer input rows (N, F), N >= 0, columns as `layout.features`.

        Raises:
            ArrayError: not a table of F real columns.
        """
        rows = self._as_rows(inputs)
        size = self.policy.max_batch
        if len(rows) <= size:
            return ResultTable(self.layout, self._solve_batch(rows))
        batches = [self._solve_batch(rows[i : i + size]) for i in range(0, len(rows), size)]
        return ResultTable(self.layout, self._joined(batches, len(rows)))

    def solve_each(self, tables: Sequence[NDArray[Any]]) -> list[ResultTable]:
        """Answer several tables of rows, bit for bit as `solve` answers each of them.

        The graph is run for one table after the other, since its last bit may depend on how many
        rows it gets. Everything else is done for all rows at once, which is many times faster
        where tables have one row.

        Args:
            tables: one or more of inputs (N, F) as `solve` takes them.

        Raises:
            ArrayError: one of them is not a table of F real columns.
        """
        lengths = [len(table) for table in tables]
        size = self.policy.max_batch
        calls = [min(size, n - i) for n in lengths for i in range(0, n, size)]
        rows = self._as_rows(np.concatenate([self._as_rows(table) for table in tables]))
        answered = self._solve_batch(rows, calls)
        ends = np.cumsum(lengths)[:-1]
        return [ResultTable(self.layout, part) for part in np.split(answered, ends)]

    def refuse(self, inputs: NDArray[Any], reason: Reason) -> ResultTable:
        """The table of rows (N, F) that are not looked at, for a reason of the caller's."""
        return ResultTable(self.layout, self.layout.refused(self._as_rows(inputs), reason))

    def commands(self, table: ResultTable) -> FloatArray:
        """Absolute joint positions (M, n) [rad] of the M rows that are served, in row order."""
        return self.absolute(table["in"], table["resolved"])[table.served]

    def absolute(self, inputs: FloatArray, answers: FloatArray) -> FloatArray:
        """Joint positions (N, n) [rad] that answers (N, n) mean for input rows (N, F)."""
        return inputs[:, self._joints] + answers if self._is_delta else answers

    def waypoints(self, table: ResultTable) -> FloatArray:
        """The commands (M, n) [rad] that may be executed one after the other.

        They end before the first row that is not served, and before the first that lies further
        from its predecessor than the step limit: a trajectory with a hole or a jump is cut there.
        """
        served = table.served
        leading = len(served) if served.all() else int(np.argmin(served))
        commands = self.absolute(table["in"][:leading], table["resolved"][:leading])
        if len(commands) < 2:
            return commands
        steps = commands[1:] - commands[:-1]
        jumps = ~step_within(self._arm.limits, steps, self.policy.step_duration)
        return commands[: int(np.argmax(jumps)) + 1] if jumps.any() else commands

    def _as_rows(self, inputs: NDArray[Any]) -> FloatArray:
        width = len(self.layout.features)
        if inputs.ndim != 2 or inputs.shape[1] != width or inputs.dtype.kind not in "fiu":
            raise ArrayError(
                f"inputs have shape {inputs.shape} and dtype {inputs.dtype}, expected (N, {width}) "
                f"real numbers with the columns {', '.join(self.layout.features)}",
                found=inputs.shape,
                expected=("N", width),
            )
        # Column by column in memory, as all checks go along the columns.
        return np.asarray(inputs, dtype=np.float64, order="F")

    def _solve_batch(self, rows: FloatArray, calls: Sequence[int] | None = None) -> NDArray[Any]:
        """The result of rows; `calls` are the numbers of rows the graph gets, None for all."""
        with np.errstate(over="ignore", invalid="ignore"):
            # A number the model's dtype can not hold is as bad as an infinity.
            finite = np.isfinite(rows.astype(self._model_dtype, copy=False))
            if finite.all():
                return self._serve(rows, calls)
            usable = finite.all(axis=1)
            result = self.layout.refused(rows, Reason.BAD_INPUT)
            if calls is not None:
                calls = np.add.reduceat(usable, np.cumsum([0, *calls[:-1]]), dtype=int).tolist()
            result[usable] = self._serve(rows[usable], calls)
            return result

    def _joined(self, parts: Sequence[NDArray[Any]], rows: int) -> NDArray[Any]:
        """Results one after the other; joined by numpy, the bytes between columns are random."""
        joined = np.zeros(rows, dtype=self.layout.dtype)
        end = 0
        for part in parts:
            end += len(part)
            joined[end - len(part) : end] = part
        return joined

    def _serve(self, rows: FloatArray, calls: Sequence[int] | None = None) -> NDArray[Any]:
        """The result of rows that are finite."""
        try:
            strict = self.bundle.run(rows, calls)
            decoded = strict.decoded.astype(np.float64).reshape(len(rows), len(self.layout.outputs))
        except (ZeroProofError, ValueError):
            if calls is not None:  # one call failed; alone each of them says which
                parts = np.split(rows, np.cumsum(calls)[:-1])
                return self._joined([self._serve(part) for part in parts], len(rows))
            return self.layout.refused(rows, Reason.RUNTIME_ERROR)
        result = np.zeros(len(rows), dtype=self.layout.dtype)
        result["in"] = rows
        result["decoded"] = decoded
        result["q_abs"] = np.nan if strict.q_abs is None else _per_row(np.minimum, strict.q_abs)
        result["bottom"] = bottom = _per_row(np.logical_or, strict.bottom_mask)
        result["gap"] = gap = ~bottom & _per_row(np.logical_or, strict.gap_mask)
        result["fault"] = _per_row(np.logical_or, strict.fault_mask)
        result["semantic"] = _per_row(np.logical_or, strict.semantic_bottom_mask)
        q, task = rows[:, self._joints], rows[:, self._task]
        tool, J = self._arm.forward_and_jacobian(q)
        for index, axis in enumerate(self._arm.task_axes):
            result[axis] = tool[:, index]
        self._resolve(result, q, task, tool, J, decoded, bottom, gap)
        return result

    def _resolve(
        self,
        result: NDArray[Any],
        q: FloatArray,
        task: FloatArray,
        tool: FloatArray,
        J: FloatArray,
        decoded: FloatArray,
        bottom: BoolArray,
        gap: BoolArray,
    ) -> None:
        """Fill resolved, residual, source and reason: the model's answers first, then the rest."""
        policy = self.policy
        if self._is_delta:
            residual = differential_residual(J, decoded, task)
            accurate = residual <= policy.residual_tolerance
            # A long step that is right to first order may still end farther from the target.
            ends = finite_residual(self._arm, q, decoded, task, tool=tool)
            accurate &= ends <= policy.motion_tolerance
        else:
            residual = position_residual(self._arm, decoded, task)
            accurate = residual <= policy.position_tolerance
        offered = ~bottom if policy.gap_policy == "accept" else ~(bottom | gap)
        served = offered & accurate & self._allowed(q, decoded)
        if served.all():
            result["residual"], result["resolved"] = residual, decoded
            result["source"] = Source.MODEL
            return
        result["residual"] = _defined(residual, offered)
        result["resolved"] = np.where(served[:, None], decoded, np.nan)
        result["source"][served] = Source.MODEL
        # from the weakest reason to the strongest
        reason = result["reason"]
        reason[:] = Reason.LIMIT
        reason[~accurate] = Reason.RESIDUAL
        reason[served] = Reason.OK
        reason[gap & ~offered] = Reason.GAP
        reason[bottom] = Reason.BOTTOM
        routed = offered & ~served
        if policy.bottom_policy == "fallback":
            routed |= bottom
        if policy.gap_policy == "fallback":
            routed |= gap
        if routed.any():
            result[routed] = self._fall_back(result[routed], q[routed], task[routed])

    def _fall_back(self, result: NDArray[Any], q: FloatArray, task: FloatArray) -> NDArray[Any]:
        """The rows as the solver answers them; of a joint motion, the first step."""
        policy = self.policy
        try:
            if self._is_delta:
                motion = self._solver.motion(q, task, self._max_step)
                residual = finite_residual(self._arm, q, motion, task)
                accurate = residual <= policy.motion_tolerance
                answer = first_step(motion, self._max_step)
            else:
                answer = self._solver.position(q, task)
                residual = position_residual(self._arm, answer, task)
                accurate = residual <= policy.position_tolerance
        except np.linalg.LinAlgError:
            result["reason"] = Reason.FALLBACK_FAILED
            return result
        served = accurate & self._allowed(q, answer)
        result["residual"] = _defined(residual, True)
        result["resolved"] = np.where(served[:, None], answer, np.nan)
        result["source"][served] = Source.ANALYTIC
        result["reason"][~served] = Reason.FALLBACK_FAILED
        return result

    def _allowed(self, q: FloatArray, answer: FloatArray) -> BoolArray:
        """(N,) whether answers from joints q (N, n) [rad] keep position and step limits."""
        target, dq = (q + answer, answer) if self._is_delta else (answer, answer - q)
        return moved_within(self._arm.limits, target, dq, self.policy.step_duration)


def _defined(residual: FloatArray, offered: BoolArray | bool) -> FloatArray:
    """The residuals of rows that had an answer, inf for the rest: never a NaN, never a 0."""
    return np.where(offered & ~np.isnan(residual), residual, np.inf)


def _per_row(reduce: np.ufunc, per_denominator: NDArray[Any]) -> NDArray[Any]:
    """A mask or |Q| per row, from one per denominator."""
    if per_denominator.ndim == 1:
        return per_denominator
    return np.asarray(reduce.reduce(per_denominator, axis=1))


def _as_slice(columns: tuple[int, ...]) -> slice | list[int]:
    """Columns that follow each other as a slice, which numpy reads without copying."""
    first = columns[0]
    if columns == tuple(range(first, first + len(columns))):
        return slice(first, first + len(columns))
    return list(columns)
