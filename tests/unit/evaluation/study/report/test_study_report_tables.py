"""What stands in the tables, worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import made_up_results as made
import numpy as np
import pytest

from rtemo.evaluation.study.report.content import Cell, Picture, Row, Table
from rtemo.evaluation.study.report.document import document
from rtemo.evaluation.study.report.sections import SECTIONS
from rtemo.evaluation.study.report.sections.common import Told
from rtemo.evaluation.study.task import Result

pytestmark = pytest.mark.usefixtures("undrawn")


def tables(told: Told) -> dict[str, Table]:
    return {block.name: block for block in told.blocks if isinstance(block, Table)}


def row(table: Table, title: str) -> Row:
    (found,) = [row for row in table.rows if row.cells[0].text == title]
    return found


def cell(table: Table, title: str, column: str, group: str = "") -> Cell:
    (place,) = [n for n, c in enumerate(table.columns) if c.title == column and group in ("", c.group)]
    return row(table, title).cells[place]


def few(
    method: str, accuracies: Sequence[float], labels: str = "all", seconds: float = 2.0, **kwargs: object
) -> list[Result]:
    """Runs of Table 2; their balanced accuracy, which the honest protocol shows, is two points lower."""
    settings = {"protocol": "honest", "labels": labels, **kwargs}
    return [
        made.result("table2", method, seed, made.scored(a, seconds), **settings)  # type: ignore[arg-type]
        for seed, a in enumerate(accuracies)
    ]


INDUCTIVE = "inductive balanced accuracy, %"


def test_a_cell_is_the_mean_and_the_sd_over_runs() -> None:
    table = tables(SECTIONS["table2"](few("simvae", [0.70, 0.80, 0.90])))["table2-noneeg-honest-accuracy"]
    found = cell(table, "SiMVAE", "all", INDUCTIVE)
    assert found.text == "78.0 ± 10.0"
    assert found.values["mean"] == pytest.approx(0.78)
    assert found.values["SD"] == pytest.approx(0.1)
    assert found.values["runs"] == 3
    assert cell(table, "SiMVAE", "all", "transductive balanced accuracy, %").text == "79.0 ± 10.0"


def test_the_papers_protocol_shows_accuracy_and_the_other_one_beside() -> None:
    found = tables(SECTIONS["table2"](few("simvae", [0.7], "3%", protocol="paper")))
    assert cell(found["table2-noneeg-paper-accuracy"], "SiMVAE", "3%", "inductive accuracy, %").text == "70.0"
    assert cell(found["table2-noneeg-paper-quality"], "SiMVAE", "3%", "balanced accuracy, %").text == "68.0"
    found = tables(SECTIONS["table2"](few("simvae", [0.7])))
    assert cell(found["table2-noneeg-honest-quality"], "SiMVAE", "all", "accuracy, %").text == "70.0"


def test_one_seed_has_no_sd() -> None:
    table = tables(SECTIONS["table2"](few("simvae", [0.7])))["table2-noneeg-honest-accuracy"]
    assert cell(table, "SiMVAE", "all", INDUCTIVE).text == "68.0"


def test_accuracy_per_second_is_the_ratio_of_the_means() -> None:
    second = made.result("table2", "lr", 1, made.scored(0.8, 3.0), protocol="honest", labels="all")
    runs = [*few("lr", [0.6], seconds=1.0), second]
    found = tables(SECTIONS["table2"](runs))
    cost = found["table2-noneeg-honest-cost"]
    assert cell(cost, "Logistic regression", "all", "training, s").text == "2.00 ± 1.41"
    assert cell(cost, "Logistic regression", "all", "inductive balanced accuracy / training s").text == "0.340"
    assert cell(found["table2-noneeg-honest-accuracy"], "Logistic regression", "accuracy / s").text == "0.340"


def test_methods_stand_under_their_kind_in_the_order_of_the_registry() -> None:
    runs = [r for method in ("simvae", "svm", "lr", "never heard of", "tsvm") for r in few(method, [0.5])]
    table = tables(SECTIONS["table2"](runs))["table2-noneeg-honest-accuracy"]
    assert [(r.kind, r.cells[0].text) for r in table.rows] == [
        ("supervised", "SVM"),
        ("supervised", "Logistic regression"),
        ("semi-supervised", "Transductive SVM"),
        ("semi-supervised", "SiMVAE"),
        ("other", "never heard of"),
    ]


def test_labels_stand_in_their_natural_order() -> None:
    runs = [r for labels in ("all", "10 trials", "2 trials", "1 trial") for r in few("lr", [0.5], labels)]
    table = tables(SECTIONS["table2"](runs))["table2-noneeg-honest-accuracy"]
    assert [c.title for c in table.columns if c.group == INDUCTIVE] == ["1 trial", "2 trials", "10 trials", "all"]


def test_the_best_of_a_column_is_marked_and_a_small_error_is_best() -> None:
    found = tables(SECTIONS["table2"](few("lr", [0.8, 0.8]) + few("simvae", [0.7, 0.9]) + few("svm", [0.5, 0.6])))
    accuracy, quality = found["table2-noneeg-honest-accuracy"], found["table2-noneeg-honest-quality"]
    assert [r.cells[0].text for r in accuracy.rows if r.cells[1].strong] == ["Logistic regression", "SiMVAE"]
    ece = {
        r.cells[0].text: cell(quality, r.cells[0].text, "all", "expected calibration error, %") for r in quality.rows
    }
    assert [name for name, found in ece.items() if found.strong] == ["Logistic regression", "SiMVAE"]
    assert ece["SVM"].text == "11.2 ± 1.8"  # (1 - .5) / 4 and (1 - .6) / 4


def test_what_failed_is_a_dash_with_its_reason_and_a_part_is_counted() -> None:
    settings = {"protocol": "honest", "labels": "all"}
    broken = [made.result("table2", "lr", seed, error="ValueError: no", **settings) for seed in range(3)]
    partly = [*few("svm", [0.5, 0.6]), made.result("table2", "svm", 2, error="MemoryError", **settings)]
    table = tables(SECTIONS["table2"](broken + partly + few("simvae", [0.7, 0.7, 0.7]) + few("lda", [0.7, 0.7, 0.7])))[
        "table2-noneeg-honest-accuracy"
    ]
    failed, part = (cell(table, name, "all", INDUCTIVE) for name in ("Logistic regression", "SVM"))
    assert (failed.text, failed.note) == ("-", "3 of 3 runs: ValueError: no")
    assert (part.text, part.note) == ("53.0 ± 7.1 (2)", "1 of 3 runs: MemoryError")
    assert table.footnotes()["1 of 3 runs: MemoryError"] == "a"


def test_where_all_windows_have_labels_the_transductive_cell_says_so() -> None:
    figures = {name: value for name, value in made.scored(0.5).items() if not name.startswith("transductive")}
    run = made.result(
        "table2", "lr", 0, figures | {"transductive.complete.windows": 0.0}, protocol="honest", labels="all"
    )
    table = tables(SECTIONS["table2"]([run]))["table2-noneeg-honest-accuracy"]
    found = cell(table, "Logistic regression", "all", "transductive balanced accuracy, %")
    assert (found.text, found.note) == ("-", "1 of 1 runs: there are no such windows")


def test_what_has_not_been_run_is_a_dash_that_says_so() -> None:
    table = tables(SECTIONS["table2"](few("lr", [0.5], "1 trial") + few("simvae", [0.5], "all")))[
        "table2-noneeg-honest-accuracy"
    ]
    found = cell(table, "Logistic regression", "all", INDUCTIVE)
    assert (found.text, found.note) == ("-", "not run")


def test_runs_that_were_trained_otherwise_or_on_other_data_are_never_averaged() -> None:
    runs = few("lr", [0.5]) + few("lr", [0.9], steps=50) + few("lr", [0.7], digest="another")
    found = [t for t in tables(SECTIONS["table2"](runs)).values() if t.name.endswith("accuracy")]
    texts = {table.caption: cell(table, "Logistic regression", "all", INDUCTIVE).text for table in found}
    assert texts == {
        "Non-EEG (content d), honest protocol: balanced accuracy": "48.0",
        "Non-EEG (content d), honest protocol, steps 50: balanced accuracy": "88.0",
        "Non-EEG (content another), honest protocol: balanced accuracy": "68.0",
    }


def test_what_all_runs_were_trained_with_is_said_once() -> None:
    whole = document(few("lr", [0.5], steps=50) + few("simvae", [0.5], steps=50))
    assert not any("steps" in table.caption for table in whole.tables)
    (lines,) = [b.lines for b in whole.sections[1].blocks if hasattr(b, "lines") and "Seeds" in " ".join(b.lines)]
    assert any("50 steps a net" in line for line in lines)


def test_of_a_task_the_last_result_counts() -> None:
    made_twice = few("lr", [0.5]) + few("lr", [0.9])
    assert document(made_twice).results == tuple(made_twice[1:])


def test_all_data_sets_stand_side_by_side_and_are_tested_together() -> None:
    runs = [
        r
        for dataset in ("noneeg", "eegmat")
        for labels in ("1 trial", "all")
        for method, a in (("lr", 0.6), ("simvae", 0.7))
        for r in few(method, [a, a + 0.01, a + 0.02], labels, dataset=dataset)
    ]
    told = SECTIONS["table2"](runs)
    table = tables(told)["table2-overview-honest"]
    assert cell(table, "SiMVAE", "EEG, mental arithmetic").text == "69.0"
    (test,) = [t for t in told.tests if "all data sets" in t.group and t.subject == "SiMVAE"]
    # Three seeds of two sets; two numbers of labels of a split are no more evidence than one.
    assert test.comparisons[0].splits == 6
    assert test.comparisons[0].p == pytest.approx(2 / 2**6)


def test_table_1_marks_what_differs_from_the_paper() -> None:
    found = tables(SECTIONS["table1"](made.table1("seed", training=13000.0, test=None)))["table1"]
    assert cell(found, "SEED", "windows (paper)").text == "22734 (=)"
    training = cell(found, "SEED", "training (paper)")
    assert (training.text, training.strong) == ("13000 (≠ 13473)", True)
    assert cell(found, "SEED", "test (paper)").text == "-"
    assert cell(found, "SEED", "features of each view (paper)").text == "eeg 310 (=), eye 33"


def test_a_model_of_one_view_stands_where_only_that_view_is_left() -> None:
    told = SECTIONS["missing-test"](made.missing(1))
    table = tables(told)["missing-test-noneeg-honest-all-either-0.0"]
    alone = made.level(str({"method": "lr", "views": "bio"}), 0.0, 0)
    name = "Logistic regression, bio alone"
    assert cell(table, name, "without eeg").values["mean"] == pytest.approx(alone - 0.02)
    assert cell(table, name, "without bio").note == "was made for another view"
    assert cell(table, name, "all views").note == "sees one view only"
    with_a_view_missing = [t for t in told.tests if t.group == "balanced accuracy with a view missing, %"]
    assert {t.subject for t in with_a_view_missing} == {"SiMVAE", "SMVAE"}
    compared = {t.titles[c.other] for t in with_a_view_missing for c in t.comparisons}
    assert {name, "Mean + SMVAE"} <= compared
    assert "SiMVAE (jensen bound)" not in compared  # Shown, but ours by another bound is no rival of ours.
    assert row(table, "SiMVAE (jensen bound)")


def test_a_model_of_one_of_three_views_is_compared_nowhere() -> None:
    views = ("a", "b", "c")
    common = {"protocol": "honest", "labels": "all", "rate": 0.0, "missing_view": "either"}
    runs = [
        made.result("missing-test", "simvae", 0, made.scored(0.7, views=views), imputer="none", **common),
        made.result("missing-test", "lr", 0, made.scored(0.7, views=()), views="a", **common),
    ]
    table = tables(SECTIONS["missing-test"](runs))["missing-test-noneeg-honest-all-either-0.0"]
    cells = row(table, "Logistic regression, a alone").cells
    assert [c.text for c, column in zip(cells, table.columns, strict=True) if column.title.startswith("without")] == [
        "-"
    ] * 3


def test_gains_over_sessions_are_paired_with_the_frozen_model() -> None:
    runs = [
        made.result(
            "adaptation",
            "simvae",
            seed,
            {
                "session.0.balanced_accuracy": a,
                "session.1.balanced_accuracy": a + 0.2,
                "mean.balanced_accuracy": a + 0.1,
            },
            mode=mode,
        )
        for mode, found in {"frozen": (0.5, 0.6), "guarded": (0.55, 0.67), "running-z": (0.4, 0.4)}.items()
        for seed, a in enumerate(found)
    ]
    told = SECTIONS["adaptation"](runs)
    table = tables(told)["adaptation-noneeg-simvae"]
    gain = cell(table, "rtemo, guarded", "gain over frozen (p)")
    assert gain.values["ahead"] == pytest.approx(0.06)
    assert gain.text == "+6.0 (p = 1.00)"  # Two pairs: .5, times two modes.
    assert cell(table, "frozen", "worst session").values["mean"] == pytest.approx(0.55)
    ours, lines = [b.lines for b in told.blocks if hasattr(b, "lines")]
    assert ours == (
        "Balanced accuracy: rtemo, guarded loses to none of the 2 others, not even by mean; it is ahead of 2 of 2 by "
        "mean, not significantly.",
    )
    assert [(t.subject, len(t.comparisons)) for t in told.tests] == [("rtemo, guarded", 2)]
    assert lines == (
        "running z-scores is behind the frozen model by mean (15.0 points, p = 1.00).",
        "rtemo, guarded is ahead of the frozen model by mean (6.0 points, p = 1.00).",
    )


@pytest.mark.parametrize("experiment", [*SECTIONS, "an unknown one"])
def test_a_study_in_which_everything_fails_says_so(experiment: str) -> None:
    settings = {"protocol": "honest", "labels": "all", "part": "a", "rate": 0.5, "imputer": "none", "mode": "frozen"}
    settings |= {"c1": 0.1, "c2": 0.5, "unlabelled_share": 0.5, "missing_view": "eeg"}
    failed = [made.result(experiment, "simvae", seed, error="ValueError: never", **settings) for seed in range(2)]
    whole = document(failed)
    assert [s.title for s in whole.sections][-1] == "Errors"
    (errors,) = [t for t in whole.tables if t.name == "errors"]
    assert [c.text for c in errors.rows[0].cells[2:]] == ["SiMVAE", "2", "0, 1", "ValueError: never"]


def test_no_results_at_all_is_a_report_too() -> None:
    first = document([]).sections[0]
    assert first.blocks[0].text == "There are no results yet."  # type: ignore[union-attr]


def test_every_experiment_has_its_tables_and_figures() -> None:
    whole = document(made.study(2, ["noneeg"], ["lr", "simvae"]))
    figures = {block.name.split("-")[0] for s in whole.sections for block in s.blocks if isinstance(block, Picture)}
    expected = {
        "figure2a",
        "figure2b",
        "figure2c",
        "figure3",
        "figure4",
        "figure5",
        "figure6",
        "missing",
        "calibration",
    }
    assert figures == expected | {"adaptation", "contributions"}
    named = {table.name.split("-")[0] for table in whole.tables}
    assert expected - {"figure5"} | {"table1", "table2", "adaptation", "contributions", "time", "made"} <= named


def test_half_a_study_is_told_as_far_as_it_goes() -> None:
    whole = made.study(2, ["noneeg"], ["lr", "simvae"])
    for part in (whole[::3], whole[1::7], whole[:40], whole[-10:]):
        assert document(part).tables


def test_run_time_is_summed_and_averaged_by_method() -> None:
    runs = few("lr", [0.5, 0.7], seconds=0.5)
    (table,) = [t for t in document(runs).tables if t.name == "time"]
    assert [c.text for c in table.rows[0].cells] == [
        "table2",
        "Logistic regression",
        "2",
        "4.00 s",
        "2.00",
        "0.500",
    ]


def test_all_data_sets_stand_side_by_side_where_a_view_is_missing() -> None:
    """A column for each set and view, its mean over both rates; splits, and not rates or views, are what is counted."""
    runs = [r for dataset in ("noneeg", "eegmat") for r in made.missing(3, dataset)]
    told = SECTIONS["missing-test"](runs)
    table = tables(told)["missing-test-overview"]
    mine = [r for r in runs if r.task.method == "lr" and r.task.settings.get("imputer") == "mean"]
    mine = [r for r in mine if r.task.dataset == "eegmat" and not r.task.settings.get("views")]
    wanted = np.mean([r.figures["inductive.without:bio.balanced_accuracy"] for r in mine])
    assert len(mine) == 6
    shown = cell(table, "Mean + Logistic regression", "EEG, mental arithmetic, without bio")
    assert shown.values["mean"] == pytest.approx(wanted)
    assert not any("alone" in row.cells[0].text for row in table.rows)
    (test,) = [t for t in told.tests if "all data sets" in t.group and t.subject == "SiMVAE"]
    assert {c.splits for c in test.comparisons} == {6}
    assert "missing-test-overview" not in tables(SECTIONS["missing-test"](made.missing(3)))


def test_all_data_sets_stand_side_by_side_where_windows_are_incomplete() -> None:
    runs = [r for dataset in ("noneeg", "eegmat") for r in made.figure3(3, dataset)]
    told = SECTIONS["figure3"](runs)
    table = tables(told)["figure3-overview-honest"]
    mine = [r for r in runs if r.task.settings["protocol"] == "honest" and r.task.dataset == "noneeg"]
    wanted = np.mean([r.figures["inductive.complete.balanced_accuracy"] for r in mine if r.task.method == "simvae"])
    (column,) = [c.title for c in table.columns if c.title.startswith("Non-EEG")]
    assert cell(table, "SiMVAE", column).values["mean"] == pytest.approx(wanted)
    tests = [t for t in told.tests if t.protocol == "honest" and "all data sets" in t.group]
    assert {c.splits for t in tests for c in t.comparisons} == {6}
    assert "figure3-overview-honest" not in tables(SECTIONS["figure3"](made.figure3(3)))
