"""Masks that a graph decided by itself, brought under the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from masked_answers import answers, as_shape, full, lost, rows

from zeroproof_ros.contract import adopt_masks
from zeroproof_ros.errors import ArrayError


@given(answers())
def test_nothing_infinite_stays_accepted_and_no_bottom_is_lost(
    answer: tuple[Any, Any, Any],
) -> None:
    decoded, bottom, _ = answer
    result = adopt_masks(*answer)
    np.testing.assert_array_equal(np.isnan(result.decoded), full(result.bottom_mask, decoded))
    assert result.bottom_mask.shape == bottom.shape
    np.testing.assert_array_equal(result.semantic_bottom_mask, bottom)
    np.testing.assert_array_equal(result.bottom_mask, bottom | result.fault_mask)
    assert not (result.fault_mask & bottom).any()
    assert not (result.bottom_mask & result.gap_mask).any()
    finite = np.isfinite(result.decoded)
    np.testing.assert_array_equal(result.decoded[finite], decoded[finite])


@given(answers())
def test_a_gap_is_kept_unless_its_row_became_bottom(answer: tuple[Any, Any, Any]) -> None:
    result = adopt_masks(*answer)
    kept = rows(result.gap_mask) | rows(result.bottom_mask)
    assert kept[rows(answer[2])].all()
    assert not rows(result.gap_mask)[~rows(answer[2])].any()


@given(answers(masks=4), st.sampled_from(["", "fault", "semantic", "fault semantic"]))
def test_a_bottom_is_a_bottom_whoever_says_so_and_has_a_reason(
    asarray: Callable[[Any], Any], answer: tuple[Any, ...], given_names: str
) -> None:
    decoded, bottom, gap, *masks = answer
    told = {n: m for n, m in zip(("fault", "semantic"), masks, strict=True) if n in given_names}
    result = adopt_masks(*map(asarray, answer[:3]), **{n: asarray(m) for n, m in told.items()})
    found = {name: np.asarray(value) for name, value in vars(result).items()}
    shaped = {name: as_shape(mask, bottom) for name, mask in told.items()}
    expected = np.logical_or.reduce([bottom, lost(decoded, bottom), *shaped.values()])
    np.testing.assert_array_equal(found["bottom_mask"], expected)
    fault, semantic = found["fault_mask"], found["semantic_bottom_mask"]
    np.testing.assert_array_equal(fault | semantic, expected)
    np.testing.assert_array_equal(np.isnan(found["decoded"]), full(expected, decoded))
    np.testing.assert_array_equal(found["gap_mask"], as_shape(gap, bottom) & ~expected)
    said = np.logical_or.reduce([bottom, *shaped.values()])
    if "fault" in shaped:
        assert fault[shaped["fault"]].all()
    if "semantic" in shaped:
        np.testing.assert_array_equal(semantic, shaped["semantic"])
    else:
        np.testing.assert_array_equal(semantic, said & ~shaped.get("fault", ~said))


def test_one_reason_per_row_beside_one_bottom_per_entry_marks_the_row() -> None:
    no = np.zeros((2, 2), dtype=bool)
    told = np.array([[False], [True]])
    result = adopt_masks(np.ones((2, 2)), no, no, semantic=told)
    assert result.bottom_mask.tolist() == [[False, False], [True, True]]
    assert not result.fault_mask.any()


def test_a_bottom_that_neither_reason_explains_is_a_fault() -> None:
    yes, no = np.array([True]), np.array([False])
    result = adopt_masks(np.ones(1), yes, no, fault=no, semantic=no)
    assert result.fault_mask.tolist() == [True]
    assert result.semantic_bottom_mask.tolist() == [False]


@pytest.mark.parametrize("name", ["fault", "semantic"])
def test_a_reason_that_is_no_mask_of_the_values_is_refused_by_name(name: str) -> None:
    no = np.array([False])
    reason: Any
    for reason, message in (
        (np.array([[False]]), f"{name} has shape"),
        (np.array([0.0]), f"{name} has dtype"),
        ([False], f"{name} is list"),
    ):
        with pytest.raises(ArrayError, match=message):
            adopt_masks(np.ones(1), no, no, **{name: reason})


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_an_accepted_value_that_is_not_finite_becomes_a_fault(value: float) -> None:
    no = np.array([False])
    result = adopt_masks(np.array([[0.0, value]]), no, ~no)
    assert result.fault_mask.tolist() == result.bottom_mask.tolist() == [True]
    assert result.semantic_bottom_mask.tolist() == result.gap_mask.tolist() == [False]
    assert np.isnan(result.decoded).all()


def test_a_payload_in_a_bottom_row_is_erased() -> None:
    yes = np.array([True])
    assert np.isnan(adopt_masks(np.array([5.0]), yes, ~yes).decoded).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, object])
@pytest.mark.parametrize("name", ["bottom", "gap"])
def test_a_mask_that_is_not_bool_is_refused_by_name(name: str, dtype: Any) -> None:
    masks = {"bottom": np.array([False]), "gap": np.array([False])}
    masks[name] = masks[name].astype(dtype)
    with pytest.raises(ArrayError, match=f"{name} has dtype .*, expected bool"):
        adopt_masks(np.array([1.0]), **masks)


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.complex128, object])
def test_decoded_values_that_are_not_real_floating_are_refused(dtype: Any) -> None:
    no = np.array([False])
    with pytest.raises(ArrayError, match="decoded has dtype .*, expected real floating"):
        adopt_masks(np.array([1]).astype(dtype), no, no)


@pytest.mark.parametrize(
    ("bottom", "gap"), [((3,), (2,)), ((2,), (2, 3)), ((2, 3), (2,)), ((1, 2), (2,))]
)
def test_masks_that_do_not_fit_the_values_are_refused(
    bottom: tuple[int, ...], gap: tuple[int, ...]
) -> None:
    with pytest.raises(
        ArrayError, match=r"decoded has shape .* and (bottom|gap) has shape .*, expected"
    ):
        adopt_masks(np.ones((2, 2)), np.zeros(bottom, dtype=bool), np.zeros(gap, dtype=bool))
