"""The pictures of a fold, and what is taught of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grandmaster.images.augment import build_augmentation
from grandmaster.images.dataset import JoinedDataset, PictureDataset
from grandmaster.images.operation import Operation
from grandmaster.images.policy import light_policy
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.parts import parts_of
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.storage import digest
from grandmaster.training.judging import FoldData
from grandmaster.training.spec import FitSpec

# Pictures are kept a little larger than the input, so that crops and rotations do not enlarge.
STORE_MARGIN = 1.15
# The corrupted validation pictures must not be corrupted by the draws that training saw.
CORRUPTION_SEED = 7_919
# Nor test pictures that are trained on by those of the training pictures.
TEST_SEED = 15_485_863


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """What a fold's model learns beside or instead of the labels of its training pictures.

    All rows are c numbers: `outputs` of them as a model's values are (shares of classes, labels, values in their own
    unit), or, where a teacher is learnt from, twice as many: the labels, then what the teacher says.

    Attributes:
        train: of every row of `trainable`, float32 (n, c); None: their labels. Those of the fold are never looked at.
        test_rows: rows of the test table that are trained on too, int64 (m,).
        test: what is taught of them, float32 (m, c).
        test_weight: how much each of them counts beside a training picture.
        test_operations: their augmentation.
        temperature, true_share: of the loss, where there is a teacher.
    """

    train: npt.NDArray[np.float32] | None = None
    test_rows: npt.NDArray[np.int64]
    test: npt.NDArray[np.float32]
    test_weight: float = 1.0
    test_operations: tuple[Operation, ...] = ()
    temperature: float = 1.0
    true_share: float = 1.0

    def hash(self, context: RunContext) -> str:
        """Of all of it, and of the test pictures."""
        test = context.competition.test.iloc[self.test_rows]
        columns = ["path", *(extra.key for extra in context.competition.extra_images)]
        sizes = [Path(path).stat().st_size for column in columns for path in test[column]]
        return digest(
            [
                None if self.train is None else _bytes_hash(self.train),
                test["id"].tolist(),
                sizes,
                _bytes_hash(self.test),
                self.test_weight,
                self.test_operations,
            ]
        )


def _bytes_hash(values: npt.NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, np.float32).tobytes()).hexdigest()


def labels_as_rows(context: RunContext) -> npt.NDArray[np.float32]:
    """The labels of all trainable pictures as `Teaching` wants them, (n, outputs): of one class a row of zeros and a one."""
    targets, outputs = context.targets(), len(context.competition.outputs)
    one_class = context.competition.kind == "multiclass"
    return (np.eye(outputs)[targets] if one_class else targets).astype(np.float32)


def operations_of_test(context: RunContext) -> tuple[Operation, ...]:
    """Augmentation of test pictures that are trained on: a policy that makes pictures like them is not for them."""
    fitted = context.plan.decisions.augmentation.value == "test_like"
    return light_policy() if fitted else context.augmentation.operations


def store_size(model: ModelPlan) -> int:
    """Side at which pictures are kept for this model, px."""
    return round(model.input_size * STORE_MARGIN)


def fold_data(context: RunContext, spec: FitSpec, teaching: Teaching | None = None) -> FoldData:
    """Pictures of the fit's fold, under its operations and corruption.

    Args:
        teaching: that the spec was made with; None: the labels.
    """
    store, targets = context.store("train", spec.store_size), context.targets()
    in_fold = context.trainable["fold"].to_numpy() == spec.fold
    train_rows, held_rows = np.flatnonzero(~in_fold), np.flatnonzero(in_fold)
    augmentation = build_augmentation(spec.operations, spec.input_size)
    classes = context.competition.classes
    by_class = {
        classes.index(label): own
        for policy in spec.class_policies
        for own in [build_augmentation(policy.operations, spec.input_size)]
        for label in policy.classes
    }
    corrupted = None
    if spec.corruption:
        corrupted = PictureDataset(
            store,
            targets,
            build_augmentation(spec.corruption, spec.input_size),
            spec.input_size,
            spec.seed + CORRUPTION_SEED,
            rows=held_rows,
        )
    trained = PictureDataset(
        store,
        targets,
        augmentation,
        spec.input_size,
        spec.seed,
        rows=train_rows,
        by_class=by_class,
        taught=None if teaching is None else teaching.train,
    )
    return FoldData(
        train=trained
        if teaching is None or not len(teaching.test_rows)
        else JoinedDataset([trained, _test_part(context, spec, teaching)]),
        validation=PictureDataset(store, targets, None, spec.input_size, spec.seed, rows=held_rows),
        corrupted=corrupted,
        row_of=context.trainable["row"].to_numpy(object),
        parts=parts_of(context.trainable["group"].to_numpy(object), targets, in_fold, seed=spec.seed),
    )


def _test_part(context: RunContext, spec: FitSpec, teaching: Teaching) -> PictureDataset:
    """Test pictures with what is taught of them.

    Raises:
        ValueError: training on test pictures is not allowed; whoever made the teaching should have asked.
    """
    if not context.config.run.allow_test_training:
        raise ValueError("test pictures are trained on without run.allow_test_training")
    store = context.store("test", spec.store_size)
    taught = np.zeros((len(store), teaching.test.shape[1]), np.float32)
    taught[teaching.test_rows] = teaching.test
    own = taught[:, : spec.head.outputs]
    # For what goes by class (balanced sampling): the likeliest; for other targets nothing does.
    labels = own.argmax(axis=1) if spec.head.kind == "multiclass" else own
    return PictureDataset(
        store,
        labels,
        build_augmentation(teaching.test_operations, spec.input_size),
        spec.input_size,
        spec.seed + TEST_SEED,
        rows=teaching.test_rows,
        taught=taught,
        weights=None if teaching.test_weight == 1 else np.full(len(store), teaching.test_weight),
    )
