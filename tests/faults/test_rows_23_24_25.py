"""Out of memory: in training (row 23), in prediction (row 24), and what a resumed fit knows of it (row 25)."""

from __future__ import annotations

import math
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from faults.killing import SHIFT
from faults.memory_faults import Card, inserted
from grandmaster.errors import UserError
from grandmaster.models import passes as passes_module
from grandmaster.models.builder import build_model
from grandmaster.models.passes import Passes, is_out_of_memory, split
from grandmaster.pipeline import preparing
from grandmaster.pipeline.run import run_pipeline
from grandmaster.prediction.predict import ViewPredictions, predict
from grandmaster.progress import SilentProgress
from grandmaster.training import checkpoint
from grandmaster.training.fit import FitResult, fit_fold
from grandmaster.training.precision import Precision
from grandmaster.training.spec import FitSpec
from pipeline.small_competition import Record, request, write_competition
from training.training_cases import make_data, make_spec

HALF = Passes(micro_batch=4, grad_checkpointing=False)
EPOCHS, PICTURES = 2, 36  # of training


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch):
    monkeypatch.setattr(passes_module, "_FOUND", {})


class Killed(Exception):
    pass


class Watch(SilentProgress):
    """Keeps what is said; stops the fit, so to speak, after some pictures, counted from the first message on."""

    def __init__(self, killed_after: float = float("inf"), *, once_said: bool = False) -> None:
        self.left, self.once_said, self.messages = killed_after, once_said, []

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        self.left -= units if self.messages or not self.once_said else 0
        if self.left < 0:
            raise Killed

    def message(self, text: str, level: str = "info") -> None:
        self.messages.append(f"{level}: {text}")


def spec_of(**changes: Any) -> FitSpec:
    return make_spec(**{"epochs": EPOCHS, **changes})


def fit(
    folder: Path, spec: FitSpec, data: Any, watch: Watch | None = None, known: Passes | None = None
) -> FitResult:
    precision = Precision("cpu", "fp32")
    return fit_fold(
        spec, data, folder, precision, workers=0, progress=watch or Watch(), task="t", known=known
    )


def kept(folder: Path) -> dict[str, bytes]:
    """All weights that a fit leaves: the last, their average, the best; and its optimiser's state."""
    found = {path.name: path.read_bytes() for path in (folder / "checkpoint").glob("*.safetensors")}
    state = torch.load(
        folder / "checkpoint" / f"epoch_{EPOCHS:04d}.state.pt", weights_only=True, map_location="cpu"
    )
    moments = [
        value for _, values in sorted(state["optimiser"]["state"].items()) for value in values.values()
    ]
    return found | {"moments": torch.cat([moment.flatten() for moment in moments]).numpy().tobytes()}


def history(folder: Path) -> list[dict[str, Any]]:
    lines = checkpoint.read_json(folder / "checkpoint" / "last.json")["history"]
    return [
        {name: line[name] for name in line if name not in ("seconds", "images_per_second")} for line in lines
    ]


@pytest.fixture(scope="module")
def references(tmp_path_factory) -> Any:
    """Undisturbed fits that pass `micro` pictures at once from an epoch on, `spec.micro_batch` before it."""
    folder = tmp_path_factory.mktemp("references")
    spec = spec_of()
    made: dict[tuple[int, int], Path] = {}

    def reference(epoch: int, micro: int) -> Path:
        path = folder / f"{epoch}_{micro}"
        if (epoch, micro) not in made:
            data = make_data(folder, spec)
            if epoch > 1:
                with pytest.raises(Killed):
                    fit(path, spec, data, Watch(PICTURES * (epoch - 1) + 20))
            fit(path, spec, data, known=Passes(micro_batch=micro, grad_checkpointing=False))
            made[epoch, micro] = path
        return made[epoch, micro]

    return reference


def moments_of_a_fit(tmp_path: Path, spec: FitSpec) -> list[str]:
    with inserted(Card(holds=0)) as card:
        fit(tmp_path / "counted", spec, make_data(tmp_path, spec))
    return card.phases


@pytest.mark.fault(23, "memory that ends at any moment of a fit: forward, backward, step")
def test_row_23_at_any_moment_the_result_is_that_of_smaller_passes_from_this_epoch_on(tmp_path, references):
    spec = spec_of()
    data = make_data(tmp_path, spec)
    phases = moments_of_a_fit(tmp_path, spec)
    rng = np.random.default_rng(11)
    # One moment of each phase in each half of the fit, and some more.
    half = len(phases) // 2
    chosen = [
        int(rng.choice([at for at, seen in enumerate(phases) if seen == phase and (at >= half) == later]))
        for phase in ("forward", "backward", "step")
        for later in (False, True)
    ]
    failed = []
    for number, moment in enumerate([*chosen, *rng.integers(0, len(phases), 2).tolist()]):
        folder, watch, holds = tmp_path / f"fit{number}", Watch(), 4 if number % 3 else 3
        with inserted(Card(holds=holds, moment=moment)) as card:
            result = fit(folder, spec, data, watch)
        failed.append(card.failed[0])
        micro = 4 if holds == 4 else 2
        epoch = next(epoch for epoch in (1, 2) if f"ran out in epoch {epoch}" in watch.messages[0])
        assert result.passes == Passes(micro_batch=micro, grad_checkpointing=False)
        assert len(card.failed) == len(watch.messages) == (1 if holds == 4 else 2)
        assert kept(folder) == kept(references(epoch, micro)), (moment, card.failed)
        assert history(folder) == history(references(epoch, micro))
    assert set(failed) == {"forward", "backward", "step"}


@pytest.mark.fault(23, "memory that ends, watched step by step")
def test_row_23_the_steps_stay_what_they_were(tmp_path):
    """The same mixed pictures in the same steps at the same rates, bit for bit; gradients to rounding.

    In a model that treats every picture by itself; BatchNorm and dropout draws do depend on the pass.
    """
    spec = spec_of(
        timm_name="test_vit", drop_rate=0.0, drop_path=0.0, mix_probability=0.6, ema_decay=0.0, clip_norm=0.0
    )
    data = make_data(tmp_path, spec)
    with inserted(Card(holds=0)) as whole:
        fit(tmp_path / "whole", spec, data)
    with inserted(Card(holds=2, moment=40)) as parts:
        fit(tmp_path / "parts", spec, data)
    assert max(whole.passes) == 8
    assert len(parts.steps) == len(whole.steps) == EPOCHS * 3
    for (few, rates, gradient), (many, same_rates, same_gradient) in zip(
        whole.steps, parts.steps, strict=True
    ):
        assert max(map(len, many)) == 2
        assert torch.equal(torch.cat(few), torch.cat(many))
        assert rates == same_rates
        torch.testing.assert_close(gradient, same_gradient, rtol=1e-3, atol=1e-5)
    # Before the first step the weights are the same, and so the gradients, but for rounding.
    torch.testing.assert_close(whole.steps[0][2], parts.steps[0][2], rtol=1e-5, atol=1e-7)


def test_row_23_without_mixing_it_is_the_fit_that_was_planned_with_half_the_micro_batch(tmp_path):
    spec, planned = (
        spec_of(mix_probability=0.0, micro_batch=micro, accumulation=16 // micro) for micro in (8, 4)
    )
    data = make_data(tmp_path, spec)
    with inserted(Card(holds=4, moment=25)):
        fit(tmp_path / "fault", spec, data)
    fit(tmp_path / "planned", planned, data)
    assert kept(tmp_path / "fault") == kept(tmp_path / "planned")


@pytest.mark.fault(25, "killed after memory ran out")
def test_row_25_a_resumed_fit_takes_the_smaller_passes_at_once(tmp_path):
    spec = spec_of()
    data = make_data(tmp_path, spec)
    phases = len(moments_of_a_fit(tmp_path, spec))
    for number, (moment, killed_after) in enumerate([(10, 20), (phases // 2 + 60, PICTURES + 20)]):
        whole, cut = tmp_path / f"whole{number}", tmp_path / f"cut{number}"
        with inserted(Card(holds=4, moment=moment)):
            fit(whole, spec, data)
        with inserted(Card(holds=4, moment=moment)) as card, pytest.raises(Killed):
            fit(cut, spec, data, Watch(killed_after, once_said=True))
        assert card.failed
        watch = Watch()
        with inserted(Card(holds=4, moment=0)) as card:
            resumed = fit(cut, spec, data, watch)
        assert resumed.passes == HALF
        assert (card.failed, watch.messages) == ([], [])
        assert kept(cut) == kept(whole)
        assert history(cut) == history(whole)
    # The passes of another fit say nothing about this one.
    other = spec_of(learning_rate=1e-4)
    assert checkpoint.load_passes(cut / "checkpoint", fit_digest=spec.digest) == HALF
    assert checkpoint.load_passes(cut / "checkpoint", fit_digest=other.digest) is None
    checkpoint.remove_state(cut / "checkpoint")
    assert checkpoint.load_passes(cut / "checkpoint", fit_digest=spec.digest) is None


@pytest.mark.parametrize(
    ("changes", "tried"),
    [
        (
            {"batch_norm": "frozen"},
            ["4 pictures", "2 pictures", "1 picture", "1 picture a pass with grad"],
        ),
        # BatchNorm that learns its statistics needs two pictures.
        ({}, ["4 pictures", "2 pictures", "2 pictures a pass with grad"]),
    ],
)
@pytest.mark.fault(23, "memory that holds not even one picture")
def test_row_23_when_nothing_helps_the_fold_fails_by_name(tmp_path, changes, tried):
    spec, watch = spec_of(**changes), Watch()
    with (
        inserted(Card(holds=0, moment=30)),
        pytest.raises(
            UserError,
            match=r"ran out in epoch 1 even with .* checkpointing of 32 px \(in test_resnet, fold 0\).*image_size",
        ),
    ):
        fit(tmp_path / "fit", spec, make_data(tmp_path, spec), watch)
    assert len(watch.messages) == len(tried)
    for said, expected in zip(watch.messages, tried, strict=True):
        assert f"repeated with {expected}" in said


def test_row_23_nothing_of_a_failed_attempt_stays_in_memory(tmp_path):
    class Watching(Card):
        models: ClassVar[list[Any]] = []
        alive: ClassVar[list[int]] = []

        def before_forward(self, module: nn.Module, args: tuple[Any, ...]) -> None:
            known = [model() for model in self.models]
            if hasattr(type(module), "get_classifier") and not any(module is model for model in known):
                self.alive.append(sum(model is not None for model in known))
                self.models.append(weakref.ref(module))
            super().before_forward(module, args)

    spec = spec_of(epochs=1, ema_decay=0.0)
    with inserted(Watching(holds=2, moment=40)) as card:
        fit(tmp_path / "fit", spec, make_data(tmp_path, spec))
    assert card.alive == [0, 0, 0]  # of earlier attempts, when each of the three begins


@pytest.mark.fault(25, "memory that ran out in the first fold")
def test_row_25_later_folds_begin_with_what_fitted_the_first(tmp_path):
    data = write_competition(tmp_path / "squares")
    settings, record = ("folds.train=2", "training.epochs=1"), Record()
    run_pipeline(request(data, tmp_path / "run", *settings, until="plan"), record)
    with inserted(Card(holds=4, moment=0)) as card:
        run_pipeline(request(data, tmp_path / "run", *settings, until="train"), record)
    assert len(card.failed) == 1
    assert len([line for line in record.messages if "memory ran out" in line]) == 1
    for fold in (0, 1):
        result = checkpoint.read_json(tmp_path / "run" / f"fold_{fold}" / "test_resnet" / "result.json")
        assert (result["micro_batch"], result["accumulation"]) == (4, 4)
        assert result["grad_checkpointing"] is False
        assert result["memory_planned_gb"] > 0
        assert result["memory_gb"] > 0


def test_row_25_what_fitted_a_trial_fits_what_follows(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "_compared", lambda context: SHIFT)
    data, record = write_competition(tmp_path / "data"), Record()
    settings = ("augmentation.trial=true", "training.epochs=1", "folds.train=1")
    run_pipeline(request(data, tmp_path / "run", *settings, until="plan"), record)
    with inserted(Card(holds=4, moment=0)):
        run_pipeline(request(data, tmp_path / "run", *settings, until="trial"), record)
    short = [line for line in record.messages if "memory ran out" in line]
    assert short
    run_pipeline(request(data, tmp_path / "run", *settings, until="train"), record)
    assert [line for line in record.messages if "memory ran out" in line] == short
    result = checkpoint.read_json(tmp_path / "run" / "fold_0" / "test_resnet" / "result.json")
    assert (result["micro_batch"], result["accumulation"]) == (4, 4)


def test_row_23_an_error_that_is_not_about_memory_is_not_swallowed(tmp_path):
    class Broken(Card):
        def allocate(self, phase: str) -> None:
            raise RuntimeError("shapes do not match")

    with inserted(Broken(holds=0)), pytest.raises(RuntimeError, match="shapes do not match"):
        fit(tmp_path / "fit", spec_of(), make_data(tmp_path, spec_of()))


def seen(spec: FitSpec, data: Any, batch: int) -> ViewPredictions:
    torch.manual_seed(3)
    model = build_model(spec.timm_name, spec.weights, classes=3, input_size=32)
    return predict(
        Precision("cpu", "fp32").fabric,
        model,
        data.train,
        spec.weights,
        spec.head,
        device="cpu",
        memory_format="contiguous",
        batch_size=batch,
        views=4,
    )


@pytest.mark.fault(24, "memory that ends while the test set is predicted")
def test_row_24_predictions_stay_the_same_in_smaller_passes(tmp_path):
    spec = spec_of()
    data = make_data(tmp_path, spec)
    whole, quarter = seen(spec, data, 16), seen(spec, data, 4)
    with inserted(Card(holds=0, training=False)) as counted:
        seen(spec, data, 16)
    rng = np.random.default_rng(7)
    for moment in [0, *rng.integers(0, len(counted.phases) * 2 // 3, 4).tolist()]:  # the last batch is small
        passes_module._FOUND.clear()
        with inserted(Card(holds=4, moment=moment, training=False)) as card:
            found = seen(spec, data, 16)
            assert len(card.failed) == 2  # 16 -> 8 -> 4
            again = seen(spec, data, 16)
            assert len(card.failed) == 2  # remembered
        for values in (found, again):
            assert values.rows.tolist() == whole.rows.tolist()
            np.testing.assert_allclose(values.averaged, whole.averaged, atol=1e-6)
            np.testing.assert_allclose(values.plain, whole.plain, atol=1e-6)
        assert np.array_equal(again.averaged, quarter.averaged)  # bit for bit those of that batch
    with (
        inserted(Card(holds=0, moment=5, training=False)),
        pytest.raises(UserError, match=r"memory runs out when one picture of 32 px is predicted"),
    ):
        seen(spec, data, 16)


@pytest.mark.fault(24, "memory that ends in validation")
def test_row_24_so_does_validation(tmp_path):
    spec = spec_of()
    data = make_data(tmp_path, spec)
    whole = fit(tmp_path / "whole", spec, data)
    with inserted(Card(holds=3, moment=2, training=False)) as card:
        parts = fit(tmp_path / "parts", spec, data)
    assert card.failed
    assert parts.passes.micro_batch == 8  # training goes on as it was
    assert parts.best_score == whole.best_score
    last = f"epoch_{EPOCHS:04d}.safetensors"
    assert kept(tmp_path / "parts")[last] == kept(tmp_path / "whole")[last]
    assert history(tmp_path / "parts")[-1]["val_loss"] == pytest.approx(
        history(tmp_path / "whole")[-1]["val_loss"], rel=1e-5
    )


@pytest.mark.parametrize(
    ("count", "micro", "sizes"),
    [
        (8, 8, [8]),
        (9, 8, [9]),
        (9, 4, [4, 5]),
        (7, 4, [4, 3]),
        (5, 2, [2, 3]),
        (3, 1, [1, 1, 1]),
        (1, 4, [1]),
    ],
)
def test_a_split_batch_keeps_every_picture_and_leaves_none_alone(count, micro, sizes):
    batch = torch.arange(count)
    parts = list(split(batch, micro))
    assert [len(part) for part in parts] == sizes
    assert torch.equal(torch.cat(parts), batch)


def test_what_counts_as_out_of_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)  # really refused by torch's allocator
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"))
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert is_out_of_memory(RuntimeError("could not create a primitive"))
    assert not is_out_of_memory(
        RuntimeError("could not create a primitive descriptor for a matmul primitive")
    )
    assert not is_out_of_memory(ValueError("not enough memory"))


REAL = """
import resource, sys
from pathlib import Path

import torch
from grandmaster.progress import SilentProgress
from grandmaster.training.fit import fit_fold
from grandmaster.training.precision import Precision
from training.training_cases import make_data, make_spec

class Loud(SilentProgress):
    def message(self, text, level="info"):
        print(text)

folder = Path(sys.argv[1])
torch.set_num_threads(1)

def fit(name, micro_batch):
    spec = make_spec(
        epochs=1, micro_batch=micro_batch, accumulation=1, input_size=160, store_size=160, batch_norm="frozen",
        prediction_batch=8, operations=(), ema_decay=0.0,
    )
    data = make_data(folder, spec, count=80)
    return fit_fold(spec, data, folder / name, Precision("cpu", "fp32"), workers=0, progress=Loud(), task="t")

fit("warm", 4)  # threads, caches and libraries are there before memory is limited
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
# 64 pictures keep about 360 MB, 16 keep 90.
resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20, resource.RLIM_INFINITY))
print("passes", fit("tight", 64).passes.micro_batch)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
@pytest.mark.fault(23, "a real limit of address space")
def test_row_23_a_real_limit_of_memory(tmp_path):
    """The allocator of the CPU really refuses, in a process that may not grow."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", REAL, str(tmp_path)]
    paths = f"{root / '03_modeling'}:{root / 'tests'}"
    # So that addresses come back with what is freed: a limit of address space counts what the heap keeps for later.
    heap = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        command,
        env={"PYTHONPATH": paths, "PATH": "/usr/bin:/bin", **heap},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *said, last = done.stdout.splitlines()
    # How far it has to go down depends on what the libraries of the machine keep for themselves.
    passes = int(last.removeprefix("passes "))
    assert passes in (32, 16, 8, 4, 2)
    assert len(said) == math.log2(64 // passes)
    assert said[0].startswith(
        "test_resnet, fold 0: memory ran out in epoch 1 with 64 pictures a pass; it is repeated"
    )
