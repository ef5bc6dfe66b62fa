"""Alerts that are raised and cleared by what lasts, not by what flickers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zeroproof_ros.monitor.findings import RULES, AlertSettings, Finding, Observation, Rule


@dataclass
class Alert:
    """One alert as a state machine.

    Attributes:
        raised: its state.
        since: when it was raised last [s].
        judged: what was found when it could last be judged.
    """

    raised: bool = False
    since: float = 0.0
    judged: str = ""
    _turning: float | None = None

    def update(self, finding: Finding, now: float, *, hold: float, hysteresis: float) -> bool:
        """Raise it or clear it at a time [s].

        It is raised where badness > bound has held for `hold` [s], and cleared where
        badness <= (1 - hysteresis) bound has. What can not be judged leaves it as it is, and what
        held before does not count.

        Returns:
            Whether its state has changed.
        """
        badness, bound = finding.badness, finding.bound
        turns = badness is not None
        if badness is not None:
            self.judged = finding.text
            turns = badness <= (1.0 - hysteresis) * bound if self.raised else badness > bound
        if not turns:
            self._turning = None
            return False
        if self._turning is None:
            self._turning = now
        if now - self._turning < hold:
            return False
        self.raised, self._turning = not self.raised, None
        if self.raised:
            self.since = now
        return True


@dataclass(frozen=True)
class AlertReport:
    """An alert as it is told.

    Attributes:
        name: of the alert.
        raised: its state, and `changed` whether it is new.
        error: whether it is an error when it is raised, or a warning.
        message: the figures and the bound in a sentence, and for how long it is raised.
        figures: the figures by name.
        seconds: for how long it is, or until now was, raised; 0 if it is not.
    """

    name: str
    raised: bool
    changed: bool
    error: bool
    message: str
    figures: Mapping[str, float]
    seconds: float


class Alerts:
    """All alerts of `RULES`."""

    def __init__(self) -> None:
        self._alerts = {rule.name: Alert() for rule in RULES}

    def judge(
        self, seen: Observation, settings: AlertSettings, now: float
    ) -> tuple[AlertReport, ...]:
        """Judge what is seen at a steady time `now` [s]; one report for each alert."""
        return tuple(self._judge(rule, rule.find(seen, settings), settings, now) for rule in RULES)

    def reset(self, now: float) -> tuple[AlertReport, ...]:
        """Clear all at a steady time `now` [s], and forget what held; reports of those raised."""
        old, self._alerts = self._alerts, {rule.name: Alert() for rule in RULES}
        return tuple(
            AlertReport(rule.name, False, True, rule.error, "reset", {}, now - old[rule.name].since)
            for rule in RULES
            if old[rule.name].raised
        )

    def _judge(
        self, rule: Rule, finding: Finding, settings: AlertSettings, now: float
    ) -> AlertReport:
        alert = self._alerts[rule.name]
        changed = alert.update(
            finding, now, hold=settings.alert_hold, hysteresis=settings.hysteresis
        )
        seconds = now - alert.since if alert.raised or changed else 0.0
        message, figures = finding.text, dict(finding.figures)
        if finding.badness is not None:
            figures |= {"badness": finding.badness, "bound": finding.bound}
        if alert.raised:
            before = f"; before: {alert.judged}" if finding.badness is None else ""
            message = f"{message}{before}; raised for {seconds:.0f} s"
        return AlertReport(rule.name, alert.raised, changed, rule.error, message, figures, seconds)
