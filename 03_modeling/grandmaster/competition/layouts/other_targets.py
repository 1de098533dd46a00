"""Layouts with a CSV of something else than one class of many for each picture."""

from __future__ import annotations

from grandmaster.competition.folder import NotThisLayout
from grandmaster.competition.layouts.reading import Reading
from grandmaster.competition.layouts.tables import Evidence, Tables
from grandmaster.competition.targets import TargetForm


def read_label_sets(evidence: Evidence) -> Reading:
    """L4: several labels in one cell."""
    return _with_form(evidence, "label sets").read()


def read_label_columns(evidence: Evidence) -> Reading:
    """L5: a column of 0 and 1 for each label."""
    return _with_form(evidence, "label columns").read()


def read_binary_with_metadata(evidence: Evidence) -> Reading:
    """L6: one of two classes whose probability is asked for, and columns that say more about the picture."""
    tables = _with_form(evidence, "one label")
    if tables.targets.submission_format != "one_probability":
        raise NotThisLayout("not the probability of one of two classes is asked for")
    if not tables.further_columns:
        raise NotThisLayout(f"{tables.training.path.name} has no further columns")
    return tables.read()


def read_values(evidence: Evidence) -> Reading:
    """L7: a value to estimate."""
    return _with_form(evidence, "values").read()


def read_grades(evidence: Evidence) -> Reading:
    """L8: grades, which have an order."""
    return _with_form(evidence, "grades").read()


def _with_form(evidence: Evidence, form: TargetForm) -> Tables:
    tables = evidence.csv
    if tables.targets.form != form:
        raise NotThisLayout(f"{tables.training.path.name} holds {tables.targets.form}, not {form}")
    return tables
