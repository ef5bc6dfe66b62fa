"""Masks that a graph decided by itself, brought under the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeroproof_ros.contract import adopt_masks
from zeroproof_ros.errors import ArrayError


@st.composite
def answers(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """(decoded, bottom, gap) as a graph may give them, masks not necessarily of one shape."""
    n, k = draw(st.integers(0, 4)), draw(st.integers(1, 3))
    decoded = (n, k) if draw(st.booleans()) else (n,)
    shapes = st.sampled_from([decoded] if len(decoded) == 1 else [(n,), (n, 1), (n, k)])
    return (
        draw(hnp.arrays(np.float32, decoded, elements=st.floats(width=32))),
        draw(hnp.arrays(np.bool_, draw(shapes))),
        draw(hnp.arrays(np.bool_, draw(shapes))),
    )


def rows(mask: Any) -> Any:
    return mask if mask.ndim == 1 else mask.any(axis=1)


@given(answers())
def test_nothing_infinite_stays_accepted_and_no_bottom_is_lost(
    answer: tuple[Any, Any, Any],
) -> None:
    decoded, bottom, _ = answer
    result = adopt_masks(*answer)
    spread = (
        result.bottom_mask
        if result.bottom_mask.ndim == decoded.ndim
        else result.bottom_mask[:, None]
    )
    np.testing.assert_array_equal(np.isnan(result.decoded), np.broadcast_to(spread, decoded.shape))
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
