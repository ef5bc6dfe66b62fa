"""What a strict decode takes, refuses and answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroproof_ros.contract import BottomProvenance, InferenceConfig, strict_inference
from zeroproof_ros.errors import ArrayError, ThresholdError


def ones(*shape: int) -> Any:
    return np.ones(shape)


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        ((3,), (3, 1), r"expected \(3,\)"),
        ((3,), (1,), r"expected \(3,\)"),
        ((3,), (), r"expected \(3,\)"),
        ((3, 2), (2,), r"expected \(3,\) or \(3, 1\) or \(3, 2\)"),
        ((3, 2), (1, 2), r"expected \(3,\) or \(3, 1\) or \(3, 2\)"),
        ((3, 2), (1, 1), r"expected \(3,\)"),
        ((3, 2), (3, 3), r"expected \(3,\)"),
        ((3, 2), (3, 2, 1), r"expected \(3,\)"),
        ((2, 2, 2), (2, 2, 2), r"expected P of shape \(N,\) or \(N, K\)"),
        ((), (), r"expected P of shape \(N,\) or \(N, K\)"),
        ((0,), (1,), r"expected \(0,\)"),
    ],
)
def test_shapes_that_would_have_to_be_spread_are_refused(
    p: tuple[int, ...], q: tuple[int, ...], expected: str
) -> None:
    with pytest.raises(ArrayError, match=expected) as caught:
        strict_inference(ones(*p), ones(*q))
    assert caught.value.found == (p, q)


def test_one_denominator_per_row_marks_the_row_by_any_of_its_columns() -> None:
    P = np.array([[1.0, 2.0], [np.nan, 2.0], [1.0, np.inf]])
    for Q in (ones(3), ones(3, 1)):
        decoded, bottom, _ = strict_inference(P, Q)
        np.testing.assert_array_equal(bottom, np.reshape([False, True, True], Q.shape))
        np.testing.assert_array_equal(np.isnan(decoded).all(axis=1), [False, True, True])


def test_one_denominator_per_entry_marks_only_its_entry() -> None:
    P = np.array([[1.0, np.nan], [1.0, 2.0]])
    Q = np.array([[1.0, 1.0], [0.0, 1.0]])
    _, bottom, _ = strict_inference(P, Q)
    np.testing.assert_array_equal(bottom, [[False, True], [True, False]])


def test_a_vector_of_denominators_belongs_to_rows_even_where_it_fits_columns() -> None:
    decoded, _, _ = strict_inference(ones(2, 2), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(decoded, [[1.0, 1.0], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("p", "q"), [((0,), (0,)), ((0, 2), (0,)), ((0, 2), (0, 1)), ((0, 2), (0, 2))]
)
def test_an_empty_batch_is_answered_empty(p: tuple[int, ...], q: tuple[int, ...]) -> None:
    decoded, bottom, gap = strict_inference(ones(*p), ones(*q))
    assert decoded.shape == p
    assert bottom.shape == gap.shape == q


@pytest.mark.parametrize(
    "pair",
    [([1.0], [1.0]), ([1.0], ones(1)), (ones(1), [1.0]), (1.0, 1.0), (None, ones(1))],
    ids=repr,
)
def test_what_is_not_an_array_is_refused(pair: Any) -> None:
    with pytest.raises(ArrayError, match=r"expected arrays .*; wrap lists with numpy.asarray"):
        strict_inference(*pair)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.complex128, object, "U3"])
@pytest.mark.parametrize("name", ["P", "Q"])
def test_what_is_not_real_floating_is_refused_by_name(name: str, dtype: Any) -> None:
    pair = {"P": ones(2), "Q": ones(2)}
    pair[name] = pair[name].astype(dtype)
    with pytest.raises(ArrayError, match=f"{name} has dtype .*, expected real floating"):
        strict_inference(**pair)


@pytest.mark.parametrize(("tau", "dtype"), [(1e-50, np.float32), (1e-8, np.float16)])
def test_a_threshold_that_is_zero_in_the_dtype_of_q_is_refused(tau: float, dtype: Any) -> None:
    Q = ones(1).astype(dtype)
    with pytest.raises(ThresholdError, match=f"tau_infer {tau} is 0 in {Q.dtype}, the dtype of Q"):
        strict_inference(Q, Q, InferenceConfig(tau_infer=tau))
    strict_inference(ones(1), ones(1), InferenceConfig(tau_infer=tau))


def test_without_provenance_the_result_does_not_know_why() -> None:
    result = strict_inference(ones(1), np.zeros(1))
    for name in ("fault_mask", "semantic_bottom_mask", "bottom_provenance"):
        assert not hasattr(result, name)


def test_each_representation_of_provenance_brings_only_its_own_attributes() -> None:
    masks, codes = (
        strict_inference(
            ones(1),
            np.zeros(1),
            InferenceConfig(provenance="experimental", provenance_representation=r),
        )
        for r in ("split_masks", "bottom_provenance")
    )
    assert hasattr(masks, "fault_mask")
    assert hasattr(masks, "semantic_bottom_mask")
    assert not hasattr(masks, "bottom_provenance")
    assert hasattr(codes, "bottom_provenance")
    assert not hasattr(codes, "fault_mask")


def test_the_four_codes_are_those_of_the_documents() -> None:
    P, Q = np.array([1.0, np.nan, 1.0, np.nan]), np.array([1.0, 1.0, 1e-9, 1e-9])
    config = InferenceConfig(
        provenance="experimental", provenance_representation="bottom_provenance"
    )
    codes = strict_inference(P, Q, config).bottom_provenance  # type: ignore[attr-defined]
    assert codes.tolist() == [0, 1, 2, 3]
    assert [code.name for code in BottomProvenance] == ["FINITE", "FAULT", "SEMANTIC", "MIXED"]


@pytest.mark.parametrize("representation", ["split_masks", "bottom_provenance"])
@pytest.mark.parametrize("provenance", ["off", "experimental"])
def test_every_result_unpacks_to_the_same_three(provenance: str, representation: str) -> None:
    config = InferenceConfig(0.1, 0.5, provenance, representation)
    result = strict_inference(ones(2), np.array([0.2, 0.0]), config)
    decoded, bottom, gap = result
    assert decoded[0] == 5.0
    assert bottom.tolist() == [False, True]
    assert gap.tolist() == [True, False]


def test_mixed_dtypes_decode_in_the_wider_one() -> None:
    decoded, _, _ = strict_inference(np.ones(1, dtype=np.float32), ones(1))
    assert decoded.dtype == np.float64


@pytest.mark.filterwarnings("error")
def test_no_decode_warns_of_what_its_masks_say() -> None:
    P = np.array([1e38, np.inf, np.nan, 1.0, 1e-38], dtype=np.float32)
    Q = np.array([1e-5, 1.0, np.inf, 0.0, 3e38], dtype=np.float32)
    strict_inference(P, Q, InferenceConfig(1e-6, 1e-3))
