"""A line of a technique says what its comparison said."""

from __future__ import annotations

import numpy as np

from grandmaster.competition.comparison import Pair, compare
from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline import run
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.techniques import Technique, record, recorded
from pipeline.small_competition import Record, request, write_competition


def test_a_line_of_a_comparison_is_kept_and_read_back(tmp_path):
    data = write_competition(tmp_path / "data")
    wanted = request(data, tmp_path / "run", until="plan")
    run.run_pipeline(wanted, Record())
    context = run._open(wanted, Record())
    truth = context.targets()
    right, wrong = np.eye(3, dtype=np.float32)[truth], np.eye(3, dtype=np.float32)[(truth + 1) % 3]
    ids = tuple(context.trainable["id"])
    guesses = np.where((np.arange(len(truth)) % 2 == 0)[:, None], right, wrong)
    first, second = (
        Predictions(ids=order, outputs=context.competition.outputs, values=values)
        for order, values in ((ids, guesses), (ids[::-1], right[::-1]))
    )
    found = Judge(context).compare(first, second)
    assert found.verdict == "better"
    assert [one.fold for one in found.by_fold] == [0, 1, 2]  # joined by id, whatever their order
    assert found.corrected is not None
    assert abs(found.corrected.factor - (1 / 3 + 1 / 2)) < 0.01
    assert Judge(context).gain(first, second) == found.interval
    record(context, Technique.of(found, name="b", title="A wish", kept=True))
    record(context, Technique(name="a", title="Not compared", kept=False, why="no labels"))
    none, line = recorded(context)
    assert (none.name, none.gain, none.verdict) == ("a", None, None)
    assert (line.before, line.after, line.gain, line.verdict) == (
        found.before,
        1.0,
        found.gain,
        "better",
    )
    assert line.why.startswith("A wish is better than what there was without it: macro F1")
    same = compare("accuracy", truth, [Pair(first=right, second=right)], rounds=20)
    record(context, Technique.of(same, name="b", title="A wish", kept=False, why="nothing gained"))
    assert [(line.name, line.kept, line.why) for line in recorded(context)][1] == (
        "b",
        False,
        "nothing gained",
    )
