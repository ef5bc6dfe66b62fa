"""Node parameters, declared from one table per node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from zeroproof_ros.errors import ConfigError


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter.

    Attributes:
        name, default, description: as `ros2 param describe` shows them; the type is the default's.
        minimum, maximum: bounds of a number, both allowed.
        choices: the allowed values of a string, empty for any.
        dynamic: may be changed while the node runs, with the effect the description says.
    """

    name: str
    default: bool | int | float | str
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    dynamic: bool = False

    @property
    def constraints(self) -> str:
        """The allowed values in words, empty where any value of the type is."""
        if self.choices:
            return " | ".join(self.choices)
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum:g} to {self.maximum:g}"
        return "" if self.minimum is None else f"at least {self.minimum:g}"

    def check(self, value: Any) -> Any:
        """The value in the type of the default; an integer will do for a float.

        Raises:
            ConfigError: another type, or outside the allowed values.
        """
        kind = type(self.default)
        if kind is float and type(value) is int:
            value = float(value)
        fits = type(value) is kind and (not self.choices or value in self.choices)
        if fits and self.minimum is not None:
            fits = value >= self.minimum
        if fits and self.maximum is not None:
            fits = value <= self.maximum
        if not fits:
            expected = f"{kind.__name__} {self.constraints}".strip()
            raise ConfigError(
                f"parameter {self.name} is {value!r}, expected {expected}",
                found=value,
                expected=expected,
            )
        return value

    def descriptor(self) -> ParameterDescriptor:
        """What is declared. Typing is dynamic so that `1` in YAML for a float is not fatal."""
        descriptor = ParameterDescriptor(
            description=self.description,
            additional_constraints=self.constraints,
            read_only=not self.dynamic,
            dynamic_typing=True,
        )
        if self.minimum is not None and self.maximum is not None:
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=self.minimum, to_value=self.maximum)
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(self.minimum), to_value=int(self.maximum), step=1)
                ]
        return descriptor


def declare(node: Node, specs: Iterable[ParameterSpec]) -> None:
    """Declare parameters and refuse every later change that breaks a spec."""
    by_name = {spec.name: spec for spec in specs}
    for spec in by_name.values():
        node.declare_parameter(spec.name, spec.default, spec.descriptor())

    def check(changes: Sequence[Parameter]) -> SetParametersResult:
        try:
            for change in changes:
                if change.name in by_name:
                    by_name[change.name].check(change.value)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)


def values(
    node: Node, specs: Iterable[ParameterSpec], changes: Sequence[Parameter] = ()
) -> Mapping[str, Any]:
    """The checked values of all parameters by name, with `changes` as if they were set.

    Raises:
        ConfigError: a value breaks its spec; the message names the parameter.
    """
    changed = {change.name: change.value for change in changes}
    return {
        spec.name: spec.check(changed.get(spec.name, node.get_parameter(spec.name).value))
        for spec in specs
    }
