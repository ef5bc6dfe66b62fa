"""Limits of figures, as a team writes them down, and whether an evaluation keeps them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from zeroproof_ros.bags.figures import Figures
from zeroproof_ros.bundle.strict_json import check_by, schema_validator
from zeroproof_ros.bundle.strict_yaml import read_yaml
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.report.gates import Gate

# Rates are quotients, and 1 - bottom - gap is a difference of such.
ROUNDING = 1e-12
SCHEMA_FILE = "evaluation.schema.json"

Limits = Mapping[str, Mapping[str, float]]
# What is judged where a file says nothing else of them.
DEFAULT_LIMITS: Limits = {"rows": {"min": 1}, "unsafe_accepts": {"max": 0}}


def read_limits(path: Path) -> Limits:
    """`DEFAULT_LIMITS`, and those of a YAML file: `figure: {min: a, max: b}`, either or both.

    Raises:
        ConfigError: the file can not be read or breaks the schema, or nothing can keep a limit.
    """
    limits: Limits = read_yaml(path, ConfigError)
    check_by(schema_validator(__package__, SCHEMA_FILE, "limits"), limits, path, ConfigError)
    for name, limit in limits.items():
        low, high = limit.get("min", -math.inf), limit.get("max", math.inf)
        if not (low <= high and all(map(math.isfinite, limit.values()))):
            raise ConfigError(
                f"{path}: {name} has the limits {dict(limit)}, expected finite numbers with min <= "
                "max",
                found=limit,
                path=path,
            )
    return {**DEFAULT_LIMITS, **limits}


def judge(limits: Limits, figures: Figures) -> list[Gate]:
    """One gate per limit. A figure that there were no rows for does not keep its limits.

    Raises:
        ConfigError: a limit of a figure that does not exist.
    """
    check_names(limits, figures)
    return [_gate(name, limit, figures[name]) for name, limit in limits.items()]


def check_names(limits: Limits, figures: Iterable[str]) -> None:
    """Refuse limits of figures that do not exist.

    Raises:
        ConfigError: it names them, and those that exist.
    """
    unknown = sorted(set(limits) - set(figures))
    if unknown:
        raise ConfigError(
            f"there are limits of {', '.join(unknown)}, expected some of {', '.join(figures)}",
            found=unknown,
            expected=tuple(figures),
        )


def _gate(name: str, limit: Mapping[str, float], found: float | None) -> Gate:
    low, high = limit.get("min"), limit.get("max")
    bounds = ((">=", low), ("<=", high))
    expected = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
    if found is None:
        return Gate(name, expected, None, False, "no row tells it, so it can not be judged")
    kept = (low is None or found >= low - ROUNDING) and (high is None or found <= high + ROUNDING)
    return Gate(name, expected, found, kept, f"{name} is {found:g}")
