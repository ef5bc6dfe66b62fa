"""ROS messages <-> the bytes that bags hold, by the message definitions of Jazzy."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)


def type_name(message: type) -> str:
    """The name of a message class as bags write it, for example `sensor_msgs/msg/JointState`."""
    return f"{message.__module__.partition('.')[0]}/msg/{message.__name__}"


def to_cdr(message: Any) -> bytes:
    """The bytes of a ROS message."""
    name = type_name(type(message))
    return bytes(STORE.serialize_cdr(_with_arrays(message, name), name))


def from_cdr(data: bytes, name: str) -> Any:
    """The message that bytes hold, readable by attribute like one of ROS.

    Raises:
        Exception: the bytes hold no such message; what is raised depends on where they break.
    """
    return STORE.deserialize_cdr(data, name)


def _with_arrays(message: Any, name: str) -> Any:
    """The message with its arrays of numbers as numpy's, which is what the serialiser writes."""
    held = _holders(name)
    if not held:
        return message
    copy = {field: getattr(message, field) for field, _ in STORE.fielddefs[name][1]}
    for field, inner in held.items():
        value = copy[field]
        if inner is None:
            copy[field] = np.asarray(value)
        elif isinstance(value, list):
            copy[field] = [_with_arrays(item, inner) for item in value]
        else:
            copy[field] = _with_arrays(value, inner)
    return SimpleNamespace(**copy)


@cache
def _holders(name: str) -> dict[str, str | None]:
    """The fields of a message type that are arrays of numbers (None), or hold some (their type)."""
    held: dict[str, str | None] = {}
    field: str
    kind: Nodetype
    what: Any
    for field, (kind, what) in STORE.fielddefs[name][1]:
        several = kind in (Nodetype.ARRAY, Nodetype.SEQUENCE)
        of, inner = what[0] if several else (kind, what)
        if of is Nodetype.NAME:
            if _holders(inner):
                held[field] = inner
        elif several and inner[0] != "string":
            held[field] = None
    return held
