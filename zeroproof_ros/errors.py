"""Every refusal of this package: one root, one class per refusal."""

from __future__ import annotations

from pathlib import Path


class ZeroProofError(Exception):
    """Root of every error this package raises on purpose.

    Attributes:
        found: what was given, or None where a value says nothing.
        expected: what would have been accepted, or None.
        path: the file or folder at fault, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        found: object = None,
        expected: object = None,
        path: Path | None = None,
    ) -> None:
        super().__init__(message)
        self.found = found
        self.expected = expected
        self.path = path


class ThresholdError(ZeroProofError):
    """A threshold that is not a finite positive number, or the two in the wrong order."""


class ConfigError(ZeroProofError):
    """A setting outside the values it may take."""


class ArrayError(ZeroProofError):
    """Arrays whose shapes or dtypes do not fit the contract they were given to."""


class CalibrationError(ZeroProofError):
    """Held-out rows from which no threshold follows that does what is asked."""


class RowFileError(ZeroProofError):
    """A file that holds no table of finite numbers with the columns that are asked for."""


class ArmError(ZeroProofError):
    """A robot description that does not describe an arm."""


class ProviderUnavailableError(ZeroProofError):
    """An execution provider that was asked for and is not there, or was not given."""


class ModelLoadError(ZeroProofError):
    """A model file that the runtime can not load."""


class ModelExportError(ZeroProofError):
    """A torch model that can not be written as an ONNX graph for any number of rows."""


class ModelRunError(ZeroProofError):
    """A model that raised, or answered in other shapes than its signature, while running."""


class TrainingError(ZeroProofError):
    """A training that can not go on: rows that do not fit, or a loss that is not finite."""


class CheckpointError(ZeroProofError):
    """A checkpoint that can not be read or written, or is of another model or training."""


class BundleError(ZeroProofError):
    """Root of every refusal of a bundle."""


class MetadataMalformedError(BundleError):
    """metadata.json that is not JSON, or breaks a rule of the metadata schema."""


class UnknownVersionError(BundleError):
    """A format or schema version this package does not know."""


class BundlePathError(BundleError):
    """A file of a bundle that is missing, too large, no regular file, or outside its folder."""


class DigestMismatchError(BundleError):
    """Bytes that differ from the digest or size that was declared for them."""


class GraphRefusedError(BundleError):
    """A graph with a part that is never run: other operators, functions, too many or too large."""


class GraphMismatchError(BundleError):
    """A graph that disagrees with the metadata."""


class DeploymentError(BundleError):
    """A `deployment` block that is missing, malformed or contradicts the bundle."""


class SmokeTestError(BundleError):
    """A bundle that answers otherwise than the model it was made from."""


class EventFileError(ZeroProofError):
    """A file of events that is not there, can not be read, or holds something else."""


class StateFileError(ZeroProofError):
    """A file that the state of a monitor can not be written to."""


class ReportError(ZeroProofError):
    """Files of a report that can not be written, were changed, or contradict each other."""


class MessageRefusedError(ZeroProofError):
    """Root of every refusal of a whole message; `kind` names it in counts and diagnostics."""

    kind = "message"


class FeatureNamesError(MessageRefusedError):
    """Feature names that are unknown, missing or given twice."""

    kind = "feature_names"


class WidthError(MessageRefusedError):
    """A number of values that does not make whole rows."""

    kind = "width"


class EmptyBatchError(MessageRefusedError):
    """A message without a row."""

    kind = "empty_batch"


class TableLayoutError(MessageRefusedError):
    """A point cloud whose steps, fields or byte order do not make a table."""

    kind = "table_layout"


class FrameError(MessageRefusedError):
    """A target in another frame than the one the bundle answers in."""

    kind = "frame"


class BagError(ZeroProofError):
    """A recording that can not be read or written, or lacks what is asked of it."""


class ReplayError(ZeroProofError):
    """A replay that can not begin, since what it plays to is not there or is not ready."""


class WorkerError(ZeroProofError):
    """A process that was given a part of the work and did not do it."""
