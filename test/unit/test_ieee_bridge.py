"""The bridge to IEEE 754 numbers, and the coverage of masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from masked_answers import answers, full

from zeroproof_ros.contract import adopt_masks, coverage_metric, from_ieee, to_ieee
from zeroproof_ros.errors import ArrayError

AsArray = Callable[[Any], Any]
tables = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.float16]),
    hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4),
)


@given(tables)
def test_what_is_not_finite_is_bottom_and_the_rest_is_itself(asarray: AsArray, array: Any) -> None:
    value, bottom = from_ieee(asarray(array))
    finite = np.isfinite(array)
    np.testing.assert_array_equal(np.asarray(bottom), ~finite)
    np.testing.assert_array_equal(np.asarray(value), np.where(finite, array, np.nan))
    assert np.asarray(value).dtype == array.dtype


@given(tables)
def test_from_ieee_and_back_loses_only_what_kind_of_bottom_it_was(
    asarray: AsArray, array: Any
) -> None:
    back = np.asarray(to_ieee(*from_ieee(asarray(array))))
    np.testing.assert_array_equal(back, np.where(np.isfinite(array), array, np.nan))


@given(answers())
def test_to_ieee_and_back_gives_the_values_and_the_mask(
    asarray: AsArray, answer: tuple[Any, ...]
) -> None:
    strict = adopt_masks(*answer)
    value, bottom = from_ieee(to_ieee(asarray(strict.decoded), asarray(strict.bottom_mask)))
    np.testing.assert_array_equal(np.asarray(value), strict.decoded)
    np.testing.assert_array_equal(np.asarray(bottom), full(strict.bottom_mask, strict.decoded))


@given(answers())
def test_to_ieee_never_gives_an_infinity_and_keeps_every_bottom(
    asarray: AsArray, answer: tuple[Any, ...]
) -> None:
    decoded, bottom, _ = answer
    found = np.asarray(to_ieee(asarray(decoded), asarray(bottom)))
    assert not np.isinf(found).any()
    assert np.isnan(found[full(bottom, decoded)]).all()
    kept = np.isfinite(found)
    np.testing.assert_array_equal(found[kept], decoded[kept])


@pytest.mark.parametrize("values", [[1, 2], [True], 1.0, [[[1.0]]]])
def test_what_is_no_table_of_floats_is_refused(asarray: AsArray, values: Any) -> None:
    array = asarray(values)
    with pytest.raises(ArrayError, match=r"array has (dtype|shape)"):
        from_ieee(array)
    with pytest.raises(ArrayError, match=r"decoded has (dtype|shape)"):
        to_ieee(array, asarray(np.zeros(array.shape, dtype=bool)))


def test_lists_and_scalars_are_refused() -> None:
    thing: Any
    for thing in ([1.0], 1.0, None):
        with pytest.raises(ArrayError, match="array is .*, expected arrays"):
            from_ieee(thing)
    with pytest.raises(ArrayError, match=r"array has shape \(\)"):
        from_ieee(np.float64(1.0))


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=5)))
def test_coverage_is_the_share_of_entries_that_are_not_bottom(asarray: AsArray, mask: Any) -> None:
    found = coverage_metric(asarray(mask))
    assert isinstance(found, float)
    assert found == pytest.approx((~mask).mean())


@pytest.mark.parametrize(("mask", "expected"), [([False], 1.0), ([True], 0.0)])
def test_coverage_of_all_and_of_nothing_is_exact(
    asarray: AsArray, mask: Any, expected: float
) -> None:
    assert coverage_metric(asarray(mask)) == expected


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0)])
def test_the_coverage_of_no_entry_is_refused(asarray: AsArray, shape: tuple[int, ...]) -> None:
    with pytest.raises(ArrayError, match="no entry, so no share is known"):
        coverage_metric(asarray(np.zeros(shape, dtype=bool)))


@pytest.mark.parametrize("mask", [[0.0], [0], True, [[[True]]]])
def test_what_is_no_mask_has_no_coverage(asarray: AsArray, mask: Any) -> None:
    with pytest.raises(ArrayError, match=r"mask has (dtype|shape)"):
        coverage_metric(asarray(mask))
