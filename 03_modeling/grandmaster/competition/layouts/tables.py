"""What most layouts share: a training table, a sample submission, and pictures that are found by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from grandmaster.competition.csv_files import first_few, require_filled, require_unique
from grandmaster.competition.description import ambiguous
from grandmaster.competition.files import Split
from grandmaster.competition.folder import CompetitionFolder, NotThisLayout
from grandmaster.competition.label_columns import read_targets
from grandmaster.competition.layouts.groups import find_groups
from grandmaster.competition.layouts.reading import Reading
from grandmaster.competition.sample_form import SampleForm
from grandmaster.competition.targets import TargetReading, TrainingTable
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import counted

# Cells of a column that are looked up among the pictures to see whether it names them.
PROBED_CELLS = 50


@dataclass(frozen=True, kw_only=True)
class PicturesToPredict:
    """The pictures to predict.

    Attributes:
        ids: of the pictures, in the order of the sample submission.
        rows: the row of the submission that each belongs to.
        paths: absolute.
        understood: lines that say where they came from.
    """

    ids: list[str]
    rows: list[str]
    paths: list[str]
    understood: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What all layouts look at, so that none of them does the work of another again.

    Attributes:
        folder: the files.
    """

    folder: CompetitionFolder

    @cached_property
    def csv(self) -> Tables:
        """The CSV files together.

        Raises:
            NotThisLayout, UserError: as `Tables.of_csv`.
        """
        return Tables.of_csv(self.folder)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """A training table and a sample submission, and what they say together; looked into once.

    Attributes:
        folder: where they lie.
        training: a row for each training picture.
        sample: the sample submission.
    """

    folder: CompetitionFolder
    training: TrainingTable
    sample: SampleForm

    @classmethod
    def of_csv(cls, folder: CompetitionFolder) -> Tables:
        """The CSV files of a folder.

        Raises:
            NotThisLayout: one of them is missing, there are no pictures, or no column holds the ids.
            UserError: ids are empty, or several columns may hold them.
        """
        folder.path("train"), folder.path("sample")
        if not folder.pictures.pictures:
            raise NotThisLayout("there are no pictures")
        sample = sample_form(folder)
        table, path = folder.table("train"), folder.path("train")
        column = _id_column(folder, table, sample.id_column)
        require_filled(table, column, path)
        return cls(
            folder=folder, training=TrainingTable(table=table, id_column=column, path=path), sample=sample
        )

    @cached_property
    def targets(self) -> TargetReading:
        """What is to be predicted.

        Raises:
            NotThisLayout, UserError: as `read_targets`.
        """
        return read_targets(self.training, self.sample, self.folder.config, self.folder.root)

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the training pictures."""
        found: list[str] = self.training.table[self.training.id_column].tolist()
        return found

    @cached_property
    def paths(self) -> list[str]:
        """Their files, absolute.

        Raises:
            UserError: ids repeat, have no picture or several.
        """
        self._require_one_row_each()
        if self.training.pictures is not None:
            return list(self.training.pictures)
        return self.folder.pictures.match(self.ids, split="train", where=self.training.path)

    @property
    def further_columns(self) -> list[str]:
        """Columns that hold neither ids nor targets."""
        taken = (self.training.id_column, *self.targets.columns)
        return [column for column in self.training.table.columns if column not in taken]

    def read(self, test: PicturesToPredict | None = None, rows: list[str] | None = None) -> Reading:
        """The reading of the whole folder.

        Args:
            test: the test pictures, where they are not simply the sample's ids.
            rows: what row of a submission each training picture would belong to; None: each is its own.

        Raises:
            NotThisLayout, UserError: as `targets`, `paths` and `pictures_to_predict`.
        """
        targets, table, config = self.targets, self.training.table, self.folder.config
        paths = self.paths
        test = test or pictures_to_predict(self.folder, self.sample)
        groups = find_groups(
            table,
            self.ids,
            config,
            (self.training.id_column, *targets.columns),
            path=self.training.path,
        )
        group_values, group_lines = groups.values, groups.understood
        if rows is not None and groups.column is None and config.group_column is None:
            # Pictures of one row must not be split between training and validation.
            group_values, group_lines = rows, (f"groups: the {len(set(rows))} rows that pictures belong to",)
        train = pd.DataFrame(
            {"id": self.ids, "path": paths, "group": group_values, "row": self.ids if rows is None else rows}
        )
        meta = self.further_columns
        # One concat: adding hundreds of columns one by one is slow.
        train = pd.concat([train, table[meta].add_prefix("meta_").reset_index(drop=True)], axis=1)
        understood = [
            f"{counted(len(train), 'training picture')} from {self._ids_from} {_id_form(self.ids, paths)}",
            *test.understood,
            *targets.understood,
            *group_lines,
        ]
        if meta:
            understood.append(
                f"further columns of {self.training.path.name} are kept: {', '.join(map(repr, meta))}"
            )
        shared = sorted(set(paths).intersection(test.paths))
        if shared:
            understood.append(
                f"warning: {counted(len(shared), 'picture', 'is', 'are')} in train and in test: {first_few(shared)}"
            )
        return Reading(
            train=train,
            targets=targets,
            test=pd.DataFrame({"id": test.ids, "path": test.paths, "row": test.rows}),
            sample=self.sample,
            group_column=groups.column,
            understood=tuple(understood),
        )

    @property
    def _ids_from(self) -> str:
        """Where the ids of the training pictures come from, for the person."""
        if self.training.path.is_dir():
            return f"{self.training.path.name}/"
        return f"{self.training.path.name}, ids in column {self.training.id_column!r}"

    def _require_one_row_each(self) -> None:
        """Refuse training ids that appear twice, saying so when their labels differ."""
        first: dict[str, tuple[int, str]] = {}
        for line, picture_id, label in zip(
            self.training.table.index, self.ids, self.targets.texts, strict=True
        ):
            earlier_line, earlier_label = first.setdefault(picture_id, (line, label))
            if earlier_label != label:
                raise UserError(
                    f"id {picture_id!r} has label {earlier_label!r} in line {earlier_line} and {label!r} in line "
                    f"{line}",
                    where=self.training.path,
                    fix="Keep the right row.",
                )
        require_unique(self.training.table, self.training.id_column, self.training.path)


def sample_form(folder: CompetitionFolder) -> SampleForm:
    """The sample submission.

    Raises:
        NotThisLayout: there is none.
        UserError: no target column; ids that are empty or repeated.
    """
    table, path = folder.table("sample"), folder.path("sample")
    if len(table.columns) < 2:
        raise UserError(
            f"it has one column ({table.columns[0]!r}); ids and at least one target are needed", where=path
        )
    wanted = folder.config.id_column
    column = wanted if wanted is not None and wanted in table.columns else table.columns[0]
    require_filled(table, column, path)
    require_unique(table, column, path)
    return SampleForm(
        path=path,
        table=table,
        id_column=column,
        targets=tuple(name for name in table.columns if name != column),
    )


def picture_columns(
    folder: CompetitionFolder, table: pd.DataFrame, split: Split, *, but: Sequence[str] = ()
) -> list[str]:
    """The columns whose cells all differ and name pictures, as far as a sample of them tells."""
    step = max(1, len(table) // PROBED_CELLS)
    return [
        column
        for column in table.columns
        if column not in but
        and all(folder.pictures.fits(cell, split) for cell in table[column].iloc[::step])
        and not table[column].duplicated().any()
    ]


def names_pictures(folder: CompetitionFolder, cells: pd.Series, split: Split) -> bool:
    """Whether some of the cells name a picture."""
    step = max(1, len(cells) // PROBED_CELLS)
    return any(folder.pictures.fits(cell, split) for cell in cells.iloc[::step])


def _id_column(folder: CompetitionFolder, table: pd.DataFrame, sample_id: str) -> str:
    """The column of the training table that names the pictures."""
    wanted = folder.config.id_column
    if wanted is not None:
        if wanted not in table.columns:
            raise UserError(
                f"there is no column {wanted!r} (data.id_column)",
                where=folder.path("train"),
                fix=did_you_mean(wanted, table.columns),
            )
        return wanted
    if sample_id in table.columns and names_pictures(folder, table[sample_id], "train"):
        return sample_id
    fitting = picture_columns(folder, table, "train")
    if len(fitting) > 1:
        raise ambiguous(
            f"columns {first_few(fitting)} may each hold the ids of the pictures",
            folder.path("train"),
            [(f"id_column: {column}", "this one") for column in fitting[:3]],
        )
    if fitting:
        return fitting[0]
    if sample_id not in table.columns:
        raise NotThisLayout(
            f"{folder.path('train').name} has no column {sample_id!r} as the sample submission has, and none that "
            f"names the pictures; it has {first_few(list(table.columns))} (data.id_column names the right one)"
        )
    return sample_id


def pictures_to_predict(folder: CompetitionFolder, sample: SampleForm) -> PicturesToPredict:
    """One test picture for each row of the sample; checked against `test.csv` where there is one.

    Raises:
        UserError: the two name other ids; ids without a picture or with several.
    """
    ids, name = sample.table[sample.id_column].tolist(), sample.path.name
    paths = folder.pictures.match(ids, split="test", where=sample.path)
    line = f"{len(ids)} test pictures from {name}"
    if not folder.has("test") or folder.path("test") == sample.path:
        return PicturesToPredict(
            ids=ids, rows=ids, paths=paths, understood=(f"{line}; there is no test.csv",)
        )
    test, path = folder.table("test"), folder.path("test")
    column = sample.id_column if sample.id_column in test.columns else test.columns[0]
    require_filled(test, column, path)
    require_unique(test, column, path)
    require_same_ids(ids, name, test[column].tolist(), path.name, folder)
    return PicturesToPredict(
        ids=ids, rows=ids, paths=paths, understood=(f"{line}, the same ids as in {path.name}",)
    )


def require_same_ids(
    ids: Sequence[str], name: str, others: Sequence[str], other_name: str, folder: CompetitionFolder
) -> None:
    """Refuse a sample submission and a test table that name other rows.

    Raises:
        UserError: names the first of them.
    """
    for extra, one, other in (
        (sorted(set(others) - set(ids)), other_name, name),
        (sorted(set(ids) - set(others)), name, other_name),
    ):
        if extra:
            raise UserError(
                f"{len(extra)} test ids are in {one} but not in {other}: {first_few(extra)}",
                where=folder.root,
                fix="Take both files from the same download.",
            )


def _id_form(ids: Sequence[str], paths: Sequence[str]) -> str:
    """How the ids name their files, for the person."""
    pairs = zip(ids, paths, strict=True)
    with_suffix = sum(picture_id.endswith(path[path.rindex(".") :]) for picture_id, path in pairs)
    kinds = Counter({"with extension": with_suffix, "without extension": len(ids) - with_suffix})
    return f"(file names {' or '.join(kind for kind, count in kinds.items() if count)})"
