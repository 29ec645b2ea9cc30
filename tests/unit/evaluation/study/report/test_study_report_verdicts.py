"""The sentences that say who loses."""

from __future__ import annotations

from dataclasses import replace

import made_up_results as made
import pytest

from rtemo.evaluation.study.report.cells import ACCURACY, ECE, Metric
from rtemo.evaluation.study.report.sections import SECTIONS
from rtemo.evaluation.study.report.statistics import Comparison, compare
from rtemo.evaluation.study.report.verdicts import Contest, Score, power, scores, sentence

pytestmark = pytest.mark.usefixtures("undrawn")


def contest(others: dict[str, list[float]], ours: list[float], metric: Metric = ACCURACY) -> Contest:
    values = {name: dict(enumerate(found)) for name, found in {"ours": ours, **others}.items()}
    found = compare(values, "ours", better=metric.better)
    return Contest("a table", "accuracy, %", metric, "ours", "SiMVAE", tuple(found), {name: name for name in values})


BASE = [0.50 + 0.001 * k for k in range(10)]


def test_a_loss_beyond_chance_is_said_with_its_size_and_p() -> None:
    # Ten pairs all of one sign: p = 2 / 1024, times two methods.
    test = contest({"A": [x + 0.034 for x in BASE], "B": [x - 0.02 for x in BASE]}, BASE)
    assert sentence(test) == (
        "Accuracy: SiMVAE loses to A (by 3.4 points, p = 0.004); it is significantly better than 1 of 2."
    )


def test_a_lead_by_mean_alone_is_said_as_such() -> None:
    test = contest({"A": [x - 0.02 for x in BASE[:5]]}, BASE[:5])
    assert sentence(test) == (
        "Accuracy: SiMVAE loses to none of the 1 others, not even by mean; it is ahead of 1 of 1 by mean, not "
        "significantly."
    )


def test_a_loss_by_mean_alone_is_said_as_such() -> None:
    mixed = [x + (0.03 if k % 2 else -0.02) for k, x in enumerate(BASE)]
    assert "is behind by mean, not significantly: A (by 0.5 points" in sentence(contest({"A": mixed}, BASE))
    assert "loses to A" not in sentence(contest({"A": mixed}, BASE))


def test_several_are_listed_worst_first() -> None:
    others = {name: [x + more for x in BASE] for name, more in (("A", 0.01), ("B", 0.05), ("C", 0.03))}
    said = sentence(contest(others, BASE))
    assert said.index("B (by 5.0") < said.index("C (by 3.0") < said.index(" and A (by 1.0")


def test_who_loses_to_nobody_is_said_to() -> None:
    said = sentence(contest({"A": [x - 0.01 for x in BASE], "B": BASE}, BASE))
    assert said.startswith("Accuracy: SiMVAE loses to none of the 2 others, not even by mean")


def test_where_small_is_good_a_large_value_loses() -> None:
    assert "loses to A (by 2.0 points" in sentence(contest({"A": [x - 0.02 for x in BASE]}, BASE, ECE))


def test_a_formula_at_the_beginning_of_a_sentence_keeps_its_letters() -> None:
    assert sentence(replace(contest({"A": BASE}, BASE), group="error ||X||")).startswith("Error ||X||: SiMVAE")


def compared(splits: int, others: int, columns: int = 1) -> list[Comparison]:
    """Others against which every run is lost; so many runs share a split."""
    runs = range(splits * columns)
    values = {"ours": dict.fromkeys(runs, 0.5)}
    values |= {str(n): {k: 0.6 + 0.01 * k for k in runs} for n in range(others)}
    return compare(values, "ours", split=lambda pair: pair // columns)


@pytest.mark.parametrize("columns", [1, 4])
def test_five_splits_can_prove_nothing_however_many_columns_and_the_report_says_so(columns: int) -> None:
    assert power(compared(5, 1, columns)) == (
        "5 splits: no p can be smaller than 2 × 2^-5 = 0.062 (0.062 after Holm over 1); no difference, however large, "
        "can be significant at 0.05 here: more seeds are needed."
    )
    assert power(compared(6, 1)) == "6 splits: no p can be smaller than 2 × 2^-6 = 0.031 (0.031 after Holm over 1)."
    assert "more seeds are needed" in power(compared(6, 2))
    assert [c.p for c in compared(5, 1, columns)] == [2 / 32]


def test_five_runs_that_all_lose_are_not_called_significant() -> None:
    test = contest({"A": [x + 0.3 for x in BASE[:5]]}, BASE[:5])
    assert not test.lost
    assert len(test.trailing) == 1


def test_wins_and_losses_are_counted_over_tables() -> None:
    test = contest({"A": [x + 0.034 for x in BASE], "B": [x - 0.02 for x in BASE], "C": BASE}, BASE)
    assert scores([test, test]) == {("accuracy", "", "SiMVAE"): Score(won=2, equal=2, lost=2)}


def test_sentences_of_both_stand_below_the_table_of_a_study() -> None:
    accuracy = {"lr": 0.8, "smvae": 0.6, "simvae": 0.7}
    runs = [
        made.result("table2", method, seed, made.scored(a + 0.001 * seed), protocol="honest", labels=labels)
        for method, a in accuracy.items()
        for seed in range(8)
        for labels in ("1 trial", "all")
    ]
    told = SECTIONS["table2"](runs)
    lines = [line for block in told.blocks if hasattr(block, "lines") for line in block.lines]
    # Eight splits a comparison, two of them: 2 x 2 / 256.
    assert lines[0] == (
        "Inductive balanced accuracy: SiMVAE loses to Logistic regression (by 10.0 points, p = 0.016); it is "
        "significantly better than 1 of 2."
    )
    assert lines[1] == (
        "Inductive balanced accuracy: SMVAE loses to Logistic regression (by 20.0 points, p = 0.016) and SiMVAE (by "
        "10.0 points, p = 0.016)."
    )


def test_without_ours_there_is_no_test_and_no_claim() -> None:
    told = SECTIONS["table2"](made.table2(2, methods=["lr", "svm"]))
    assert told.tests == ()
    assert not any(hasattr(block, "lines") for block in told.blocks)
