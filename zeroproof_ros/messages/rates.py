"""Rates: `Rates` of several spans <-> Float64MultiArray that carries their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from zeroproof_ros.monitor import Rates


def rates_to_msg(spans: Mapping[str, Rates]) -> Float64MultiArray:
    """A table with one row per span; the layout's two labels name the rows and the columns."""
    names = Rates.names()
    size = len(spans) * len(names)
    message = Float64MultiArray(
        data=[value for rates in spans.values() for value in rates.to_dict().values()]
    )
    message.layout.dim = [
        MultiArrayDimension(label=",".join(spans), size=len(spans), stride=size),
        MultiArrayDimension(label=",".join(names), size=len(names), stride=len(names)),
    ]
    return message


def rates_from_msg(message: Any) -> dict[str, Rates]:
    """The mirror of `rates_to_msg`; columns may come in any order."""
    spans, names = (dimension.label.split(",") for dimension in message.layout.dim)
    width = len(names)
    return {
        span: Rates.from_dict(
            dict(zip(names, message.data[i * width : (i + 1) * width], strict=True))
        )
        for i, span in enumerate(spans)
    }
