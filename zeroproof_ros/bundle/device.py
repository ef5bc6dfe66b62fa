"""Which device runs a bundle: the one that was asked for, or the faster one by a measurement."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np

from zeroproof_ros.bundle.deployment import Deployment
from zeroproof_ros.bundle.load import Bundle, load_bundle
from zeroproof_ros.errors import ModelLoadError, ModelRunError, ProviderUnavailableError
from zeroproof_ros.runtimes.onnx import CPU, CUDA, DEVICES

AUTO = "auto"
WARM_UPS, RUNS = 3, 21


def load_bundle_on(
    device: str,
    folder: Path | str,
    *,
    rows: int,
    deployment: Deployment | None = None,
    expected_digest: str | None = None,
) -> Bundle:
    """Load a bundle on a device.

    Args:
        device: a key of `DEVICES`, or "auto" for the one that answers `rows` rows sooner;
            `Bundle.placement` then says what was measured. A device that is not there, or that can
            not run the model, is an error where it was asked for, and told where "auto" was.
        folder, deployment, expected_digest: see `load_bundle`.
        rows: the number of rows that "auto" measures with.

    Raises:
        BundleError, ProviderUnavailableError, ModelLoadError, ModelRunError: see `load_bundle`.
    """
    load = partial(load_bundle, folder, deployment=deployment, expected_digest=expected_digest)
    if device != AUTO:
        return load(providers=(DEVICES[device],))
    on_cpu = load(providers=(CPU,))
    measured = [(seconds_per_run(on_cpu, rows), on_cpu)]
    told = f"cpu {measured[0][0] * 1e6:.0f} us"
    try:
        on_cuda = load(providers=(CUDA,))
        measured.append((seconds_per_run(on_cuda, rows), on_cuda))
        told += f", cuda {measured[1][0] * 1e6:.0f} us"
    except (ProviderUnavailableError, ModelLoadError, ModelRunError) as error:
        told += f", cuda not usable ({error})"
    _, bundle = min(measured, key=itemgetter(0))
    return replace(bundle, placement=f"{AUTO}, measured with {rows} rows: {told}")


def seconds_per_run(bundle: Bundle, rows: int) -> float:
    """Median time [s] in which the model of a bundle answers that many rows.

    Raises:
        ModelRunError: the model raised.
    """
    table = np.zeros((rows, int(bundle.runtime.inputs[0].shape[1])))
    durations = []
    for _ in range(WARM_UPS + RUNS):
        started = time.perf_counter()
        bundle.runtime.run(table)
        durations.append(time.perf_counter() - started)
    return statistics.median(durations[WARM_UPS:])
