"""Diagnostic statuses with values of any printable kind."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

OK = 0
WARN = 1
ERROR = 2


def status_to_msg(
    name: str, *, hardware_id: str, level: int, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """A status; floats are written with six digits, sequences with commas."""
    return DiagnosticStatus(
        name=name,
        hardware_id=hardware_id,
        # the field is one byte, which Python holds as bytes
        level=bytes([level]),
        message=message,
        values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
    )


def values_from_msg(message: DiagnosticStatus) -> dict[str, str]:
    """The values of a status by key."""
    return {pair.key: pair.value for pair in message.values}


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list):
        return ",".join(map(_text, value))
    return str(value)
