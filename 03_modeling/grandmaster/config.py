"""Everything that can be set: name, meaning, unit, range, default.

A `Config` is a frozen value. The four modes are named values of it (`04_training/config.py`), `--set
section.field=value` makes a new one, and the plan fills in what was left open (`None`: "decide for me").
The types and ranges written here are the only validation there is; `settings.convert` applies them once.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from grandmaster.machine_config import HardwareConfig, RunConfig
from grandmaster.teaching_config import DistillConfig, PseudoLabelConfig, SpecialistConfig

MetricName = Literal[
    "macro_f1",
    "micro_f1",
    "weighted_f1",
    "sample_f1",
    "accuracy",
    "balanced_accuracy",
    "quadratic_weighted_kappa",
    "log_loss",
    "roc_auc",
    "macro_roc_auc",
    "pf1",
    "map_at_k",
    "rmse",
    "mae",
]
AugmentationPolicy = Literal["auto", "none", "light", "test_like"]
LossName = Literal["auto", "cross_entropy", "focal", "bce", "arcface", "advanced", "squared_error"]
TrainingMode = Literal["fine_tuning", "full_training", "inference_only"]
ClassBalance = Literal["off", "weights", "sampling"]
BlendMethod = Literal["auto", "mean", "best_single", "rank_mean", "shrunk", "greedy", "stacking"]
BatchNormMode = Literal["train", "frozen", "re_estimated"]

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]

LayoutName = Literal[
    "L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9", "L10", "L11", "L12", "L13", "L14"
]  # fmt: skip
TargetKind = Literal["multiclass", "multilabel", "ordinal", "regression"]
SubmissionFormat = Literal[
    "hard_label",  # the label of one class, whole number or text
    "class_probabilities",  # wide: one column a class, rows sum to 1
    "independent_probabilities",  # wide: one column a label, each 0 to 1
    "one_probability",  # that of the positive class of a binary target
    "real_number",  # one or several estimated values
    "ordinal_label",  # a grade; cut points fitted on out-of-fold predictions
    "label_set",  # labels of one picture in one cell, space-delimited; thresholds fitted likewise
    "ranked_labels",  # the k best labels in one cell, best first, space-delimited
]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings."""


class ExtraImages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A further image of every picture, such as a mask, that becomes channels of the model's input.

    Attributes:
        name: for messages and tables.
        folder: that holds the files, relative to the competition's (`{split}_masks`: train_masks and test_masks);
            without `column` a file is called as its picture.
        column: of the training and the test table, with file names or paths; looked for in `folder` where that is given.
        ending: what the file's name has more than the picture's (`_mask`), before the dot; without `column` only.
        mode: rgb: three channels; grey: one.
        highest: value in the files that means full (1 for masks of 0 and 1).
    """

    name: Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9_]*$", max_length=40)]
    folder: str | None = None
    column: str | None = None
    ending: str = ""
    mode: Literal["rgb", "grey"] = "rgb"
    highest: Annotated[int, Meta(ge=1, le=255)] = 255

    @property
    def channels(self) -> int:
        """Channels that it adds."""
        return 3 if self.mode == "rgb" else 1

    def folder_of(self, split: str) -> str | None:
        """Where its files for "train" or "test" lie."""
        return None if self.folder is None else self.folder.replace("{split}", split)

    @property
    def key(self) -> str:
        """Column of a competition's tables that holds the files."""
        return f"extra_{self.name}"

    def __str__(self) -> str:
        places = [f"column {self.column}"] if self.column else []
        places += [f"folder {self.folder}"] if self.folder else []
        return f"{self.name} ({' in '.join(places)}, {self.mode})"


class DataConfig(Section, frozen=True, kw_only=True):
    """The competition's files: what is found out unless it is said here or in the folder's `competition.yaml`."""

    metric: Annotated[
        MetricName | None,
        Meta(description="the competition's metric; open: chosen from the submission's form"),
    ] = None
    layout: Annotated[
        LayoutName | None, Meta(description="how the files are laid out; open: the first that fits")
    ] = None
    train: Annotated[
        str | None,
        Meta(description="training table, CSV or COCO JSON in the folder; open: found by its name"),
    ] = None
    test: Annotated[
        str | None, Meta(description="table of test pictures in the folder; open: found by its name")
    ] = None
    sample: Annotated[
        str | None, Meta(description="sample submission in the folder; open: found by its name")
    ] = None
    images: Annotated[
        tuple[str, ...] | None,
        Meta(description="folders that hold the pictures, others are passed over; open: all"),
    ] = None
    extra_images: Annotated[
        tuple[ExtraImages, ...] | None,
        Meta(
            description="further images of each picture, such as masks, as channels; a JSON list of objects with name, "
            "folder and/or column, ending, mode (rgb or grey), highest"
        ),
    ] = None
    id_column: Annotated[
        str | None,
        Meta(
            description="column of picture ids; open: the sample submission's first, or the one naming pictures"
        ),
    ] = None
    target_columns: Annotated[
        tuple[str, ...] | None, Meta(description="columns of labels in the training table; open: found")
    ] = None
    kind: Annotated[
        TargetKind | None, Meta(description="what is to be predicted; open: found from labels and sample")
    ] = None
    submission_format: Annotated[
        SubmissionFormat | None, Meta(description="what is handed in; open: found from the sample submission")
    ] = None
    group_column: Annotated[
        str | None,
        Meta(
            description="column whose equal values stay in one fold (the id column: no groups); open: found"
        ),
    ] = None
    classes: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="labels in their order: grades from low to high, or as the sample's columns; open: found"
        ),
    ] = None
    positive_class: Annotated[
        str | None, Meta(description="label whose probability is handed in, of two; open: found")
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | None,
        Meta(description="ranked labels to hand in for a row; open: as many as the sample has"),
    ] = None
    separator: Annotated[
        str | None, Meta(description="what stands between the labels of one cell; open: a blank")
    ] = None
    label_fixes: Annotated[
        str | None,
        Meta(description="CSV of corrected labels (id, label or drop); open: label_fixes.csv in its folder"),
    ] = None


class InspectConfig(Section, frozen=True, kw_only=True):
    """Looking at the pictures before anything is trained."""

    analysis_size: Annotated[
        int, Meta(ge=64, le=1024, description="longer side, px, at which sharpness and noise are measured")
    ] = 256
    duplicate_distance: Annotated[
        int,
        Meta(ge=0, le=16, description="largest distance, bits of 64, of two hashes called near-duplicates"),
    ] = 6
    shift_pictures: Annotated[
        int,
        Meta(ge=40, le=20_000, description="pictures of train and of test that are compared with each other"),
    ] = 800
    shift_effort: Annotated[
        float,
        Meta(
            ge=0.1,
            le=10.0,
            description="simulated pictures behind the augmentation's fit, 1: 3,500 and their checks; less is faster",
        ),
    ] = 1.0


class FoldsConfig(Section, frozen=True, kw_only=True):
    """Cross-validation."""

    count: Annotated[
        int, Meta(ge=2, le=50, description="folds that the training pictures are split into")
    ] = 5
    train: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | None, Meta(description="how many of them are trained; open: all")
    ] = None
    seed: Annotated[int, Meta(ge=0, description="seed of the split")] = 42


class ModelConfig(Section, frozen=True, kw_only=True):
    """Backbones and their weights."""

    backbones: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="timm model names or our short names, comma-separated; open: planned from the hardware"
        ),
    ] = None
    image_size: Annotated[
        Annotated[int, Meta(ge=32, le=2048)] | None,
        Meta(description="input side, px; open: planned per backbone"),
    ] = None
    pretrained: Annotated[bool, Meta(description="start from pretrained weights where they can be had")] = (
        True
    )
    weights_dir: Annotated[
        str | None,
        Meta(
            description="folder with weights (.safetensors; .pth, .pt, .bin without code), used before the hub"
        ),
    ] = None
    registry_file: Annotated[
        str | None,
        Meta(description="YAML file of models that you add; open: models.yaml in the competition's folder"),
    ] = None
    drop_rate: Annotated[Fraction, Meta(description="dropout before the classifier")] = 0.1
    drop_path: Annotated[Fraction, Meta(description="stochastic depth of the backbones that know it")] = 0.1


class AugmentationConfig(Section, frozen=True, kw_only=True):
    """What is done to training pictures."""

    policy: Annotated[
        AugmentationPolicy,
        Meta(description="auto: test_like where train and test differ, else light"),
    ] = "auto"
    trial: Annotated[
        bool | None,
        Meta(
            description="keep a fitted policy only if it beats the plain one in two short fits; "
            "open: where 4 fits or more follow"
        ),
    ] = None
    class_groups: Annotated[
        bool | None,
        Meta(
            description="policies of their own for photos, pages and small classes; open: where a trial shows a gain"
        ),
    ] = None
    mix_probability: Annotated[
        Fraction | None,
        Meta(description="share of batches with MixUp or CutMix; open: planned with the policy"),
    ] = None


class TrainingConfig(Section, frozen=True, kw_only=True):
    """Fitting one model on one fold."""

    mode: Annotated[
        TrainingMode | None,
        Meta(
            description="from loaded weights, or from random ones (full_training), each with its own rates, epochs and "
            "batch; or no training, loaded weights predict (inference_only); open: by whether weights are at hand"
        ),
    ] = None
    epochs: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | None,
        Meta(description="epochs; open: planned from time and data"),
    ] = None
    effective_batch: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None,
        Meta(description="pictures per optimiser step (micro-batch x accumulation); open: planned"),
    ] = None
    micro_batch: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="pictures per forward pass; open: what fits the memory"),
    ] = None
    learning_rate: Annotated[
        Annotated[float, Meta(gt=0.0, le=1.0)] | None,
        Meta(description="peak rate of AdamW; open: by backbone and start"),
    ] = None
    find_rate: Annotated[
        bool,
        Meta(
            description="find the peak rate by a range test on fold 0's training pictures, for each backbone"
        ),
    ] = False
    rate_groups: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="peak rates of parameters by their names: REGEX=RATE,... (no comma in a REGEX), the first that is "
            "found in a name counts, others have learning_rate; instead of layer_decay"
        ),
    ] = None
    weight_decay: Annotated[
        float, Meta(ge=0.0, le=1.0, description="decoupled decay; not on biases and norms")
    ] = 0.05
    layer_decay: Annotated[
        Annotated[float, Meta(gt=0.0, le=1.0)] | None,
        Meta(description="rate factor per layer towards the input; open: by backbone"),
    ] = None
    warmup_fraction: Annotated[Fraction, Meta(description="share of all steps with a rising rate")] = 0.1
    warmup_epochs: Annotated[
        Annotated[float, Meta(ge=0.0, le=1000)] | None,
        Meta(description="epochs with a rising rate, instead of warmup_fraction; open: by that"),
    ] = None
    final_rate_fraction: Annotated[
        Fraction, Meta(description="rate at the end of the cosine, share of the peak")
    ] = 0.01
    final_rate: Annotated[
        Annotated[float, Meta(ge=0.0, le=1.0)] | None,
        Meta(
            description="rate at the end of the cosine, where learning_rate is the peak, instead of "
            "final_rate_fraction; open: by that"
        ),
    ] = None
    loss: Annotated[
        LossName,
        Meta(
            description="auto: cross_entropy of classes, bce of labels, squared_error of numbers; "
            "advanced: focal, smoothed and ArcFace at once"
        ),
    ] = "auto"
    label_smoothing: Annotated[float, Meta(ge=0.0, lt=1.0, description="of multiclass targets only")] = 0.05
    focal_gamma: Annotated[
        float, Meta(ge=0.0, le=10.0, description="focal: how much less counts what is right already")
    ] = 2.0
    arcface_margin: Annotated[
        float, Meta(ge=0.0, le=1.5, description="ArcFace: angle between classes, radians")
    ] = 0.3
    arcface_scale: Annotated[float, Meta(ge=1.0, le=128.0, description="ArcFace: cosine to logit")] = 30.0
    arcface_first_scale: Annotated[
        float, Meta(ge=1.0, le=128.0, description="ArcFace: scale from which it rises to that")
    ] = 10.0
    arcface_ramp: Annotated[
        Fraction, Meta(description="ArcFace: share of all steps over which margin and scale rise")
    ] = 0.3
    class_balance: Annotated[
        ClassBalance | None,
        Meta(
            description="against rare classes: weights in the loss, or sampling, by which every class is seen equally "
            "often; multiclass targets only; open: sampling where classes are uneven and count the same in the metric"
        ),
    ] = None
    clip_norm: Annotated[float, Meta(ge=0.0, description="largest gradient norm; 0: no clipping")] = 1.0
    ema_decay: Annotated[
        Annotated[float, Meta(ge=0.0, lt=1.0)] | None,
        Meta(description="of the averaged weights, per step; 0: off; open: by steps"),
    ] = None
    batch_norm: Annotated[
        BatchNormMode | None,
        Meta(
            description="BatchNorm statistics: those of training, frozen as loaded, or re_estimated from training "
            "pictures after every epoch; open: frozen where weights are loaded"
        ),
    ] = None
    patience: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="epochs without a better score before stopping, once 60 % are done; 0: never stop early",
        ),
    ] = 5
    grad_checkpointing: Annotated[
        bool | None, Meta(description="recompute activations to save memory; open: where it would not fit")
    ] = None
    seed: Annotated[int, Meta(ge=0, description="of initial weights, order and augmentation")] = 42


class PredictionConfig(Section, frozen=True, kw_only=True):
    """Out-of-fold and test predictions."""

    tta_views: Annotated[
        Literal[1, 2, 4, 8],
        Meta(description="views that each test picture is seen in (1: the picture alone)"),
    ] = 8
    choose_views: Annotated[
        bool,
        Meta(description="average the views that help on out-of-fold predictions; false: all, equally"),
    ] = True
    batch_size: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None, Meta(description="pictures per pass; open: planned")
    ] = None


class EnsembleConfig(Section, frozen=True, kw_only=True):
    """Blending of models and folds."""

    method: Annotated[
        BlendMethod,
        Meta(description="how models are blended; auto: what does best on other folds, of equals the mean"),
    ] = "auto"
    bootstrap_rounds: Annotated[
        int, Meta(ge=100, le=100_000, description="resamples behind each interval")
    ] = 1000
    interval_level: Annotated[float, Meta(gt=0.5, lt=1.0, description="coverage of the intervals")] = 0.95


class Config(Section, frozen=True, kw_only=True):
    """All settings of a run."""

    data: DataConfig = DataConfig()
    inspect: InspectConfig = InspectConfig()
    folds: FoldsConfig = FoldsConfig()
    model: ModelConfig = ModelConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    training: TrainingConfig = TrainingConfig()
    pseudo_label: PseudoLabelConfig = PseudoLabelConfig()
    distill: DistillConfig = DistillConfig()
    specialist: SpecialistConfig = SpecialistConfig()
    prediction: PredictionConfig = PredictionConfig()
    ensemble: EnsembleConfig = EnsembleConfig()
    hardware: HardwareConfig = HardwareConfig()
    run: RunConfig = RunConfig()
