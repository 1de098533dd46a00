"""The entries of other libraries' models. They are looked at, never imported: their tasks have trainers of their own.

What a library that is not here would have to tell (parameters, the licence of weights) is left open rather than typed from memory.
"""

from __future__ import annotations

from grandmaster.config import TrainingMode
from grandmaster.models.registry.entry import (
    Documented,
    Library,
    ModelEntry,
    Requirement,
    Task,
    TrainingModes,
)
from grandmaster.models.registry.timm_models import DOCUMENT

_SOURCE = DOCUMENT.removeprefix("documented: ")
_YOLO = f"{_SOURCE}; licence of the code as the package states it"
_NOT_TO_PREDICT: dict[TrainingMode, str] = {
    "inference_only": "it is meant to be tuned to the task's own classes"
}


def _requirement(low: int, high: int | None, gpu: str, time: str) -> Requirement:
    return Requirement(min_images=low, max_images=high, gpu=gpu, time=time, source=DOCUMENT)


def _both(tune: Requirement, full: Requirement) -> TrainingModes:
    return TrainingModes(
        supported=("fine_tuning", "full_training"),
        recommended="fine_tuning",
        requirements={"fine_tuning": tune, "full_training": full},
        refused=_NOT_TO_PREDICT,
    )


def _tuned_only(tune: Requirement, why: str) -> TrainingModes:
    return TrainingModes(
        supported=("fine_tuning",),
        recommended="fine_tuning",
        requirements={"fine_tuning": tune},
        refused={"full_training": f"not offered here, though possible: {why}", **_NOT_TO_PREDICT},
    )


def _yolo_modes(task: Task) -> TrainingModes:
    if task == "segmentation":
        return _both(
            _requirement(300, 5_000, "1x V100", "2-12 hours"),
            _requirement(30_000, None, "2x A100", "3-7 days"),
        )
    if task == "pose":
        return _both(
            _requirement(500, 5_000, "1x RTX 3090", "1-6 hours"),
            _requirement(20_000, None, "1x A100", "2-5 days"),
        )
    return _both(
        _requirement(500, 10_000, "1x RTX 3090 or V100", "1-8 hours"),
        _requirement(50_000, None, "1x A100 or 2x V100", "2-5 days"),
    )


def _yolo(name: str, task: Task, title: str, *, small: bool) -> ModelEntry:
    learnt = {
        "segmentation": "COCO (masks)",
        "pose": "COCO-Pose (key points of persons)",
    }.get(task, "COCO (118K images, 80 classes)")
    return ModelEntry(
        id=name,
        title=title,
        task=task,
        library="ultralytics",
        factory=f"{name}.yaml",
        extra="ultralytics",
        weights_source=f"{name}.pt of ultralytics' releases",
        small=small,
        training_modes=_yolo_modes(task),
        documented=Documented(
            input_size=640,
            pretrained_on=learnt,
            licence_code="AGPL-3.0",
            source=_YOLO,
        ),
        purpose="fast, and good with few pictures" if small else "more accurate than the smallest",
        notes="AGPL-3.0: what is built on it has to be published under the same licence",
    )


def _world(name: str, title: str) -> ModelEntry:
    return ModelEntry(
        id=name,
        title=title,
        task="detection",
        library="ultralytics",
        factory=f"{name}.yaml",
        extra="ultralytics",
        weights_source=f"{name}.pt of ultralytics' releases",
        training_modes=TrainingModes(
            supported=("inference_only", "fine_tuning"),
            recommended="inference_only",
            requirements={
                "inference_only": Requirement(source=f"{DOCUMENT}: finds what words name, without training"),
                "fine_tuning": _requirement(1_000, 10_000, "1x V100", "3-12 hours"),
            },
            refused={"full_training": "it rests on learning from pictures and words together"},
        ),
        documented=Documented(
            input_size=640,
            pretrained_on="pictures and words (CC3M, Objects365 and others)",
            licence_code="AGPL-3.0",
            source=_YOLO,
        ),
        purpose="finds objects that are named in words, without training",
        notes="naming classes needs a text model, which is downloaded on first use",
    )


def _transformers(
    name: str,
    title: str,
    task: Task,
    factory: str,
    modes: TrainingModes,
    documented: Documented,
    purpose: str,
    *,
    library: Library = "transformers",
    notes: str = "",
) -> ModelEntry:
    return ModelEntry(
        id=name,
        title=title,
        task=task,
        library=library,
        factory=factory,
        extra=library,
        weights_source="Hugging Face hub" if library == "transformers" else "a file in --weights_dir",
        training_modes=modes,
        documented=documented,
        purpose=purpose,
        notes=notes,
    )


def _upscaler(factor: int) -> ModelEntry:
    return _transformers(
        f"swin2sr_x{factor}",
        f"Swin2SR x{factor}",
        "super_resolution",
        f"caidas/swin2sr-classicalsr-x{factor}-64",
        _tuned_only(
            _requirement(500, 5_000, "1x RTX 3090 or V100", "24-72 hours"),
            "it needs very many pairs of large and small pictures",
        ),
        Documented(
            pretrained_on="DIV2K, Flickr2K (pairs)",
            licence_code="Apache-2.0",
            source=_SOURCE,
        ),
        f"makes pictures {factor} times as large",
        notes="numbers of pictures are pairs of a large and a small one",
    )


OTHER_ENTRIES: tuple[ModelEntry, ...] = (
    _yolo("yolo11n", "detection", "YOLO11n", small=True),
    _yolo("yolo11m", "detection", "YOLO11m", small=False),
    _yolo("yolov8n", "detection", "YOLOv8n", small=True),
    _yolo("yolov8s", "detection", "YOLOv8s", small=False),
    _world("yolov8s-worldv2", "YOLO-World-v2-s"),
    _world("yolov8m-worldv2", "YOLO-World-v2-m"),
    _yolo("yolo11n-seg", "segmentation", "YOLO11n-seg", small=True),
    _yolo("yolo11m-seg", "segmentation", "YOLO11m-seg", small=False),
    _yolo("yolov8n-seg", "segmentation", "YOLOv8n-seg", small=True),
    _yolo("yolov8s-seg", "segmentation", "YOLOv8s-seg", small=False),
    _yolo("yolo11n-pose", "pose", "YOLO11n-pose", small=True),
    _yolo("yolov8n-pose", "pose", "YOLOv8n-pose", small=True),
    _transformers(
        "dfine_x",
        "D-FINE-X",
        "detection",
        "ustc-community/dfine-x-coco",
        _tuned_only(
            _requirement(1_000, 20_000, "1x A100 or 2x V100", "6-24 hours"),
            "its weights come of several stages of training",
        ),
        Documented(
            input_size=640,
            pretrained_on="COCO",
            licence_code="Apache-2.0",
            source=_SOURCE,
        ),
        "accurate detection under a permissive licence",
    ),
    _transformers(
        "eomt_large",
        "EoMT-L",
        "segmentation",
        "tue-mps/eomt-vit-large",
        _tuned_only(
            _requirement(1_000, 10_000, "1x A100", "12-48 hours"),
            "of this size it would take more pictures than anyone labels",
        ),
        Documented(
            pretrained_on="a large segmentation data set",
            licence_code="Apache-2.0",
            source=_SOURCE,
        ),
        "accurate segmentation with a plain transformer",
    ),
    _upscaler(2),
    _upscaler(4),
    _transformers(
        "rrdbnet_x4",
        "RRDBNet x4",
        "super_resolution",
        "spandrel.architectures.ESRGAN.ESRGAN",
        _tuned_only(
            Requirement(
                min_images=500, source="recommended of super-resolution, Model Training Modes Analysis"
            ),
            "it needs very many pairs of large and small pictures",
        ),
        Documented(
            million_parameters=16.7,
            licence_code="MIT",
            source="counted with spandrel 0.4.2",
        ),
        "makes pictures 4 times as large",
        library="spandrel",
        notes="reads files such as RealESRGAN_x4plus.pth",
    ),
)
