"""Rows a model may not serve, answered by an analytic solver."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroproof_ros.contract import BottomProvenance, SplitMasksResult, adopt_masks
from zeroproof_ros.contract.arrays import (
    Array,
    as_dtype,
    check_kind,
    check_masks,
    count,
    in_shape_of,
    namespace,
    per_row,
    spread,
)
from zeroproof_ros.errors import ArrayError, ConfigError
from zeroproof_ros.monitor import EventLogger

Solver = Callable[[Array], Array]

EVERY_BOTTOM = (BottomProvenance.FAULT, BottomProvenance.SEMANTIC, BottomProvenance.MIXED)

# What an event calls the provenance of its rows, in the order of the events.
TAGS = {
    BottomProvenance.MIXED: "mixed",
    BottomProvenance.FAULT: "fault",
    BottomProvenance.SEMANTIC: "semantic",
    BottomProvenance.FINITE: "none",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RoutedResult:
    """What a routing answers; unpacks to `resolved, route_mask`.

    Attributes:
        resolved: (N,) or (N, K), the values of rows that were not routed, unchanged, and the
            solver's of those that were; NaN exactly where `bottom_mask` is.
        route_mask: (N,) bool, rows that were given to the solver.
        failed_mask: (N,) bool, routed rows that the solver did not answer with finite numbers.
        bottom_mask: shape of the bottom mask that was given, True where `resolved` has no value.
        error: what went wrong in the solver, None where nothing did.
    """

    resolved: Array
    route_mask: Array
    failed_mask: Array
    bottom_mask: Array
    error: str | None

    def __iter__(self) -> Iterator[Array]:
        return iter((self.resolved, self.route_mask))


def route_to_analytic_solver(
    decoded: Array,
    bottom_mask: Array,
    *,
    analytic_solver: Solver,
    inputs: Array,
    gap_mask: Array | None = None,
    fault_mask: Array | None = None,
    semantic_bottom_mask: Array | None = None,
    bottom_provenance: Array | None = None,
    routed_provenance: Collection[BottomProvenance] = EVERY_BOTTOM,
    event_logger: EventLogger | None = None,
) -> RoutedResult:
    """Let a solver answer the rows without a value and, where a gap mask is given, the risky ones.

    A row is routed as a whole when any of its entries is. The solver is called once, with the
    routed rows of `inputs`, or not at all. Whatever it does, no row is lost: where it raises, or
    answers in another shape, library or kind of dtype, all routed rows have no value, and where
    single rows are not finite, those.

    Args:
        decoded: (N,) or (N, K) float.
        bottom_mask: (N,), (N, 1) or (N, K) bool.
        analytic_solver: from M rows of `inputs` to (M,) or (M, K) float, as `decoded`.
        inputs: (N, ...) of the same array library, one per row of `decoded`.
        gap_mask: as `bottom_mask`; None routes no row for its gap.
        fault_mask, semantic_bottom_mask: as `bottom_mask`, why it is bottom.
        bottom_provenance: the same as integer codes of `BottomProvenance`, instead of the two.
        routed_provenance: which bottoms are routed; one that is not keeps no value.
        event_logger: is given one event "fallback-routing" for each provenance among the routed
            rows ("mixed", "fault", "semantic" or, where none is told, "none"): `batch_size`,
            `routed_count`, `routed_rate`, `count`, `rate`, `provenance_tag`, `failed_count` and
            `error`. What it raises is logged, and changes nothing.

    Raises:
        ArrayError: shapes, dtypes or codes other than the above.
        ConfigError: a choice of provenance without any told, or provenance told twice.
    """
    fault, semantic = fault_mask, semantic_bottom_mask
    if bottom_provenance is not None:
        if fault is not None or semantic is not None:
            raise ConfigError("provenance is told twice; give bottom_provenance or the two masks")
        fault, semantic = _from_codes(decoded, bottom_provenance)
    is_told = fault is not None or semantic is not None
    _check_choice(routed_provenance, is_told=is_told)
    # No gap is at a bottom, so the bottom mask stands in for a gap mask without any.
    gap = bottom_mask if gap_mask is None else gap_mask
    strict = adopt_masks(decoded, bottom_mask, gap, fault=fault, semantic=semantic)
    xp = namespace(decoded=decoded, inputs=inputs)
    if not inputs.ndim or inputs.shape[0] != decoded.shape[0]:
        raise ArrayError(
            f"inputs have shape {tuple(inputs.shape)}, expected {decoded.shape[0]} rows, one for "
            "each row of decoded",
            found=tuple(inputs.shape),
            expected=(decoded.shape[0], "..."),
        )

    provenance = _per_row(xp, strict)
    # A row with a bottom is a bottom row, whatever its other entries are.
    route = per_row(xp, strict.gap_mask) & (provenance == int(BottomProvenance.FINITE))
    for code in routed_provenance:
        route = route | (provenance == int(code))
    resolved, failed, error = strict.decoded, xp.zeros_like(route), None
    if bool(xp.any(route)):
        answer, failed[route], error = _ask(xp, analytic_solver, inputs[route], resolved[route])
        resolved[route] = answer
    unanswered = strict.bottom_mask & ~in_shape_of(xp, strict.bottom_mask, route)
    bottom = unanswered | in_shape_of(xp, strict.bottom_mask, failed)
    result = RoutedResult(resolved, route, failed, bottom, error)
    if event_logger is not None:
        _report(xp, result, provenance if is_told else xp.zeros_like(provenance), event_logger)
    return result


def _from_codes(decoded: Array, codes: Array) -> tuple[Array, Array]:
    """The fault and semantic masks that codes of `BottomProvenance` stand for."""
    xp = namespace(decoded=decoded, bottom_provenance=codes)
    check_masks("decoded", decoded, bottom_provenance=codes)
    check_kind(xp, "integral", bottom_provenance=codes)
    if bool(xp.any((codes < min(BottomProvenance)) | (codes > max(BottomProvenance)))):
        raise ArrayError(
            "bottom_provenance has codes outside "
            f"{', '.join(f'{code} {code.name.lower()}' for code in BottomProvenance)}",
            expected=tuple(BottomProvenance),
        )
    mixed = codes == int(BottomProvenance.MIXED)
    fault = (codes == int(BottomProvenance.FAULT)) | mixed
    return fault, (codes == int(BottomProvenance.SEMANTIC)) | mixed


def _check_choice(routed: Collection[BottomProvenance], *, is_told: bool) -> None:
    if not set(routed) <= set(EVERY_BOTTOM):
        raise ConfigError(
            f"routed_provenance is {routed!r}, expected some of {EVERY_BOTTOM!r}",
            found=routed,
            expected=EVERY_BOTTOM,
        )
    if not is_told and set(routed) != set(EVERY_BOTTOM):
        raise ConfigError(
            f"routed_provenance is {routed!r}, but no provenance is told; give fault_mask, "
            "semantic_bottom_mask or bottom_provenance",
            found=routed,
            expected=EVERY_BOTTOM,
        )


def _per_row(xp: Any, strict: SplitMasksResult) -> Array:
    """(N,) the code of each row, over all of its entries."""
    fault = as_dtype(xp, per_row(xp, strict.fault_mask), xp.uint8)
    semantic = as_dtype(xp, per_row(xp, strict.semantic_bottom_mask), xp.uint8)
    return fault * int(BottomProvenance.FAULT) + semantic * int(BottomProvenance.SEMANTIC)


def _ask(xp: Any, solver: Solver, rows: Array, like: Array) -> tuple[Array, Array, str | None]:
    """The solver's answer in the shape and dtype of `like`, where it failed (M,), and how."""
    error = None
    try:
        answer = _checked(xp, solver(rows), like)
    except Exception as raised:  # noqa: BLE001 -- a solver may raise anything; its rows are kept
        answer, error = xp.full_like(like, float("nan")), f"{type(raised).__name__}: {raised}"
    failed = per_row(xp, ~xp.isfinite(answer))
    if error is None and bool(xp.any(failed)):
        error = f"{count(xp, failed)} of {failed.shape[0]} rows are not finite"
    return xp.where(spread(failed, answer), float("nan"), answer), failed, error


def _checked(xp: Any, answer: Array, like: Array) -> Array:
    namespace(decoded=like, answer=answer)
    check_kind(xp, "real floating", answer=answer)
    for name in ("shape", "device"):
        # numpy has devices since 2.0
        found, expected = getattr(answer, name, None), getattr(like, name, None)
        if found != expected:
            raise ArrayError(
                f"the solver's answer has {name} {found}, expected {expected}",
                found=found,
                expected=expected,
            )
    # A number that the dtype of the values can not hold becomes an infinity, and so a failure.
    with np.errstate(over="ignore"):
        return as_dtype(xp, answer, like.dtype)


def _report(xp: Any, result: RoutedResult, provenance: Array, event_logger: EventLogger) -> None:
    size, routed = result.route_mask.shape[0], count(xp, result.route_mask)
    for code, tag in TAGS.items():
        members = result.route_mask & (provenance == int(code))
        found = count(xp, members)
        if not found:
            continue
        event: dict[str, object] = {
            "event": "fallback-routing",
            "batch_size": size,
            "routed_count": routed,
            "routed_rate": routed / size,
            "count": found,
            "rate": found / size,
            "provenance_tag": tag,
            "failed_count": count(xp, members & result.failed_mask),
            "error": result.error,
        }
        try:
            event_logger(event)
        except Exception:  # noqa: BLE001 -- whatever it raises, no row may be lost by it
            _log.exception("the event logger failed on %s", event)
