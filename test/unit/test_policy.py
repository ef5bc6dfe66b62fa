"""The choices of a deployment."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.errors import ConfigError
from zeroproof_ros.pipeline import Policy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bottom_policy", "accept"),
        ("bottom_policy", ""),
        ("gap_policy", "ignore"),
        ("gap_policy", None),
    ],
)
def test_an_unknown_policy_is_refused_with_the_known_ones(name: str, value: Any) -> None:
    with pytest.raises(
        ConfigError, match=f"{name} is {value!r}, expected one of fallback, "
    ) as caught:
        Policy(**{name: value})
    assert caught.value.found == value


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf, "0.1", None, True])
@pytest.mark.parametrize(
    "name",
    ["residual_tolerance", "motion_tolerance", "position_tolerance", "step_duration", "max_batch"],
)
def test_a_number_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} is .*, expected .*between 0 and"):
        Policy(**{name: value})


@pytest.mark.parametrize("name", ["residual_tolerance", "motion_tolerance"])
def test_a_tolerance_of_the_whole_step_is_no_tolerance(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 1.0, expected .*between 0 and 1"):
        Policy(**{name: 1.0})


@pytest.mark.parametrize("value", [0.5, 1.5, 64.0])
def test_a_batch_has_a_whole_number_of_rows(value: float) -> None:
    with pytest.raises(ConfigError, match=f"max_batch is {value}, expected a whole number"):
        Policy(max_batch=value)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers() -> None:
    assert Policy(max_batch=np.int64(3), step_duration=np.float32(0.5)).max_batch == 3


def test_a_policy_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Policy().motion_tolerance = 5.0  # type: ignore[misc]
