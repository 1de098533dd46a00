"""The entries of timm's models: classifiers, which this system trains."""

from __future__ import annotations

from grandmaster.config import TrainingMode
from grandmaster.models.registry.backbones import LARGE_SEVEN, MEDIUM, SMALL, Backbone
from grandmaster.models.registry.entry import ModelEntry, Requirement, TrainingModes

# Where the figures of gpu and time come from: nobody measured them here.
DOCUMENT = "documented: Model Training Modes Analysis"
AS_RELATED = "documented of a related model: Model Training Modes Analysis"
HUB = "Hugging Face hub (timm), or a file in --weights_dir"

# The document does not offer it for classifiers, since ImageNet's classes are nobody's here; those of an earlier fit are.
_PREDICT = Requirement(
    source="this system: any weights whose classifier has the competition's classes, such as those of an earlier fit"
)
_ALL: tuple[TrainingMode, ...] = ("fine_tuning", "full_training", "inference_only")


def _modes(tune: Requirement, full: Requirement, *, data_hungry: bool = False) -> TrainingModes:
    return TrainingModes(
        supported=_ALL,
        discouraged=("full_training",) if data_hungry else (),
        recommended="fine_tuning",
        requirements={"fine_tuning": tune, "full_training": full, "inference_only": _PREDICT},
    )


def _resnet(source: str) -> TrainingModes:
    return _modes(
        Requirement(
            min_images=1_000, max_images=100_000, gpu="1x V100 or RTX 3090", time="2-24 hours", source=source
        ),
        Requirement(min_images=100_000, gpu="1x A100 or 4x V100", time="3-7 days", source=source),
    )


def _efficientnet(source: str) -> TrainingModes:
    return _modes(
        Requirement(min_images=500, max_images=50_000, gpu="1x V100", time="2-12 hours", source=source),
        Requirement(min_images=100_000, gpu="1x A100", time="5-10 days", source=source),
    )


def _transformer(source: str) -> TrainingModes:
    return _modes(
        Requirement(min_images=500, max_images=50_000, gpu="1x V100", time="2-24 hours", source=source),
        Requirement(min_images=1_000_000, gpu="8x A100", time="2-4 weeks", source=source),
        data_hungry=True,
    )


def _entry(
    backbone: Backbone, title: str, modes: TrainingModes, purpose: str, *, notes: str = ""
) -> ModelEntry:
    return ModelEntry(
        id=backbone.name,
        title=title,
        task="classification",
        library="timm",
        factory=backbone.timm_name,
        weights_source=HUB,
        small=backbone.name in SMALL,
        training_modes=modes,
        backbone=backbone,
        purpose=purpose,
        notes=notes or backbone.note,
    )


_WIN = "one of the seven large models of a full run; wants a GPU of 16 GB"
_HUNGRY = (
    "has few assumptions about pictures built in, so that it needs very many of them from random weights"
)

# fmt: off
TIMM_ENTRIES: tuple[ModelEntry, ...] = (
    _entry(SMALL["resnet18"], "ResNet-18", _resnet(DOCUMENT), "a first score on few pictures",
           notes="full training only where there are very many pictures"),
    _entry(SMALL["efficientnet_b0"], "EfficientNet-B0", _efficientnet(DOCUMENT), "few pictures, small and accurate",
           notes="fine-tunes especially well"),
    _entry(SMALL["mobilenetv2_100"], "MobileNetV2", _efficientnet(AS_RELATED), "machines without a GPU: the plan's first choice"),
    _entry(SMALL["mobilenetv3_large_100"], "MobileNetV3-Large", _efficientnet(AS_RELATED), "machines without a GPU"),
    _entry(SMALL["resnet10t"], "ResNet-10-T", _resnet(AS_RELATED), "no GPU and no weights: learns fastest from random ones"),
    _entry(MEDIUM["resnet50"], "ResNet-50", _resnet(DOCUMENT), "the yardstick that others are compared with",
           notes="full training only where there are very many pictures"),
    _entry(MEDIUM["efficientnetv2_s"], "EfficientNetV2-S", _efficientnet(DOCUMENT), "accurate for its size; a GPU of 8 GB will do",
           notes="fine-tunes especially well"),
    _entry(MEDIUM["vit_base"], "ViT-B/16", _transformer(DOCUMENT), "a transformer of middle size", notes=_HUNGRY),
    _entry(MEDIUM["swin_base"], "Swin-B", _transformer(AS_RELATED), "fine structure at several scales", notes=_HUNGRY),
    _entry(LARGE_SEVEN["convnext_large"], "ConvNeXt-L", _transformer(AS_RELATED), _WIN),
    _entry(LARGE_SEVEN["swin_large"], "Swin-L", _transformer(AS_RELATED), _WIN, notes=_HUNGRY),
    _entry(LARGE_SEVEN["beit_large"], "BEiT-L", _transformer(AS_RELATED), _WIN, notes=_HUNGRY),
    _entry(LARGE_SEVEN["efficientnetv2_xl"], "EfficientNetV2-XL", _transformer(AS_RELATED), _WIN),
    _entry(LARGE_SEVEN["maxvit_large"], "MaxViT-L", _transformer(AS_RELATED), _WIN, notes=_HUNGRY),
    _entry(LARGE_SEVEN["resnext101_32x32d"], "ResNeXt-101 32x32d", _transformer(AS_RELATED), _WIN,
           notes="its weights may not be used commercially, which competitions may ask of winners"),
    _entry(LARGE_SEVEN["vit_large"], "ViT-L/16", _transformer(AS_RELATED), _WIN, notes=_HUNGRY),
)
# fmt: on


def entry_of(backbone: Backbone) -> ModelEntry:
    """What holds for any other classifier of timm's: all modes, and nothing stated about what they need."""
    architecture = backbone.timm_name.split(".")[0]
    stated = "nothing is stated of it; see the recommendation by number of pictures"
    return ModelEntry(
        id=backbone.name,
        title=architecture,
        task="classification",
        library="timm",
        factory=backbone.timm_name,
        weights_source=HUB,
        training_modes=_modes(Requirement(source=stated), Requirement(source=stated)),
        backbone=backbone,
        purpose="a classifier of timm's that is not in the registry",
    )
