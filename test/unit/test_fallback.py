"""Rejecting and replacing what may not be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from masked_answers import answers, as_shape, full, lost

from zeroproof_ros.errors import ArrayError, ConfigError
from zeroproof_ros.pipeline import reject_on_bottom, reject_on_gap, safe_sentinel

AsArray = Callable[[Any], Any]
finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def check_rejection(asarray: AsArray, decoded: Any, reject: Any, found: tuple[Any, Any]) -> None:
    safe, accept = map(np.asarray, found)
    np.testing.assert_array_equal(accept, ~reject)
    np.testing.assert_array_equal(safe, np.where(full(reject, decoded), np.nan, decoded))
    assert np.isfinite(safe[full(accept, decoded)]).all()
    assert safe.dtype == decoded.dtype
    assert accept.dtype == np.bool_


@given(answers())
def test_what_is_bottom_or_not_finite_is_rejected(
    asarray: AsArray, answer: tuple[Any, ...]
) -> None:
    decoded, bottom, _ = answer
    found = reject_on_bottom(asarray(decoded), asarray(bottom))
    check_rejection(asarray, decoded, bottom | lost(decoded, bottom), found)


@given(answers())
def test_a_gap_of_any_shape_is_rejected_too(asarray: AsArray, answer: tuple[Any, ...]) -> None:
    decoded, bottom, gap = answer
    found = reject_on_gap(*map(asarray, answer))
    reject = bottom | lost(decoded, bottom) | as_shape(gap, bottom)
    check_rejection(asarray, decoded, reject, found)


def test_a_gap_per_row_rejects_its_row_and_not_a_column(asarray: AsArray) -> None:
    no = asarray(np.zeros((2, 2), dtype=bool))
    safe, accept = reject_on_gap(asarray(np.ones((2, 2))), no, asarray([True, False]))
    assert accept.tolist() == [[False, False], [True, True]]
    np.testing.assert_array_equal(np.asarray(safe), [[np.nan, np.nan], [1.0, 1.0]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_not_accepted(asarray: AsArray, value: float) -> None:
    no = asarray([False])
    for _, accept in (
        reject_on_bottom(asarray([value]), no),
        reject_on_gap(asarray([value]), no, no),
    ):
        assert accept.tolist() == [False]


@given(answers(), finite32)
def test_a_sentinel_takes_the_place_of_what_has_no_value(
    asarray: AsArray, answer: tuple[Any, ...], sentinel: float
) -> None:
    decoded, invalid, _ = answer
    found = np.asarray(safe_sentinel(asarray(decoded), asarray(invalid), sentinel=sentinel))
    replaced = full(invalid | lost(decoded, invalid), decoded)
    np.testing.assert_array_equal(found, np.where(replaced, np.float32(sentinel), decoded))
    assert np.isfinite(found).all()
    assert found.dtype == decoded.dtype


@pytest.mark.parametrize("sentinel", [np.nan, np.inf, -np.inf, 1e39, "0", None, [0.0]])
def test_a_sentinel_that_is_no_finite_number_is_refused(asarray: AsArray, sentinel: Any) -> None:
    values = asarray(np.ones(2, dtype=np.float32))
    with pytest.raises(ConfigError, match=r"sentinel is .*, expected a number that is finite in"):
        safe_sentinel(values, asarray([True, False]), sentinel)


def test_what_is_given_is_left_alone(asarray: AsArray) -> None:
    decoded, bottom, gap = asarray([1.0, 2.0]), asarray([True, False]), asarray([False, True])
    reject_on_bottom(decoded, bottom)
    reject_on_gap(decoded, bottom, gap)
    safe_sentinel(decoded, bottom, 0.0)
    assert decoded.tolist() == [1.0, 2.0]
    assert bottom.tolist() == [True, False]
    assert gap.tolist() == [False, True]


# What each function is given besides the values.
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "reject_on_bottom": reject_on_bottom,
    "reject_on_gap": lambda decoded, mask: reject_on_gap(decoded, mask, mask),
    "safe_sentinel": lambda decoded, mask: safe_sentinel(decoded, mask, 0.0),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("shape", "mask"),
    [((3,), (3, 1)), ((3,), (1,)), ((3, 2), (2,)), ((3, 2), (1, 2)), ((), ()), ((3, 2), (2, 3))],
)
def test_shapes_that_would_have_to_be_spread_are_refused(
    asarray: AsArray, call: Callable[[Any, Any], Any], shape: Any, mask: Any
) -> None:
    with pytest.raises(ArrayError, match="decoded has shape"):
        call(asarray(np.ones(shape)), asarray(np.zeros(mask, dtype=bool)))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("decoded", "mask", "message"),
    [
        ([1, 2], [True, False], "decoded has dtype"),
        ([True, False], [True, False], "decoded has dtype"),
        ([1.0, 2.0], [1, 0], "bottom has dtype .*, expected bool"),
        ([1.0, 2.0], [1.0, 0.0], "bottom has dtype .*, expected bool"),
    ],
)
def test_dtypes_that_are_no_values_or_no_masks_are_refused(
    asarray: AsArray, call: Callable[[Any, Any], Any], decoded: Any, mask: Any, message: str
) -> None:
    with pytest.raises(ArrayError, match=message):
        call(asarray(decoded), asarray(mask))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_lists_are_refused(asarray: AsArray, call: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(ArrayError, match="wrap lists with numpy.asarray"):
        call([1.0], asarray([True]))
    with pytest.raises(ArrayError, match="wrap lists with numpy.asarray"):
        call(asarray([1.0]), [True])
