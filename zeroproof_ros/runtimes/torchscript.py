"""Models saved by torch.jit: a legacy format, loaded only by name. Prefer ONNX.

Loading a TorchScript file runs code from the file; load none that you did not make. An ONNX
graph is data.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zeroproof_ros.errors import ModelLoadError, ModelRunError, ProviderUnavailableError
from zeroproof_ros.runtimes.runtime import TensorSpec, as_table


class TorchScriptRuntime:
    """A saved torch.jit module that takes one table and answers a pair (P, Q).

    Args:
        path: the file that `torch.jit.save` wrote.
        features: the number of columns F, which the file does not tell.
        device: where it runs, in torch's words: "cpu" or "cuda". It runs there, or it fails.

    Raises:
        ProviderUnavailableError: a device that torch does not have here.
        ModelLoadError: torch can not load the file, its weights are neither float32 nor float64,
            or it does not answer two rows of zeros with P (2,) or (2, K) and Q (2,), (2, 1) or
            (2, K).
    """

    def __init__(self, path: Path, *, features: int, device: str = "cpu") -> None:
        self._device = torch_device(device)
        self._module = _load(path, self._device)
        self._dtype = _dtype(self._module, path)
        self.providers = (str(self._device),)
        self.inputs = (TensorSpec("input_0", self._dtype.name, ("batch", features)),)
        self._width = features
        self.outputs = self._probe(path)

    def run(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """P and Q for rows (N, F).

        Any real dtype is taken and converted to that of the weights.

        Raises:
            ArrayError: rows of another rank, width or kind.
            ModelRunError: the model raised, or did not answer a pair of tensors.
        """
        # A copy, since the model may write into what it is given.
        table = torch.from_numpy(as_table(rows, self._width, self._dtype).copy())
        try:
            with torch.inference_mode():
                answer = self._module(table.to(self._device))
        except Exception as error:  # a script raises whatever its author wrote
            raise ModelRunError(f"the model failed on {len(rows)} rows: {error}") from error
        return [part.cpu().numpy() for part in projective_pair(answer)]

    def _probe(self, path: Path) -> tuple[TensorSpec, ...]:
        """What it answers, learned from two rows, which tell rows from columns."""
        try:
            P, Q = self.run(np.zeros((2, self._width)))
        except ModelRunError as error:
            raise ModelLoadError(
                f"{path} does not answer rows of {self._width} features: {error}", path=path
            ) from error
        allowed = [P.shape[:1], (2, 1), P.shape] if P.ndim == 2 else [(2,)]
        if len(P) != 2 or Q.shape not in allowed or {P.dtype.kind, Q.dtype.kind} != {"f"}:
            raise ModelLoadError(
                f"{path} answers 2 rows with P {P.dtype}{P.shape} and Q {Q.dtype}{Q.shape}, "
                "expected P (2,) or (2, K) and Q (2,), (2, 1) or (2, K), floating",
                found=(P.shape, Q.shape),
                path=path,
            )
        names = ("numerator", "denominator")
        return tuple(
            TensorSpec(name, part.dtype.name, ("batch", *part.shape[1:]))
            for name, part in zip(names, (P, Q), strict=True)
        )


def projective_pair(answer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The P and Q that a torch model answered.

    Raises:
        ModelRunError: anything but two tensors. A lone P is never given a Q of 1: it would be
            accepted everywhere, also where the model has no value.
    """
    sequence = isinstance(answer, tuple | list)
    if sequence and len(answer) == 2 and all(isinstance(part, torch.Tensor) for part in answer):
        return answer[0], answer[1]
    found = type(answer).__name__
    if sequence:
        found += f" of {', '.join(type(part).__name__ for part in answer) or 'nothing'}"
    raise ModelRunError(
        f"the model answered {found}, expected a pair of tensors (P, Q)",
        found=answer,
        expected="(P, Q)",
    )


def torch_device(name: str) -> torch.device:
    """The device of a name, "cpu" or "cuda", which torch has here.

    Raises:
        ProviderUnavailableError: it has not.
    """
    found = {"cpu": 1, "cuda": torch.cuda.device_count()}
    kind, _, index = name.partition(":")
    if not (index or "0").isdecimal() or int(index or "0") >= found.get(kind, 0):
        there = ", ".join(f"{kind} ({count})" for kind, count in found.items() if count)
        raise ProviderUnavailableError(
            f"device {name!r} was asked for; available here: {there}",
            found=name,
            expected=tuple(found),
        )
    return torch.device(name)


def _load(path: Path, device: torch.device) -> Any:
    try:
        with warnings.catch_warnings():
            # torch calls its own TorchScript deprecated; the legacy path is asked for by name.
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location=device)
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelLoadError(
            f"{path} does not load in torch {torch.__version__}: {error}", path=path
        ) from error
    return module.eval()


def _dtype(module: Any, path: Path) -> np.dtype[Any]:
    found = {weight.dtype for weight in module.parameters() if weight.is_floating_point()}
    names = {str(dtype).removeprefix("torch.") for dtype in found or {torch.float32}}
    if len(names) > 1 or not names <= {"float32", "float64"}:
        raise ModelLoadError(
            f"{path} has weights of {', '.join(sorted(names))}, expected float32 or float64",
            found=names,
            path=path,
        )
    return np.dtype(names.pop())
