"""What a report writes, and what it leaves alone."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import made_up_results as made
import pytest

from rtemo.errors import RtemoError
from rtemo.evaluation.study.report import write_markdown, write_report
from rtemo.evaluation.study.table import plain_result

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def results() -> list:  # type: ignore[type-arg]
    return made.study(2, ["noneeg"], ["lr", "smvae", "simvae"])


def test_everything_is_there(tmp_path: Path, results: list) -> None:  # type: ignore[type-arg]
    report = write_report(results, tmp_path / "new" / "out", title="A study")
    out = tmp_path / "new" / "out"
    assert report == out / "report.html"
    assert {p.name for p in out.iterdir()} == {
        "report.html",
        "results.md",
        "summary.json",
        "results.csv",
        "figures",
        "tables",
    }
    assert not list(out.rglob(".*"))
    linked = re.findall(r"\]\(([^)]+\.png)\)", (out / "results.md").read_text("utf-8"))
    assert {(out / link).name for link in linked} == {p.name for p in (out / "figures").iterdir()}
    assert report.read_text("utf-8").count("data:image/png;base64,") == len(linked)


def test_the_same_results_give_the_same_files(tmp_path: Path, results: list) -> None:  # type: ignore[type-arg]
    for name in ("a", "b"):
        write_report(results, tmp_path / name, title="A study")
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()]
    assert all((tmp_path / "a" / p).read_bytes() == (tmp_path / "b" / p).read_bytes() for p in files)


def test_every_run_is_a_row_with_all_its_figures(tmp_path: Path, results: list) -> None:  # type: ignore[type-arg]
    write_report(results, tmp_path, title="A study")
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(results)
    for result in results[::50]:
        row = rows[result.task.key]
        assert (row["experiment"], row["seed"]) == (result.task.experiment, str(result.task.seed))
        for name, value in result.figures.items():
            assert (None if row[name] == "" else float(row[name])) == value
        for name, value in result.task.settings.items():
            assert row[f"settings.{name}"] == ("" if value is None else str(value))


def test_the_summary_says_what_was_run_and_what_came_of_it(tmp_path: Path) -> None:
    runs = [
        made.result("table2", method, seed, made.scored(a + 0.001 * seed), protocol="honest", labels="all")
        for method, a in (("lr", 0.8), ("simvae", 0.7))
        for seed in range(6)
    ]
    runs.append(made.result("table2", "svm", 0, error="ValueError: no", protocol="honest", labels="all"))
    write_report(runs, tmp_path, title="A study")
    told = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert (told["title"], told["runs"], told["failed"], told["seconds"]) == ("A study", 13, 1, 26.0)
    assert (told["seeds"], told["made"]["numpy"], told["datasets"]) == ([0, 1, 2, 3, 4, 5], ["2.1"], {"noneeg": "d"})
    assert told["errors"][0]["error"] == "ValueError: no"
    (test,) = [t for t in told["tests"] if t["columns"] == "inductive balanced accuracy, %"]
    (other,) = test["others"]
    assert (other["other"], other["splits"], other["significant"]) == ("Logistic regression", 6, True)
    assert other["p"] == pytest.approx(2 / 64)
    assert test["sentence"].startswith(
        "Inductive balanced accuracy: SiMVAE loses to Logistic regression (by 10.0 points"
    )
    assert set(told["files"]["tables"]) == {p.name for p in (tmp_path / "tables").iterdir()}


def test_what_came_back_from_a_table_of_json_lines_gives_the_same_report(tmp_path: Path, results: list) -> None:  # type: ignore[type-arg]
    write_report(results, tmp_path / "a", title="A study")
    write_report([plain_result(result) for result in results], tmp_path / "b", title="A study")
    assert (tmp_path / "a" / "report.html").read_bytes() == (tmp_path / "b" / "report.html").read_bytes()


def test_an_earlier_report_is_replaced_and_foreign_files_stay(tmp_path: Path, results: list) -> None:  # type: ignore[type-arg]
    write_report(results, tmp_path, title="A study")
    foreign = tmp_path / "figures" / "mine.png"
    foreign.write_bytes(b"mine")
    write_report([r for r in results if r.task.experiment == "table1"], tmp_path, title="A study")
    assert [p.name for p in (tmp_path / "figures").iterdir()] == ["mine.png"]
    assert {p.name for p in (tmp_path / "tables").iterdir()} == {"table1.csv", "time.csv", "made-with.csv"}


def test_a_summary_that_names_other_places_has_nothing_removed(tmp_path: Path) -> None:
    outside = tmp_path / "kept.txt"
    outside.write_text("kept")
    out = tmp_path / "out"
    out.mkdir()
    listed = {"figures": ["../kept.txt", "../../kept.txt", "..", ""], "tables": ["/etc/hostname", str(outside)]}
    (out / "summary.json").write_text(json.dumps({"files": listed}))
    write_report(made.table1(), out, title="A study")
    assert outside.read_text() == "kept"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"files": 3}', '{"files": {"figures": 1}}', "[" * 100_000])
def test_a_damaged_summary_does_not_matter(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.json").write_text(content)
    write_report(made.table1(), tmp_path, title="A study")
    assert json.loads((tmp_path / "summary.json").read_text("utf-8"))["runs"] == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RtemoError, match="cannot be written"):
        write_report(made.table1(), tmp_path / "file" / "out", title="A study")


def test_markdown_alone_links_to_its_figures_from_where_it_lies(tmp_path: Path, results: list) -> None:  # type: ignore[type-arg]
    path = write_markdown(results, tmp_path / "docs" / "results.md", tmp_path / "docs" / "images" / "of results")
    links = re.findall(r"\]\(([^)]+\.png)\)", path.read_text("utf-8"))
    assert links
    assert all(link.startswith("images/of%20results/") for link in links)
    assert all((path.parent / link.replace("%20", " ")).is_file() for link in links)
    assert path.read_text("utf-8").startswith("# Results\n")
