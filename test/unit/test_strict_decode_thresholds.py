"""The strict decode at its thresholds and at the edges of floating point, case by case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroproof_ros.contract import InferenceConfig, SplitMasksResult, strict_inference

DTYPES = (np.float64, np.float32, np.float16)
INF, NAN = np.inf, np.nan
# Thresholds that every dtype holds, so that "exactly at" means the same in all of them.
INFER, TRAIN = 2.0**-6, 2.0**-4


def decode(
    P: Any, Q: Any, dtype: Any = np.float64, tau: tuple[float, float | None] = (INFER, TRAIN)
) -> SplitMasksResult:
    config = InferenceConfig(*tau, provenance="experimental")
    result = strict_inference(np.array([P], dtype=dtype), np.array([Q], dtype=dtype), config)
    assert isinstance(result, SplitMasksResult)
    return result


def state(result: SplitMasksResult) -> str:
    """The state of a single decoded pair in words."""
    assert result.bottom_mask == (result.fault_mask | result.semantic_bottom_mask)
    words = {
        "fault": result.fault_mask,
        "semantic": result.semantic_bottom_mask,
        "gap": result.gap_mask,
    }
    return " ".join(word for word, mask in words.items() if mask.item()) or "accepted"


def below(value: float, dtype: Any) -> Any:
    return np.nextafter(dtype(value), dtype(0))


def above(value: float, dtype: Any) -> Any:
    return np.nextafter(dtype(value), dtype(1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sign", [1, -1])
def test_equality_with_a_threshold_is_on_the_accepted_side(dtype: Any, sign: int) -> None:
    states = [
        state(decode(1.0, sign * Q, dtype))
        for Q in (
            below(INFER, dtype),
            dtype(INFER),
            above(INFER, dtype),
            below(TRAIN, dtype),
            dtype(TRAIN),
            above(TRAIN, dtype),
        )
    ]
    assert states == ["semantic", "gap", "gap", "gap", "accepted", "accepted"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("P", "Q", "expected"),
    [
        (1.0, 1.0, "accepted"),
        (0.0, 1.0, "accepted"),
        (-0.0, -1.0, "accepted"),
        (1.0, 0.0, "semantic"),
        (1.0, -0.0, "semantic"),
        (0.0, 0.0, "semantic"),
        (0.0, -0.0, "semantic"),
        (INF, 1.0, "fault"),
        (-INF, 1.0, "fault"),
        (NAN, 1.0, "fault"),
        (1.0, INF, "fault"),
        (1.0, -INF, "fault"),
        (1.0, NAN, "fault"),
        (INF, INF, "fault"),
        (NAN, NAN, "fault"),
        (NAN, 2.0**-5, "fault"),
        (INF, 2.0**-5, "fault"),
        (NAN, 2.0**-8, "fault semantic"),
        (INF, 2.0**-8, "fault semantic"),
        (-INF, 0.0, "fault semantic"),
        (NAN, -0.0, "fault semantic"),
    ],
)
def test_what_is_not_finite_is_a_fault_and_what_is_small_is_semantic(
    P: float, Q: float, expected: str, dtype: Any
) -> None:
    result = decode(P, Q, dtype)
    assert state(result) == expected
    assert np.isnan(result.decoded).item() == (expected != "accepted")


@pytest.mark.parametrize(
    ("P", "Q", "dtype"),
    [(1e38, 1e-5, np.float32), (-1e38, 1e-5, np.float32), (6e4, 2.0**-6, np.float16)],
)
def test_a_quotient_that_overflows_is_a_fault_and_never_infinity(
    P: float, Q: float, dtype: Any
) -> None:
    result = decode(P, Q, dtype, tau=(1e-6, None))
    assert state(result) == "fault"
    assert np.isnan(result.decoded).item()


def test_an_overflowing_quotient_below_tau_infer_is_semantic_only() -> None:
    assert state(decode(1e38, 1e-5, np.float32, tau=(1e-3, None))) == "semantic"


def test_the_largest_quotient_that_is_finite_is_accepted() -> None:
    largest = np.finfo(np.float32).max
    assert state(decode(largest, 1.0, np.float32)) == "accepted"


@pytest.mark.parametrize("tau", [1e-6, 0.02, 0.1, 1 / 3])
def test_a_denominator_rounded_to_a_narrower_dtype_is_compared_unrounded(tau: float) -> None:
    for dtype in (np.float32, np.float16):
        Q = dtype(tau)
        expected = "semantic" if float(Q) < tau else "accepted"
        assert state(decode(0.0, Q, dtype, tau=(tau, None))) == expected
        assert state(decode(0.0, float(Q), np.float64, tau=(tau, None))) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_subnormal_denominator_is_a_denominator(dtype: Any) -> None:
    smallest = np.finfo(dtype).smallest_subnormal
    tau = float(smallest)
    assert state(decode(0.0, smallest, dtype, tau=(tau, None))) == "accepted"
    assert state(decode(0.0, 0.0, dtype, tau=(tau, None))) == "semantic"


def test_without_tau_train_there_is_no_gap() -> None:
    assert state(decode(1.0, INFER, tau=(INFER, None))) == "accepted"


def test_a_sign_of_zero_survives_the_division() -> None:
    assert np.signbit(decode(0.0, -1.0).decoded).item()
