"""The rule: what it forbids, what asks for care, and how seldom it is taken in."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from calibration.training import verdict as rule
from calibration.training.plan import confounds
from calibration.training.splits import fold_of_trials
from calibration.training.standin import chance
from calibration.training.statistics import Estimate, balanced_accuracy, binomial_p, count_trials
from calibration.training.verdict import RULE, Figures, verdict
from rtemo.evaluation.metrics import expected_calibration_error
from rtemo.model.settings import make_settings

GOOD = Figures(
    trials={"negative": 6, "neutral": 6, "positive": 6},
    balanced_accuracy=Estimate(0.8, 0.7, 0.9),
    p_shuffled=0.001,
    p_trials=1e-6,
    recall={"negative": 0.8, "neutral": 0.7, "positive": 0.9},
    calibration_error=0.05,
    seen=1.0,
    complete=0.95,
)
NAN = float("nan")


def test_a_good_calibration_is_usable_and_says_how_good_it_is() -> None:
    found = verdict(GOOD)
    assert found.word == "usable"
    assert found.reasons == (
        "Balanced accuracy on trials never learnt from is 80 % (95 % interval 70 % to 90 %), against 33 % by chance.",
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trials": {"negative": 6, "neutral": 2, "positive": 6}}, "neutral (2)"),
        ({"trials": {"negative": 6}}, "no second label"),
        ({"p_shuffled": 0.021}, "2.1 %"),
        ({"p_shuffled": NAN}, "unknown"),
        ({"balanced_accuracy": Estimate(0.5, 1 / 3, 0.7)}, "not above chance"),
        ({"balanced_accuracy": Estimate(0.9, NAN, NAN)}, "unknown"),
        ({"seen": 0.49}, "49 %"),
        ({"seen": NAN}, "unknown"),
    ],
)
def test_what_forbids_the_use_is_told(changes: dict[str, object], told: str) -> None:
    found = verdict(replace(GOOD, **changes))  # type: ignore[arg-type]
    assert found.word == "do not use"
    assert told in " ".join(found.reasons)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trials": {"negative": 6, "neutral": 4, "positive": 6}}, "neutral (4)"),
        ({"balanced_accuracy": Estimate(0.6, 0.46, 0.7)}, "47 % is asked for"),
        ({"p_trials": 0.051}, "5.1 %"),
        ({"recall": {"negative": 0.9, "neutral": 1 / 3, "positive": 0.9}}, "neutral (33 %)"),
        ({"recall": {"negative": 0.9, "neutral": NAN, "positive": 0.9}}, "neutral (unknown)"),
        ({"calibration_error": 0.16}, "off by 16 points"),
        ({"complete": 0.79}, "79 %"),
        ({"confounded": "Every recording holds one label."}, "Every recording holds one label."),
    ],
)
def test_what_asks_for_care_is_told_after_the_accuracy(changes: dict[str, object], told: str) -> None:
    found = verdict(replace(GOOD, **changes))  # type: ignore[arg-type]
    assert found.word == "use with care"
    assert found.reasons[0].startswith("Balanced accuracy on trials never learnt from is")
    assert told in found.reasons[1]
    assert len(found.reasons) == 2


def test_the_rule_in_words_has_the_numbers_of_the_rule() -> None:
    forbids, usable, _ = RULE
    assert f"fewer than {rule.FEWEST_TRIALS} trials" in forbids
    assert f"more than {100 * rule.MOST_P:.0f} % of cases" in forbids
    assert rule.LEAST_SEEN == 0.5
    assert f"has {rule.ENOUGH_TRIALS} trials or more" in usable
    assert rule.LEAST_GAIN == 1 / 5
    assert f"{100 * rule.MOST_P_OF_TRIALS:.0f} %)" in usable
    assert f"{100 * rule.MOST_CALIBRATION_ERROR:.0f} points" in usable
    assert rule.ENOUGH_SEEN == 4 / 5


def figures_of(
    rng: np.random.Generator,
    trials: int,
    classes: int,
    effect: float,
    seed: int,
    *,
    order: np.ndarray | None = None,
    drift: float = 0.0,
) -> Figures:
    """A calibration judged by nearest neighbours, which are nothing like the stand-in that tells chance."""
    each, neighbours = 10, 5
    labels = rng.permutation(np.arange(trials) % classes) if order is None else order
    folds = min(5, int(np.bincount(labels).min()))
    trial = np.repeat(np.arange(trials), each)
    offset = rng.normal(size=(trials, 8))
    if drift:
        offset[:] = 0.0
    offset[:, :classes] += effect * np.eye(classes)[labels]
    x, truth = offset[trial] + rng.normal(size=(len(trial), 8)), labels[trial]
    x += np.cumsum(drift * rng.normal(size=x.shape), axis=0)
    fold = fold_of_trials(labels, folds, seed)[trial]
    p = np.zeros((len(x), classes))
    for held in range(folds):
        inside, outside = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        distance = ((x[outside][:, None] - x[inside][None]) ** 2).sum(axis=2)
        nearest = truth[inside][np.argpartition(distance, neighbours, axis=1)[:, :neighbours]]
        p[outside] = np.stack([(nearest == k).mean(axis=1) for k in range(classes)], axis=1)
    counts = count_trials(truth, trial, p)
    found = balanced_accuracy(counts, 400, seed)
    shuffled = chance({"a": x}, truth, trial, np.zeros_like(trial), make_settings("default", {"pca_size": 6}),
                      folds=folds, seed=seed, shuffles=59)  # fmt: skip
    return Figures(
        trials={str(k): int((labels == k).sum()) for k in range(classes)},
        balanced_accuracy=found,
        p_shuffled=shuffled.p(found.value),
        p_trials=binomial_p(counts),
        recall={str(k): float((p.argmax(axis=1) == truth)[truth == k].mean()) for k in range(classes)},
        calibration_error=expected_calibration_error(truth, p),
        seen=1.0,
        complete=1.0,
        confounded=" ".join(confounds("ABC", labels, np.zeros_like(labels), np.arange(len(labels)) * 1.0)),
        least_p=shuffled.least_p,
    )


@pytest.mark.parametrize(("trials", "classes"), [(12, 3), (20, 2)])
def test_random_labels_pass_the_rule_in_one_case_of_twenty_at_most(trials: int, classes: int) -> None:
    rng = np.random.default_rng(trials)
    passed = [verdict(figures_of(rng, trials, classes, 0.0, seed)).word != "do not use" for seed in range(80)]
    assert np.mean(passed) <= 0.05


ORDERS = {
    "A6 B6 A": [0] * 6 + [1] * 6 + [0],
    "A3 B3 C3 A3 B3 C3": ([0] * 3 + [1] * 3 + [2] * 3) * 2,
    "A5 B5 A5 B5": ([0] * 5 + [1] * 5) * 2,
    "A2 B2, six times": [0, 0, 1, 1] * 6,
    "A3 B3 A3 B3": [0] * 3 + [1] * 3 + [0] * 3 + [1] * 3,
}


@pytest.mark.parametrize("order", ORDERS)
def test_noise_that_drifts_is_never_usable_whatever_the_order_of_the_trials(order: str) -> None:
    """Labels mean nothing: only the moment tells one from another. A plain walk, and one that drowns the noise."""
    rng = np.random.default_rng(4)
    labels = np.array(ORDERS[order])
    words = [
        verdict(figures_of(rng, len(labels), int(labels.max()) + 1, 0.0, seed, order=labels, drift=drift)).word
        for seed in range(20)
        for drift in (0.2, 0.6)
    ]
    assert words.count("usable") <= 0.05 * len(words)


def test_drift_across_a_nearly_blocked_order_would_pass_for_the_labels() -> None:
    """What the rule is guarded against is there: without the look at the plan, these would be usable."""
    rng = np.random.default_rng(4)
    labels = np.array(ORDERS["A5 B5 A5 B5"])
    found = [figures_of(rng, 20, 2, 0.0, seed, order=labels, drift=0.6) for seed in range(10)]
    assert sum(verdict(replace(figures, confounded="")).word == "usable" for figures in found) >= 3


def test_two_labels_of_four_trials_prove_nothing_even_if_all_are_right() -> None:
    found = verdict(
        replace(GOOD, trials={"a": 4, "b": 4}, least_p=2 / 70, p_shuffled=2 / 70,
                balanced_accuracy=Estimate(1.0, 0.63, 1.0))
    )  # fmt: skip
    assert found.word == "do not use"
    assert len(found.reasons) == 1
    assert found.reasons[0].endswith("in 2.9 % of cases. Two labels take 5 trials each.")


def test_notes_stand_beside_every_verdict_and_change_none() -> None:
    for figures in (GOOD, replace(GOOD, calibration_error=0.2), replace(GOOD, p_shuffled=0.5)):
        noted = verdict(replace(figures, notes=("By the way.",)))
        assert noted.word == verdict(figures).word
        assert noted.reasons == (*verdict(figures).reasons, "By the way.")


def test_labels_that_show_pass_the_rule() -> None:
    rng = np.random.default_rng(2)
    words = [verdict(figures_of(rng, 18, 3, 5.0, seed)).word for seed in range(12)]
    assert sum(word != "do not use" for word in words) >= 11


def test_a_verdict_is_plain_for_json() -> None:
    told = verdict(GOOD).to_dict()
    assert told["verdict"] == "usable"
    assert told["rule"] == list(RULE)
    assert math.isclose(GOOD.chance, 1 / 3)
