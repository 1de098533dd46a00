"""The notebooks are thin, hold no outputs, and run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from grandmaster.competition.sample import make_sample

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_LINES = 60


def with_parameters(notebook: nbformat.NotebookNode, **values: str) -> None:
    """Behind the cell that is tagged so, as papermill does."""
    place = next(
        number for number, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])
    )
    source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_outputs_are_committed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert sum(len(cell.source.splitlines()) for cell in code) < MOST_LINES, "logic belongs into the packages"


def test_explore_shows_the_page_and_a_table(tmp_path: Path) -> None:
    data = tmp_path / "sample"
    make_sample(data, images=34, test_images=8)
    notebook = nbformat.read(FOLDER / "01_explore.ipynb", as_version=4)
    with_parameters(notebook, DATA=str(data), OUTPUT=str(tmp_path / "results"))
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    page = (tmp_path / "results" / "sample_explore" / "eda.html").read_text(encoding="utf-8")
    assert "34 training pictures" in page
    shown = [
        output.data
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    assert "srcdoc" in shown[0]["text/html"]
    assert "34 training pictures" in shown[0]["text/html"]
    assert "corner_fill" in shown[1]["text/html"]
    said = "".join(
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    )
    assert "The page about the data" in said
