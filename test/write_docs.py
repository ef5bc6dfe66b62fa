"""Writes the generated parts of docs/, each between `<!-- its name -->` and `<!-- end -->`."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from fnmatch import fnmatch
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from zeroproof_ros.bags.answering import ORIGIN
from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.bags.figures import figures_of
from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.cli import evaluate, main
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.pipeline import StrictIK, TableLayout
from zeroproof_ros.smoke.checks import CHECKS, NEEDS_ARM, Q_TOLERANCE, TOLERANCE

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
EXAMPLE = "config/bundles/planar_2r"
SCHEMA = json.loads(files("zeroproof_ros.bundle").joinpath("metadata.schema.json").read_text())
EVENT_SCHEMA = json.loads(files("zeroproof_ros.monitor").joinpath("event.schema.json").read_text())

# Module and constant: what is counted.
LIMITS = {
    ("bundle.files", "MAX_BYTES"): "bytes of all files together; four million weights have half",
    ("bundle.metadata", "MAX_METADATA_BYTES"): "bytes of metadata.json; real ones have 3 to 10 kB",
    ("bundle.strict_json", "MAX_DEPTH"): "lists and objects inside each other; real ones have 4",
    ("bundle.strict_yaml", "MAX_YAML_BYTES"): "bytes of a YAML file; real ones have 1 kB",
    ("bundle.onnx_proto", "MAX_PARTS"): "fields of the model file; an operator has about 20",
    ("bundle.graph", "MAX_RANK"): "dimensions of a constant tensor",
    ("bundle.graph", "MAX_DIM"): "first size that a dimension of one may not have",
    ("bundle.signature", "MAX_COLUMNS"): "columns of a table: no arm has more features or joints",
    ("bundle.load", "TRY_SECONDS"): "seconds of the processor for two rows, tried while loading",
    ("runtimes.onnx", "MAX_MEMORY"): "bytes for what all models of a process compute",
}

# Names of figures, and what they are.
FIGURES = {
    "messages": "targets",
    "messages_refused": "those of them that make no row",
    "rows": "rows",
    "bottom_rate gap_rate fault_rate": "share of rows with this mask",
    "accept_rate": "share of rows that are not bottom",
    "coverage": "share of rows that are neither bottom nor gap",
    "fallback_rate": "share of rows that the solver served",
    "reject_rate serve_rate": "share of rows that nobody, and that somebody served",
    "q_abs_min q_abs_p*": "smallest \\|Q\\|, and what 1, 5 and 50 % of the rows do not exceed",
    "unsafe_accepts": "rows that should not have been served or accepted",
    "*_rows": "rows that each of them served",
    "*_residual_*": "quantiles of the residuals of these rows",
    "source_*": "share of rows by who served them",
    "reason_*": "share of rows by why not the model",
}

TOLERANCES = f"""

The answer to a row may depend on its neighbours by {TOLERANCE:g} of its value (or of 1, where that
is larger), and as much more as |Q| is below 1, since ONNX Runtime computes short and long batches
with different instructions; its masks only where |Q| is within {Q_TOLERANCE:g} of a threshold.
"""


def keys_table(root: str, schema: Mapping[str, Any]) -> str:
    """A row for every property of a schema, and of the objects and lists in it."""
    lines = ["| key | required | allowed | what it is, and why |", "|---|---|---|---|"]
    for key, required, prop in properties(root, schema):
        lines.append(table_row(f"`{key}`", required, allowed(prop), prop.get("description", "")))
    return "\n".join(lines) + "\n"


def table_row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def properties(root: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Dotted key, whether it is required, and the schema of each property."""
    for key, raw in schema.get("properties", {}).items():
        prop = resolved(raw)
        required = "yes" if key in schema.get("required", ()) else ""
        if key in later_required(schema):
            required = "with schema_version 2"
        yield root + key, required, prop
        if key != "deployment":  # which has a table of its own
            yield from properties(f"{root}{key}.", prop)
            yield from properties(f"{root}{key}[].", prop.get("items", {}))


def later_required(schema: Mapping[str, Any]) -> list[str]:
    return [key for rule in schema.get("allOf", ()) for key in rule["then"]["required"]]


def resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to; its own words win."""
    if "$ref" not in schema:
        return dict(schema)
    return SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]] | schema


def allowed(schema: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(f"({allowed(choice)})" for choice in schema["anyOf"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    names = {"array": "list", "integer": "whole number"}
    return ", ".join([" or ".join(names.get(kind, kind) for kind in kinds), *rules(schema)])


def rules(schema: Mapping[str, Any]) -> Iterator[str]:
    """What has to hold for a value of a type, in words."""
    phrases = {
        "pattern": "`{}`",
        "maxLength": f"{schema.get('minLength', 0)} to {{}} characters",
        "maxItems": f"{schema.get('minItems', 0)} to {{}} entries",
        "exclusiveMinimum": "> {}",
        "minimum": ">= {}",
        "then": "no two alike",
    }
    yield from (phrase.format(schema[key]) for key, phrase in phrases.items() if key in schema)
    if "minLength" in schema and "maxLength" not in schema:
        yield "not empty"
    items = resolved(schema.get("items", {}))
    if items and "properties" not in items:
        yield f"each a {allowed(items)}"
    others = schema.get("additionalProperties")
    if others is not None:
        yield f"of {allowed(others)} by name" if others else "no other keys"


def limits_table() -> str:
    lines = ["| limit | value | of what |", "|---|---|---|"]
    for (module, name), meaning in LIMITS.items():
        value = getattr(import_module(f"zeroproof_ros.{module}"), name)
        lines.append(f"| `{module}.{name}` | {value:,} | {meaning} |")
    return "\n".join(lines) + "\n"


def checks_table() -> str:
    lines = ["| check | what has to hold | |", "|---|---|---|"]
    for name, check in CHECKS.items():
        arm = "only with a `deployment` block" if name in NEEDS_ARM else ""
        lines.append(f"| `{name}` | {check.__doc__} | {arm} |")
    return "\n".join(lines) + TOLERANCES


def events_table() -> str:
    lines = ["| event | what happened |", "|---|---|"]
    lines += [f"| `{name}` | {event['description']} |" for name, event in events()]
    return "\n".join(lines) + "\n"


def event_keys_table() -> str:
    """The keys that an event has besides those that all have."""
    lines = ["| event | key | allowed | what it is |", "|---|---|---|---|"]
    for name, event in events():
        for key, rule in event["properties"].items():
            if key != "event":
                cells = [f"`{name}`", f"`{key}`", allowed(rule), rule["description"]]
                lines.append(
                    f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
                )
    return "\n".join(lines) + "\n"


def events() -> list[tuple[str, dict[str, Any]]]:
    return list(EVENT_SCHEMA["$defs"].items())


def output(*words: str) -> str:
    """A command of the verb and what it prints for the exact bundle."""
    with redirect_stdout(io.StringIO()) as printed:
        main(["bundle", *words, str(ROOT / EXAMPLE)])
    command = f"python3 -m zeroproof_ros bundle {' '.join(words)} {EXAMPLE}"
    text = printed.getvalue().replace(f"{ROOT}/", ".../")
    return f"```bash\n{command}\n```\n\n```text\n{text}```\n"


def rows_file() -> str:
    """The columns of rows.npz."""
    origin = {
        "bag": "the recording, from 0 on, as they were given",
        "message": "the target in it, from 0 on, as they were recorded, refused ones too",
        "row": "the row of the target, from 0 on",
        "recorded_ns": "when the target was recorded [ns]",
        "stamp_ns": "its stamp [ns], 0 for none",
    }
    lines = ["| column | type | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {ORIGIN[name]} | {origin[name]} |" for name in ORIGIN.names or ()]
    layout = TableLayout(("<feature>",), ("<output>",))
    lines += [f"| `{c.name}` | {c.dtype} | see README |" for c in layout.columns]
    return "\n".join(lines) + "\n"


def figures_table() -> str:
    ik = StrictIK(load_bundle(ROOT / EXAMPLE))
    none = np.zeros(0, ik.layout.dtype), np.zeros(0, ORIGIN)
    names = list(figures_of(Evaluation(ik, Serving(), (), *none)))
    lines = ["| figure | what it is |", "|---|---|"]
    for patterns, meaning in FIGURES.items():
        found = [n for n in names if any(fnmatch(n, pattern) for pattern in patterns.split())]
        names = [name for name in names if name not in found]
        lines.append(f"| {' '.join(f'`{name}`' for name in found)} | {meaning} |")
    assert not names, f"nobody says what {names} are"
    return "\n".join(lines) + "\n"


def gates_file() -> str:
    return f"```yaml\n{(ROOT / 'config' / 'gates.yaml').read_text('utf-8')}```\n"


def evaluate_exit_codes() -> str:
    codes = re.findall(r"([0-9]) (.*?)[;.](?= |$)", evaluate.EXIT_CODES)
    lines = ["| exit code | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| {code} | {meaning} |" for code, meaning in codes)]) + "\n"


def interop_matrix() -> str | None:
    """What the last run of the tests has measured, None where they have not run."""
    matrix = ROOT / "build" / "interop" / "matrix.md"
    return matrix.read_text("utf-8") if matrix.is_file() else None


PARTS: Mapping[str, Callable[[], str | None]] = {
    "keys": lambda: keys_table("", SCHEMA),
    "deployment keys": lambda: keys_table("deployment.", SCHEMA["$defs"]["deployment"]),
    "limits": limits_table,
    "checks": checks_table,
    "keys of all events": lambda: keys_table("", EVENT_SCHEMA),
    "events": events_table,
    "keys of each event": event_keys_table,
    "output of validate": lambda: output("validate"),
    "output of inspect": lambda: output("inspect"),
    "output of smoke": lambda: output("smoke"),
    "interop matrix": interop_matrix,
    "evaluate exit codes": evaluate_exit_codes,
    "rows file": rows_file,
    "gates file": gates_file,
    "figures": figures_table,
}


def part_of(text: str, name: str) -> str:
    """The present text of a part, or "" where the document has none of that name."""
    found = re.search(f"<!-- {re.escape(name)} -->\n(.*?)<!-- end -->\n", text, re.DOTALL)
    return found[1] if found else ""


def written(text: str) -> str:
    """A document with its parts written anew; what can not be known now stays."""

    def replace(part: re.Match[str]) -> str:
        new = PARTS[part[1]]()
        return part[0] if new is None else f"<!-- {part[1]} -->\n{new}<!-- end -->\n"

    return re.sub(r"<!-- ([a-z ]+) -->\n.*?<!-- end -->\n", replace, text, flags=re.DOTALL)


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(written(document.read_text("utf-8")), encoding="utf-8")
