"""What is made of bundles, in a form that fixtures hand to tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from answers import Answer

# By name of the case.
Folders = Mapping[str, Path]


@dataclass(frozen=True)
class Reading:
    """What a version of zeroproofml said of a bundle (see foreign.py), and its answers by batch.

    Without answers it did not run it.
    """

    said: Mapping[str, str]
    answers: Mapping[str, Answer]


# By version and name of the case.
Readings = Mapping[tuple[str, str], Reading]
