"""Of settings and plans only what differs is shown, without the folders of this machine."""

from __future__ import annotations

from grandmaster.report.run_differences import Difference, differences


def line(name: str, *values: str | None) -> Difference:
    return Difference(name=name, values=values)


def test_only_lines_in_which_not_all_are_alike() -> None:
    runs = [
        {"a": 1, "b": (1, 2), "c": None},
        {"a": 1, "b": (1, 3), "c": 0.5},
        {"a": 1, "b": (1, 2), "c": None},
    ]
    assert differences(runs, none="open") == (
        line("b", "1, 2", "1, 3", "1, 2"),
        line("c", "open", "0.5", "open"),
    )
    assert differences([runs[0], runs[2]]) == ()


def test_what_one_run_does_not_know_is_no_value_of_none() -> None:
    assert differences([{"a": None}, {}], none="open") == (line("a", "open", None),)
    assert differences([{}, {"z": 1, "a": 2}]) == (line("z", None, "1"), line("a", None, "2"))


def test_paths_are_cut_to_what_tells_them_apart() -> None:
    def shown(*paths: str | None) -> tuple[str | None, ...]:
        (found,) = differences([{"data": path} for path in paths], none="open")
        return found.values

    assert shown("/home/me/secret/cats", "/home/me/secret/dogs") == ("cats", "dogs")
    assert shown("/home/me/old/cats", "/home/me/new/cats", None) == ("old/cats", "new/cats", "open")
    assert shown("/cats", "/home/cats") == ("//cats", "home/cats")
