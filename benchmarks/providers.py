"""A bundle on every execution provider there is, from one row to a million.

Two sides per provider: ONNX Runtime alone, and `Bundle.run`, which decodes strictly too. Where CUDA
is not there, only the CPU is measured, and the table says so by what it lacks.
"""

from __future__ import annotations

from functools import partial

from harness.rounds import in_turns, median_of, show_json, show_table, timed
from harness.rows import BUNDLE, target_rows

from zeroproof_ros.bundle import Bundle, load_bundle
from zeroproof_ros.errors import ProviderUnavailableError
from zeroproof_ros.runtimes.onnx import DEVICES

BATCHES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
ROUNDS = 9
SECONDS = 0.02  # per side and round


def on(device: str) -> Bundle | None:
    """The bundle on a device, None where it is not there."""
    try:
        return load_bundle(BUNDLE, providers=(DEVICES[device],))
    except ProviderUnavailableError as error:
        print(f"{device}: {error}")
        return None


def main() -> None:
    bundles = {device: bundle for device in DEVICES if (bundle := on(device)) is not None}
    table = []
    for batch in BATCHES:
        rows = target_rows(batch, 0)
        sides = {}
        for device, bundle in bundles.items():
            sides[f"{device}_model"] = timed(partial(bundle.runtime.run, rows), SECONDS)
            sides[f"{device}_run"] = timed(partial(bundle.run, rows), SECONDS)
        taken = {name: median_of(rounds) for name, rounds in in_turns(sides, ROUNDS).items()}
        table.append(
            {
                "batch": batch,
                **{f"{name}_us": seconds * 1e6 for name, seconds in taken.items()},
                **{
                    f"{device}_run_rows_per_s": batch / taken[f"{device}_run"] for device in bundles
                },
            }
        )
    show_table(table)
    show_json({"benchmark": "providers", "devices": list(bundles), "rows": table})


if __name__ == "__main__":
    main()
