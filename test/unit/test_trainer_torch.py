"""The trainer: what it records, when it stops, and checkpoints that go on bit for bit."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from snippets import run

from zeroproof_ros.errors import (
    CheckpointError,
    ConfigError,
    ProviderUnavailableError,
    ThresholdError,
    TrainingError,
)

torch = pytest.importorskip("torch", reason="torch, with which models are trained")

from zeroproof_ros.training.trainer import WEIGHTS, Pairs, SCMTrainer, TrainingConfig

CONFIG = TrainingConfig(0.02, 0.05, 0.2, epochs=6, batch_rows=32, learning_rate=0.01)


class Small(torch.nn.Module):  # type: ignore[misc, name-defined]
    """P and Q by one hidden layer, with chance in it while it trains."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(3, width), torch.nn.Tanh(), torch.nn.Dropout(0.1)
        )
        self.head = torch.nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.head(self.body(x))
        return y[:, :2], y[:, 2]


def pairs(count: int = 100, seed: int = 0) -> Pairs:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return Pairs(x, x[:, :2] * 0.5, x[:, 2])


def trainer(config: TrainingConfig = CONFIG, **kwargs: Any) -> SCMTrainer:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return SCMTrainer(Small(**kwargs), pairs(), pairs(50, seed=1), config)


def test_history_has_every_term_by_name_and_falls() -> None:
    found = trainer()
    assert found.history == {}
    found.fit()
    assert set(found.history) == {*WEIGHTS, "loss", "validation_loss"}
    assert {len(values) for values in found.history.values()} == {CONFIG.epochs}
    assert found.epoch == CONFIG.epochs
    assert found.history["loss"][-1] < found.history["loss"][0]
    assert found.history["validation_loss"][-1] < found.history["validation_loss"][0]
    for epoch in range(CONFIG.epochs):
        weighted = sum(WEIGHTS[name] * found.history[name][epoch] for name in WEIGHTS)
        assert found.history["loss"][epoch] == pytest.approx(weighted, rel=1e-5)


def test_every_term_is_active() -> None:
    found = trainer()
    found.fit(until=1)
    assert all(found.history[name][0] > 0 for name in WEIGHTS)


SIGN_CHECK = """
# Verify sign loss was active during training
assert 'sign_loss' in trainer.history, "Sign consistency not enforced"
"""


def test_sign_consistency_check_of_the_document() -> None:
    found = trainer()
    with pytest.raises(AssertionError, match="Sign consistency not enforced"):
        run(SIGN_CHECK, trainer=found)
    found.fit(until=1)
    run(SIGN_CHECK, trainer=found)


CHECKPOINTS = """
from zeroproof_ros.training import SCMTrainer
# During training
trainer.save_checkpoint("checkpoint.pt", epoch=50)
# Resume training
trainer.load_checkpoint("checkpoint.pt")
# Load for inference only
checkpoint = torch.load("checkpoint.pt")
model.load_state_dict(checkpoint['model_state_dict'])
"""


def test_checkpoints_of_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = trainer()
    found.fit(until=2)
    model = Small()
    left = run(CHECKPOINTS, torch=torch, trainer=found, model=model)
    assert left["SCMTrainer"] is SCMTrainer
    assert left["checkpoint"]["epoch"] == 50
    for ours, theirs in zip(model.parameters(), found.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_training_goes_on_bit_for_bit(tmp_path: Path, stop: int) -> None:
    whole = trainer()
    whole.fit()
    first = trainer()
    first.fit(until=stop)
    first.save_checkpoint(tmp_path / "c.pt", epoch=stop)
    torch.rand(7)  # chance elsewhere in the process changes nothing
    second = SCMTrainer(Small(), pairs(), pairs(50, seed=1), CONFIG)
    assert second.load_checkpoint(tmp_path / "c.pt") == stop
    assert second.epoch == stop
    second.fit()
    assert second.history == whole.history
    for mine, theirs in zip(second.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_training_leaves_the_random_numbers_of_the_process_alone() -> None:
    before = torch.get_rng_state()
    trainer().fit(until=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_seed_decides_the_order() -> None:
    losses = []
    for seed in (0, 0, 1):
        found = trainer(replace(CONFIG, seed=seed))
        found.fit(until=2)
        losses.append(found.history["loss"])
    assert losses[0] == losses[1] != losses[2]


def test_the_best_weights_are_kept_and_training_stops_where_nothing_gets_better() -> None:
    config = replace(CONFIG, epochs=40, patience=3, learning_rate=5.0)
    found = trainer(config)
    found.fit()
    history = found.history["validation_loss"]
    best = min(range(len(history)), key=history.__getitem__)
    assert len(history) == best + 1 + config.patience < config.epochs
    assert found.finished
    again = trainer(config)
    again.fit(until=best + 1)
    for mine, theirs in zip(found.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    found.fit()
    assert len(found.history["validation_loss"]) == len(history)


def test_a_training_that_was_getting_worse_when_it_was_saved_ends_alike(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=40, patience=3, learning_rate=5.0)
    whole = trainer(config)
    whole.fit()
    first = trainer(config)
    first.fit(until=whole.epoch - 1)
    first.save_checkpoint(tmp_path / "c.pt", epoch=0)
    second = SCMTrainer(Small(), pairs(), pairs(50, seed=1), config)
    second.load_checkpoint(tmp_path / "c.pt")
    second.fit()
    assert second.history == whole.history
    for mine, theirs in zip(second.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_every_epoch_has_an_order_of_its_own() -> None:
    seen: list[torch.Tensor] = []

    class Recorded(Small):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            if self.training:
                seen.append(x)
            return super().forward(x)

    SCMTrainer(Recorded(), pairs(), pairs(), replace(CONFIG, epochs=2)).fit()
    first, second = (torch.cat(part) for part in (seen[:4], seen[4:]))
    assert not torch.equal(first, second)
    for epoch in (first, second):  # every row once
        assert torch.equal(epoch.sort(dim=0).values, pairs().x.sort(dim=0).values)


def test_the_sign_counts_as_the_documents_ask() -> None:
    assert WEIGHTS["sign_loss"] >= 1.0


@pytest.mark.parametrize("epochs", [1, 3, 6])
def test_the_learning_rate_goes_on_from_epoch_to_epoch(epochs: int) -> None:
    found = trainer()
    found.fit(until=epochs)
    (group,) = found._optimizer.param_groups
    assert group["lr"] == found._learning_rate(epochs * 4 - 1)


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    config = replace(CONFIG, epochs=50)
    found = trainer(config)
    steps = 50 * 4
    rates = [found._learning_rate(step) for step in range(steps)]
    peak = max(range(steps), key=rates.__getitem__)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[peak] == pytest.approx(config.learning_rate, rel=0.02)
    assert peak == pytest.approx(0.05 * steps, abs=1)
    assert rates[-1] < 1e-3 * config.learning_rate


def test_a_bar_is_shown_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    SCMTrainer(Small(), pairs(), pairs(), CONFIG).fit()
    assert capsys.readouterr().out == ""
    SCMTrainer(Small(), pairs(), pairs(), CONFIG, progress=True).fit()
    assert "training" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["train", "validation"])
def test_rows_that_do_not_fit_are_refused(where: str) -> None:
    good = {"train": pairs(), "validation": pairs()}
    x, P, Q = pairs()
    for bad in (
        Pairs(x, P, Q[:-1]),
        Pairs(x, P, Q[:, None]),
        Pairs(x, Q, Q),
        Pairs(x[:0], P[:0], Q[:0]),
    ):
        with pytest.raises(TrainingError, match=rf"{where} has x, P and Q of the shapes .*N >= 1"):
            SCMTrainer(Small(), **good | {where: bad}, config=CONFIG)


def test_a_loss_that_is_not_finite_ends_the_training_by_name() -> None:
    x, P, Q = pairs()
    P[3] = float("nan")
    for where in ("train", "validation"):
        splits = {"train": pairs(), "validation": pairs()} | {where: Pairs(x, P, Q)}
        found = SCMTrainer(Small(), **splits, config=CONFIG)
        with pytest.raises(TrainingError, match="^implicit_loss, loss not finite in epoch 0;"):
            found.fit()
        assert found.history == {}
        assert all(torch.isfinite(weight).all() for weight in found.model.parameters())


def test_a_denominator_with_an_axis_too_many_is_not_spread_over_the_rows() -> None:
    class Column(Small):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            P, Q = super().forward(x)
            return P, Q[:, None]

    with pytest.raises(TrainingError, match=r"P \(32, 2\) and Q \(32, 1\), expected \(32, 2\) and"):
        SCMTrainer(Column(), pairs(), pairs(), CONFIG).fit()


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ProviderUnavailableError, match="device 'cuda:99' was asked for"):
        SCMTrainer(Small(), pairs(), pairs(), CONFIG, device="cuda:99")


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 1.5), ("batch_rows", 2**32), ("seed", -1), ("seed", 2**32)]
)
def test_counts_and_seeds_are_whole_numbers(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value}, expected a whole number from 0 to"):
        replace(CONFIG, **{name: value})


@pytest.mark.parametrize("name", ["q_floor", "epochs", "batch_rows", "learning_rate", "patience"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value}, expected a finite number > 0"):
        replace(CONFIG, **{name: value})


def test_thresholds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ThresholdError, match="tau_train is 0.01, below tau_infer 0.02"):
        replace(CONFIG, tau_train=0.01)


def spoilt(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A checkpoint of a trained model after a change to what it holds."""
    found = trainer()
    found.fit(until=1)
    found.save_checkpoint(folder / "c.pt", epoch=1)
    content = torch.load(folder / "c.pt", weights_only=True)
    change(content)
    torch.save(content, folder / "c.pt")
    return folder / "c.pt"


FOREIGN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a key less": (lambda c: c.pop("history"), "expected the keys epoch, model_state_dict"),
    "a key more": (lambda c: c.update(more=1), "expected the keys"),
    "another kind": (lambda c: c.update(epoch="1"), "expected the keys"),
    "another seed": (lambda c: c["config"].update(seed=9), "was trained with .*'seed': 9"),
    "a weight less": (
        lambda c: c["model_state_dict"].pop("head.bias"),
        "is of another model: head.bias is no tensor there, expected torch.float32",
    ),
    "a weight of another shape": (
        lambda c: c["best_state_dict"].update({"head.bias": torch.zeros(4)}),
        r"head.bias is torch.float32\(4,\) there, expected torch.float32\(3,\)",
    ),
    "a weight of another dtype": (
        lambda c: c["model_state_dict"].update({"head.bias": torch.zeros(3, dtype=torch.float64)}),
        "head.bias is torch.float64",
    ),
    "another optimizer": (
        lambda c: c["optimizer_state_dict"]["param_groups"].clear(),
        "optimizer state",
    ),
}


@pytest.mark.parametrize("change", FOREIGN)
def test_a_foreign_checkpoint_is_refused_and_changes_nothing(tmp_path: Path, change: str) -> None:
    apply, message = FOREIGN[change]
    path = spoilt(tmp_path, apply)
    found = trainer()
    with pytest.raises(CheckpointError, match=message) as caught:
        found.load_checkpoint(path)
    assert caught.value.path == path
    untouched = trainer()
    for one in (found, untouched):
        one.fit()
    assert found.history == untouched.history


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04", pickle.dumps({"a": 1})])
def test_bytes_that_are_no_checkpoint_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"c\.pt"):
        trainer().load_checkpoint(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a readable checkpoint"):
        trainer().load_checkpoint(tmp_path / "none.pt")


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_checkpoint_can_not_run_code(tmp_path: Path) -> None:
    torch.save({"model_state_dict": Runs(tmp_path / "ran")}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="is not a readable checkpoint"):
        trainer().load_checkpoint(tmp_path / "c.pt")
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_can_not_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trainer()
    path = tmp_path / "c.pt"
    found.save_checkpoint(path, epoch=1)
    before = path.read_bytes()

    def broken(content: Any, staging: Path) -> None:
        staging.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(CheckpointError, match="can not be written: no space left"):
        found.save_checkpoint(path, epoch=2)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["c.pt"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"c\.pt can not be written"):
        trainer().save_checkpoint(tmp_path / "none" / "c.pt", epoch=1)
