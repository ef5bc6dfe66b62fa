"""Run as a process of its own in which one version of zeroproofml is found: exports and reads.

    python foreign.py export JOB      python foreign.py read JOB

JOB is a JSON file: `version` is the one that shall be found, `out` the folder of the results.
Export writes every bundle of this version there. Read takes `bundles`, by name of the case, each
with `path` and the npz file of its `batches`; it writes the answers to NAME.npz and what was said
to readings.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import zeroproofml
from cases import CASES, DEFAULT_FORM, THEIRS
from models import Model, module
from zeroproofml.inference import (
    InferenceConfig,
    SCMInferenceWrapper,
    export_bundle,
    load_onnx_runtime_bundle,
    run_bundle_reference_smoke_test,
    validate_bundle,
)

FIELDS = (
    "decoded",
    "bottom_mask",
    "gap_mask",
    "fault_mask",
    "semantic_bottom_mask",
    "bottom_provenance",
)
# Axes take the exporter that writes one file, shapes the one that writes weights beside it.
EXPORTERS: dict[str, Callable[[], dict[str, Any]]] = {
    "single_file": lambda: {"dynamic_axes": {"input_0": {0: "batch"}}},
    "external_data": lambda: {"dynamic_shapes": ({0: torch.export.Dim("batch")},)},
}


def wrapped(model: Model) -> SCMInferenceWrapper:
    """The model with its decode, in evaluation."""
    config = InferenceConfig(tau_infer=model.tau_infer, tau_train=model.tau_train)
    return SCMInferenceWrapper(module(model), config=config).eval()


def export(out: Path) -> None:
    """Write every bundle of this version."""
    version = zeroproofml.__version__
    for case in THEIRS:
        if case.maker == version:
            form = {} if case.form == DEFAULT_FORM[version] else EXPORTERS[case.form]()
            example = (torch.ones(2, case.model.features),)
            # Without a commit it asks git for that of the folder it happens to run in.
            export_bundle(wrapped(case.model), example, out / case.name, commit_sha="none", **form)


def read(name: str, bundle: dict[str, str], out: Path) -> dict[str, str]:
    """What is said of a bundle.

    `validated` and `smoke` are "accepted" or the refusal. `refused` is the refusal to load it as it
    is, `needs` what made it load after that.
    """
    path = Path(bundle["path"])
    said = {"validated": verdict(lambda: validate_bundle(path))}
    runtime = load(path, said)
    if runtime is None:
        return said
    batches = np.load(bundle["batches"])
    arrays = {}
    for batch, rows in batches.items():
        result = runtime.run(rows)
        given = (field for field in FIELDS if getattr(result, field, None) is not None)
        arrays |= {f"{batch}/{field}": getattr(result, field) for field in given}
    np.savez(out / f"{name}.npz", **arrays)
    (model,) = [case.model for case in CASES if case.name == name]
    rows = torch.tensor(batches["random"])
    said["smoke"] = verdict(lambda: run_bundle_reference_smoke_test(path, wrapped(model), (rows,)))
    return said


def load(path: Path, said: dict[str, str]) -> Any:
    """The bundle in its runtime, or None if nothing makes it load."""
    # One thread as in zeroproof_ros, so that sums are made in the same order.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for needs, arguments, folder in (
        (None, {}, Path.cwd()),
        ("allow_unverified_legacy=True", {"allow_unverified_legacy": True}, Path.cwd()),
        ("its folder as working directory", {}, path),
    ):
        with chdir(folder), refusal_in(said):
            runtime = load_onnx_runtime_bundle(path, session_options=options, **arguments)
            if needs:
                said["needs"] = needs
            return runtime
    return None


@contextmanager
def refusal_in(said: dict[str, str]) -> Iterator[None]:
    """Put the first refusal into `said`."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 -- whatever it says is the result
        said.setdefault("refused", f"{type(error).__name__}: {error}")


def verdict(call: Callable[[], object]) -> str:
    """The refusal, or "accepted"."""
    said: dict[str, str] = {}
    with refusal_in(said):
        call()
    return said.get("refused", "accepted")


if __name__ == "__main__":
    task, job = sys.argv[1], json.loads(Path(sys.argv[2]).read_text("utf-8"))
    out = Path(job["out"])
    if zeroproofml.__version__ != job["version"]:
        sys.exit(f"found {zeroproofml.__file__}, version {zeroproofml.__version__}: run make unit")
    if task == "export":
        export(out)
    else:
        said = {name: read(name, bundle, out) for name, bundle in job["bundles"].items()}
        (out / "readings.json").write_text(json.dumps(said), encoding="utf-8")
