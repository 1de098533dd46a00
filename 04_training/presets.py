"""Named settings: the training recipes of the original documents, with their numbers.

A preset is what `--set` would say in several flags; `--set` wins over it. Where a document gives no number, the plan
decides as always.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What one `--preset` means.

    Attributes:
        name: as given on the command line.
        about: what it is for, and what is in it.
        settings: `section.field=value`, in order.
    """

    name: str
    about: str
    settings: tuple[str, ...]


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="short_fine_tuning",
            about="5 epochs at 1e-5, 2 x 8 pictures a step: a quick start from weights that fit the data already",
            settings=(
                "training.mode=fine_tuning",
                "training.learning_rate=1e-5",
                "training.epochs=5",
                "training.micro_batch=8",
                "training.effective_batch=16",
            ),
        ),
        Preset(
            name="from_scratch",
            about="20 epochs at 1e-4, 4 x 8 pictures a step, from random weights: needs many pictures",
            settings=(
                "training.mode=full_training",
                "training.learning_rate=1e-4",
                "training.epochs=20",
                "training.micro_batch=8",
                "training.effective_batch=32",
            ),
        ),
        Preset(
            name="swin_layer_rates",
            about="Swin-L, 100 epochs, early layers at 1e-5, middle ones at 5e-5, late ones and head at 1e-3; "
            "5 epochs of warm-up, cosine to 1e-6",
            settings=(
                "model.backbones=swin_large",
                "model.drop_rate=0.2",
                "training.mode=fine_tuning",
                "training.epochs=100",
                "training.learning_rate=1e-3",
                r"training.rate_groups=patch_embed|layers\.[01]\.=1e-5,layers\.2\.=5e-5,layers\.3\.|^norm|head=1e-3",
                "training.warmup_epochs=5",
                "training.final_rate=1e-6",
                "training.weight_decay=0.01",
                "training.patience=0",
            ),
        ),
        Preset(
            name="advanced_loss",
            about="384 px, 8 x 8 pictures a step, focal, smoothed and ArcFace loss at once, 8 views of a test picture",
            settings=(
                "model.image_size=384",
                "training.micro_batch=8",
                "training.effective_batch=64",
                "training.loss=advanced",
                "prediction.tta_views=8",
            ),
        ),
    )
}
