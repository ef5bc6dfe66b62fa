"""A training loop for projective models."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import CheckpointError, ConfigError, TrainingError
from zeroproof_ros.runtimes.torchscript import projective_pair, torch_device
from zeroproof_ros.training import losses
from zeroproof_ros.training.checkpoint import check_state, read_checkpoint, write_checkpoint

# The documents ask for a sign consistency loss of weight 1 or more.
WEIGHTS = {
    "implicit_loss": 1.0,
    "gauge_loss": 1.0,
    "sign_loss": 1.0,
    "margin_loss": 0.1,
    "separation_loss": 0.1,
    "rejection_loss": 0.01,
}
WARM_UP = 0.05
MAX_COUNT = 2**32
# The second moment forgets faster than usual, since the loss falls over six decades.
BETAS = (0.9, 0.99)


class Pairs(NamedTuple):
    """Rows of a training: x (N, F), true P (N, K) and true Q (N,), of one dtype."""

    x: Tensor
    P: Tensor
    Q: Tensor


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Args:
        tau_infer: |Q*| below which a row is censored, in the unit of Q.
        tau_train: |Q*| from which a row has a value that must be accepted; >= `tau_infer`.
        q_floor: see `losses`.
        epochs: passes over the training rows; the learning rate falls to 0 over all of them.
        batch_rows: rows per step.
        learning_rate: the largest of Adam.
        patience: epochs without a better validation loss after which training ends. While the
            learning rate is high the loss is restless, so this is long.
        seed: of the order of the rows and of all that a model does by chance.

    Raises:
        ThresholdError: see `InferenceConfig`.
        ConfigError: a number outside its range.
    """

    tau_infer: float
    tau_train: float
    q_floor: float
    epochs: int = 100
    batch_rows: int = 512
    learning_rate: float = 2e-2
    patience: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        InferenceConfig(self.tau_infer, self.tau_train)
        for name in ("q_floor", "epochs", "batch_rows", "learning_rate", "patience"):
            value = getattr(self, name)
            if not (0 < value < math.inf):
                raise ConfigError(f"{name} is {value}, expected a finite number > 0", found=value)
        for name in ("epochs", "batch_rows", "patience", "seed"):
            value = getattr(self, name)
            if not isinstance(value, int) or not (0 <= value < MAX_COUNT):
                raise ConfigError(
                    f"{name} is {value}, expected a whole number from 0 to {MAX_COUNT - 1}",
                    found=value,
                )


class SCMTrainer:
    """Trains a projective model, and keeps the weights that did best on the validation rows.

    An epoch depends on nothing but the state before it and on (seed, epoch), so a training that
    was saved and loaded goes on to the same losses, on a CPU bit for bit.

    Args:
        model: takes x (N, F) and answers P (N, K) and Q (N,).
        train, validation: the rows.
        config: how.
        device: where, in torch's words; the model is moved there.
        progress: whether a bar is shown.

    Attributes:
        history: the mean of every loss over each epoch by name, their weighted sum `loss`, and
            `validation_loss`; one number per epoch.

    Raises:
        TrainingError: rows that do not fit each other, or none.
        ProviderUnavailableError: a device that torch does not have here.
    """

    def __init__(
        self,
        model: nn.Module,
        train: Pairs,
        validation: Pairs,
        config: TrainingConfig,
        *,
        device: str = "cpu",
        progress: bool = False,
    ) -> None:
        for name, pairs in (("train", train), ("validation", validation)):
            same = 0 < len(pairs.x) == len(pairs.P) == len(pairs.Q)
            if not same or (pairs.P.ndim, pairs.Q.ndim) != (2, 1):
                shapes = tuple(tuple(part.shape) for part in pairs)
                raise TrainingError(
                    f"{name} has x, P and Q of the shapes {shapes}, expected (N, F), (N, K) and "
                    "(N,) with N >= 1",
                    found=shapes,
                )
        place = torch_device(device)
        self.model = model.to(place)
        self.config = config
        self.history: dict[str, list[float]] = {}
        self._train, self._validation = (
            Pairs(*(part.to(place) for part in pairs)) for pairs in (train, validation)
        )
        self._optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=BETAS)
        self._progress = progress
        self._best = copy.deepcopy(model.state_dict())
        self._best_epoch = 0

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history.get("validation_loss", []))

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the validation loss stopped falling."""
        return (
            self.epoch >= self.config.epochs
            or self.epoch - self._best_epoch >= self.config.patience
        )

    def fit(self, until: int | None = None) -> None:
        """Train to the end, or until so many epochs are done.

        At the end the model has the weights of the best epoch and is in eval mode.

        Raises:
            TrainingError: a model that answers other shapes than those of the rows, or a loss that
                is not finite; the model keeps the weights before it.
            ModelRunError: the model does not answer a pair of tensors.
        """
        with self._bar() as bar:
            task = bar and bar.add_task("training", total=self.config.epochs, completed=self.epoch)
            while not self.finished and (until is None or self.epoch < until):
                self._epoch()
                if bar:
                    bar.update(task, completed=self.epoch)
        if self.finished:
            self.model.load_state_dict(self._best)
        self.model.eval()

    def _epoch(self) -> None:
        sums = dict.fromkeys((*WEIGHTS, "loss"), 0.0)
        self.model.train()
        with torch.random.fork_rng():
            # far more than any number of epochs, so that no two trainings share an order
            torch.manual_seed(self.config.seed * 1_000_003 + self.epoch)
            for step, batch in self._batches():
                for group in self._optimizer.param_groups:
                    group["lr"] = self._learning_rate(step)
                terms = self._terms(batch)
                values = self._finite(terms)
                self._optimizer.zero_grad()
                terms["loss"].backward()
                self._optimizer.step()
                for name, value in values.items():
                    sums[name] += value * len(batch.x) / len(self._train.x)
        self.model.eval()
        with torch.no_grad():
            sums["validation_loss"] = self._finite(self._terms(self._validation))["loss"]
        for name, value in sums.items():
            self.history.setdefault(name, []).append(value)
        if sums["validation_loss"] <= min(self.history["validation_loss"]):
            self._best, self._best_epoch = copy.deepcopy(self.model.state_dict()), self.epoch

    def _finite(self, terms: dict[str, Tensor]) -> dict[str, float]:
        values = {name: term.item() for name, term in terms.items()}
        bad = {name: value for name, value in values.items() if not math.isfinite(value)}
        if bad:
            raise TrainingError(
                f"{', '.join(bad)} not finite in epoch {self.epoch}; lower the learning rate "
                f"{self.config.learning_rate} or look at the rows",
                found=bad,
            )
        return values

    def _batches(self) -> Iterator[tuple[int, Pairs]]:
        """The batches of an epoch in random order, numbered from the start of the training."""
        order = torch.randperm(len(self._train.x)).to(self._train.x.device)
        batches = order.split(self.config.batch_rows)
        for step, rows in enumerate(batches, start=self.epoch * len(batches)):
            yield step, Pairs(*(part[rows] for part in self._train))

    def _learning_rate(self, step: int) -> float:
        """A linear rise, then half a cosine down to 0."""
        steps = self.config.epochs * math.ceil(len(self._train.x) / self.config.batch_rows)
        done = (step + 1) / steps
        rise = min(done / WARM_UP, 1.0)
        return self.config.learning_rate * rise * (1.0 + math.cos(math.pi * done)) / 2.0

    def _terms(self, batch: Pairs) -> dict[str, Tensor]:
        config = self.config
        P, Q = projective_pair(self.model(batch.x))
        if P.shape != batch.P.shape or Q.shape != batch.Q.shape:
            raise TrainingError(
                f"the model answers P {tuple(P.shape)} and Q {tuple(Q.shape)}, expected "
                f"{tuple(batch.P.shape)} and {tuple(batch.Q.shape)}",
                found=(P.shape, Q.shape),
                expected=(batch.P.shape, batch.Q.shape),
            )
        q_abs = batch.Q.abs()
        has_value, is_censored = q_abs >= config.tau_train, q_abs < config.tau_infer
        terms = {
            "implicit_loss": losses.implicit_loss(P, Q, batch.P, batch.Q, q_floor=config.q_floor),
            "gauge_loss": losses.gauge_loss(Q, batch.Q, q_floor=config.q_floor),
            "sign_loss": losses.sign_loss(Q, batch.Q, q_floor=config.q_floor),
            "margin_loss": losses.margin_loss(Q, has_value, tau_train=config.tau_train),
            "separation_loss": losses.separation_loss(Q, is_censored, tau_infer=config.tau_infer),
            "rejection_loss": losses.rejection_loss(Q, has_value, tau_infer=config.tau_infer),
        }
        weighted = torch.stack([WEIGHTS[name] * term for name, term in terms.items()])
        return {**terms, "loss": weighted.sum()}

    def _bar(self) -> Any:
        if not self._progress:
            return nullcontext()
        from rich.progress import Progress

        return Progress()

    def save_checkpoint(self, path: Path | str, *, epoch: int) -> None:
        """Write what it takes to go on; the file is there with all of its content, or not at all.

        Args:
            path: the file; one that exists is replaced.
            epoch: the caller's number for it, kept under the key `epoch`. Where training goes on
                is told by the history.

        Raises:
            CheckpointError: the file can not be written.
        """
        write_checkpoint(
            Path(path),
            {
                "epoch": epoch,
                "model_state_dict": self.model.state_dict(),
                "optimizer_state_dict": self._optimizer.state_dict(),
                "best_state_dict": self._best,
                "best_epoch": self._best_epoch,
                "history": self.history,
                "config": asdict(self.config),
            },
        )

    def load_checkpoint(self, path: Path | str) -> int:
        """Go back, or on, to what `save_checkpoint` wrote, and return the epoch it was given.

        Nothing in the file is executed. If it is refused, the trainer is as it was before.

        Raises:
            CheckpointError: the file can not be read, or is of another model or training.
        """
        path = Path(path)
        found = read_checkpoint(path)
        config = asdict(self.config)
        if found["config"] != config:
            raise CheckpointError(
                f"{path} was trained with {found['config']}, expected {config}",
                found=found["config"],
                expected=config,
                path=path,
            )
        for name in ("model_state_dict", "best_state_dict"):
            check_state(found[name], self.model.state_dict(), path)
        before = copy.deepcopy(self._optimizer.state_dict())
        try:
            self._optimizer.load_state_dict(found["optimizer_state_dict"])
        except (ValueError, KeyError, TypeError) as error:
            self._optimizer.load_state_dict(before)
            raise CheckpointError(f"{path}: optimizer state: {error}", path=path) from error
        self.model.load_state_dict(found["model_state_dict"])
        self._best, self._best_epoch = found["best_state_dict"], found["best_epoch"]
        self.history = found["history"]
        epoch: int = found["epoch"]
        return epoch
