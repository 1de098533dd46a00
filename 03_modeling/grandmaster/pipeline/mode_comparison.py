"""A model trained from scratch against the same model fine-tuned: two ordinary runs, compared."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from grandmaster.competition.metrics import METRICS
from grandmaster.competition.verdict import Note
from grandmaster.config import Config, TrainingMode
from grandmaster.errors import UserError
from grandmaster.models.registry import Backbone, ModelEntry, find_entry
from grandmaster.models.registry.modes import require_mode
from grandmaster.pipeline.finished import FinishedRun
from grandmaster.pipeline.manifest import read_manifest
from grandmaster.pipeline.plan import ModelPlan, Plan
from grandmaster.pipeline.run_comparison import compare_runs
from grandmaster.pipeline.starts import find_start
from grandmaster.pipeline.training_modes import backbone_of
from grandmaster.report.mode_comparison import ModeFacts, ModesCompared, MovedInBoth, Spread
from grandmaster.report.moved import moved_layers
from grandmaster.settings import with_settings
from grandmaster.storage import read_json
from grandmaster.texts import counted

# In the order in which they are trained: what fine-tuning plans, training from scratch is given too.
MODES: tuple[TrainingMode, TrainingMode] = ("fine_tuning", "full_training")
# Stages that look at the data, and give both runs the same: done once, so that their time is neither's.
_OF_THE_DATA = ("inspect", "shift")
# Their manifests.
_SHARED = ("fingerprint.manifest.json", "shift.manifest.json")


def require_comparable(config: Config, added: Mapping[str, ModelEntry]) -> None:
    """Refuse a comparison that could not be carried out, before anything is trained.

    Args:
        config: of the run, with one backbone named.
        added: models that the person added.

    Raises:
        UserError: the model does not support one of the modes, or there are no weights to fine-tune.
    """
    (name,) = config.model.backbones or ("",)
    backbone, entry = backbone_of(name, added), find_entry(name, added)
    for mode in MODES:
        require_mode(entry, mode)
    try:
        find_start(backbone, with_settings(config, ["training.mode=fine_tuning"]))
    except UserError as error:
        if "no weights to fine-tune" not in error.what:
            raise
        raise UserError(error.what, where="--compare_modes", fix=_how_to_get(backbone)) from error


def _how_to_get(backbone: Backbone) -> str:
    """What a person without weights can do."""
    import timm

    known = timm.get_pretrained_cfg(backbone.timm_name, allow_unregistered=True)
    where = f"from huggingface.co/{known.hf_hub_id} " if known is not None and known.hf_hub_id else ""
    return (
        f"Where there is a network, fetch model.safetensors {where}and put it into a folder as "
        f"{backbone.timm_name}.safetensors; then give that folder with --weights_dir."
    )


def same_budget(plan: Plan) -> list[str]:
    """Settings by which training from scratch gets the size and the epochs that fine-tuning was planned with."""
    (model,) = plan.models
    return [f"model.image_size={model.input_size}", f"training.epochs={model.epochs}"]


def share_steps(first: Path, second: Path) -> None:
    """Give the second run what the first found in the data; it looks itself where the data have changed since."""
    for name in _SHARED:
        known = read_manifest(first / name)
        if known is None or (second / name).exists():
            continue
        second.mkdir(parents=True, exist_ok=True)
        for output in (*known.outputs, name):  # the manifest last: until then the step is not done
            if (first / output).is_file():
                shutil.copyfile(first / output, second / output)


def compare_modes(
    scratch: FinishedRun, tuned: FinishedRun, entry: ModelEntry, *, command: str
) -> ModesCompared:
    """What both runs reached and took, and whether fine-tuning is better.

    Args:
        entry: the model's, for what is documented of it.
        command: that makes the comparison again.

    Raises:
        UserError: the runs are not of the same pictures, folds and labels.
    """
    found = compare_runs([scratch], [tuned])
    model, plan = tuned.context.plan.models[0], tuned.context.plan
    metric = METRICS[tuned.context.competition.metric]
    return ModesCompared(
        competition=tuned.context.competition.name,
        backbone=model.backbone,
        timm_name=model.timm_name,
        input_size=model.input_size,
        million_parameters=model.million_parameters,
        metric_title=metric.title,
        higher_is_better=metric.higher_is_better,
        folds_trained=plan.folds_trained,
        folds_total=plan.folds_total,
        rows=found.rows,
        seed=tuned.context.config.training.seed,
        machine=_machine(tuned),
        full_training=_facts(scratch, "full_training", entry),
        fine_tuning=_facts(tuned, "fine_tuning", entry),
        gain=found.clean,
        gain_corrupted=found.corrupted,
        sentence=found.sentence,
        notes=(*found.notes, *_notes(scratch, tuned)),
        layers=_layers(scratch, tuned),
        command=command,
    )


def _fits(run: FinishedRun) -> list[Path]:
    """Folders of the finished fits of its model, by fold."""
    (model,) = run.context.plan.models
    found = run.folder.glob(f"fold_*/{model.backbone}/result.json")
    return sorted((path.parent for path in found), key=lambda fit: int(fit.parent.name.removeprefix("fold_")))


def _facts(run: FinishedRun, mode: TrainingMode, entry: ModelEntry) -> ModeFacts:
    (model,), results = run.context.plan.models, run.results
    fits: list[dict[str, Any]] = [read_json(fit / "result.json") for fit in _fits(run)]
    stated = entry.training_modes.requirements.get(mode)
    parts = [] if stated is None else [stated.images, stated.gpu, stated.time]
    clean, corrupted = results["cross_validation"], results["corrupted_validation"]
    return ModeFacts(
        mode=mode,
        weights=_start(model),
        licence=model.licence,
        clean=msgspec.convert(_spread(clean), Spread),
        corrupted=None if corrupted is None else msgspec.convert(_spread(corrupted), Spread),
        training_minutes=round(sum(fit["seconds"] for fit in fits) / 60, 2),
        run_minutes=round(
            sum(took for stage, took in results["seconds"].items() if stage not in _OF_THE_DATA) / 60, 2
        ),
        memory_gb=max((fit["memory_gb"] for fit in fits), default=None),
        images_per_second=median(fit["images_per_second"] for fit in fits) if fits else None,
        best_epochs=tuple(fit["best_epoch"] for fit in fits),
        epochs=tuple(fit["epochs"] for fit in fits),
        planned_epochs=model.epochs,
        learning_rate=run.context.found_rates.get(model.backbone, model.learning_rate),
        layer_decay=model.layer_decay,
        rate_groups=run.context.config.training.rate_groups or (),
        batch=model.micro_batch * model.accumulation,
        batch_norm=model.batch_norm,
        documented=", ".join(part for part in parts if part) if stated and any(parts[1:]) else "",
        documented_source=stated.source if stated else "",
    )


def _spread(told: dict[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in Spread.__struct_fields__}


def _start(model: ModelPlan) -> str:
    """The weights without their folder, which says nothing elsewhere."""
    kind, _, place = model.weights.source.partition(":")
    if kind == "file":
        return f"{Path(place).name} (sha256 {model.weights.sha256[:8]})"
    return "random weights" if kind == "none" else f"{place} of the hub"


def _machine(run: FinishedRun) -> str:
    """What it was measured on."""
    facts = read_json(run.folder / "environment.json")
    if run.context.plan.decisions.device.value == "cuda":
        gpu = facts.get("gpu") or {}
        return str(gpu.get("name") or "a GPU")
    threads = run.context.config.hardware.threads or facts.get("cores")
    return f"{facts.get('cpu') or 'a CPU'}, {counted(threads, 'thread')}"


def _notes(scratch: FinishedRun, tuned: FinishedRun) -> list[Note]:
    notes = []
    if scratch.context.augmentation != tuned.context.augmentation:
        notes.append(Note.of("beside.other_augmentation"))
    settings = tuned.context.config.training
    if settings.learning_rate is not None or settings.rate_groups:
        notes.append(Note.of("beside.set_rates"))
    if tuned.context.plan.decisions.device.value == "cpu":
        notes.append(Note.of("beside.memory"))
    return notes


def _layers(scratch: FinishedRun, tuned: FinishedRun) -> tuple[MovedInBoth, ...]:
    """In the order of the network; empty where a run has kept nothing of it."""
    first, second = moved_layers(_fits(scratch)), moved_layers(_fits(tuned))
    beside = {line.layer: line for line in first}
    return tuple(
        MovedInBoth(
            layer=line.layer,
            parameters=line.parameters,
            full_training=beside[line.layer].relative,
            fine_tuning=line.relative,
            rate_full_training=beside[line.layer].rate,
            rate_fine_tuning=line.rate,
        )
        for line in second
        if line.layer in beside
    )
