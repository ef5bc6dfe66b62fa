"""`StrictIK` alone, against zeroproofml 0.5.1 doing the same work on the same bundle.

Sides, all on one bundle of the strict kind with the exact model of the planar arm:

    ours        StrictIK.solve: model, masks, fallback, and every row checked
    documented  zeroproofml as its documents show it: runtime, masks to torch, then
                route_to_analytic_solver with damped least squares; nothing is checked
    checked     the same, and then the residual, joint limits and step limit of every row, which is
                what a user has to add before the rows may go to an arm

Only `checked` does the same work as `ours`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from harness.documented import Documented
from harness.rounds import in_turns, median_of, ratio_of, show_json, show_table, timed
from harness.rows import ROBOT, target_rows
from numpy.typing import NDArray

from zeroproof_ros.bundle import GraphKind, load_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.pipeline import StrictIK
from zeroproof_ros.training.exact_planar_2r import write_exact_bundle

BATCHES = (1, 64, 1024, 65536)
ROUTED_SHARE = 0.05
ROUNDS = 15
SECONDS = 0.03  # per side and round

THRESHOLDS = InferenceConfig(tau_infer=0.02, tau_train=0.05)

Solve = Callable[[NDArray[np.float32]], NDArray[Any]]


def measure(sides: dict[str, Solve], batch: int, routed: int) -> dict[str, Any]:
    """Figures of one batch size."""
    x = target_rows(batch, routed).astype(np.float32)
    taken = in_turns({name: timed(lambda s=s: s(x), SECONDS) for name, s in sides.items()}, ROUNDS)
    return {
        "batch": batch,
        "routed": routed,
        **{f"{name}_us": median_of(rounds) * 1e6 for name, rounds in taken.items()},
        "documented_over_ours": ratio_of(taken["documented"], taken["ours"]),
        "checked_over_ours": ratio_of(taken["checked"], taken["ours"]),
    }


def check_agreement(ik: StrictIK, documented: Documented) -> None:
    """Both must serve all rows, and those of the model alike, before their speed is compared."""
    x = target_rows(1024, 51).astype(np.float32)
    table, theirs = ik.solve(x), documented.solve_checked(x)
    by_model = table["reason"] == 0
    same = np.allclose(table["resolved"][by_model], theirs[by_model], rtol=1e-6)
    if not (same and np.count_nonzero(~by_model) == 51 and table.served.all()):
        raise RuntimeError("the sides do not do the same work")
    unserved = int(np.isnan(theirs).any(axis=1).sum())
    print(f"of 51 rows for the solver, damped least squares leaves {unserved} unserved, ours 0")


def main() -> None:
    """Measure all batches and mixes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "strict"
        block = yaml.safe_load(ROBOT.read_text("utf-8"))
        write_exact_bundle(path, block, THRESHOLDS, kind=GraphKind.STRICT)
        ik = StrictIK(load_bundle(path))
        documented = Documented(path, ik)
    check_agreement(ik, documented)
    sides: dict[str, Solve] = {
        "ours": lambda x: ik.solve(x)["resolved"],
        "documented": documented.solve,
        "checked": documented.solve_checked,
    }
    cases = []
    for share in (0.0, ROUTED_SHARE):
        for batch in BATCHES:
            routed = int(np.ceil(share * batch))
            print(f"batch {batch}, {routed} rows for the solver ...", flush=True)
            cases.append(measure(sides, batch, routed))
    show_table(cases)
    show_json({"benchmark": "pipeline", "cases": cases})


if __name__ == "__main__":
    main()
