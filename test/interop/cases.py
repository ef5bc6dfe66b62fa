"""Which bundles there are: who makes them, in which form, of which model."""

from __future__ import annotations

from dataclasses import dataclass

from models import ARM, MODELS, Model

US = "zeroproof_ros"
# What each version exports when it is not asked for the other.
DEFAULT_FORM = {"0.5.1": "external_data", "0.6.1": "single_file"}
VERSIONS = tuple(DEFAULT_FORM)


@dataclass(frozen=True)
class Case:
    """A bundle.

    Attributes:
        maker: a version of zeroproofml, or `US`.
        form: "single_file", "external_data" (weights beside the graph), or a kind of ours.
    """

    maker: str
    form: str
    model: Model

    @property
    def name(self) -> str:
        """The folder of the bundle."""
        return f"{self.maker}-{self.form}-{self.model.name}"


def _theirs(version: str) -> list[Case]:
    default = DEFAULT_FORM[version]
    (other,) = {*DEFAULT_FORM.values()} - {default}
    # The form of the file and the shapes of the masks have little to do with each other.
    some = [model for model in MODELS if model.name in ("q_column", "network")]
    return [Case(version, default, m) for m in MODELS] + [Case(version, other, m) for m in some]


THEIRS = [case for version in VERSIONS for case in _theirs(version)]
# The exact model in both kinds, and every model by our own exporter.
OURS = [
    *(Case(US, kind, ARM) for kind in ("strict", "projective")),
    *(Case(US, "exported", model) for model in MODELS),
]
CASES = [*THEIRS, *OURS]
