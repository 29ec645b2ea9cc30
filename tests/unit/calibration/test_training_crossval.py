"""Cross-validation: nothing of a held-out trial is known to the models that predict it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from calibration_toys import DIMS, EACH, LABELS, SMALL, toy_configuration, toy_extraction, with_features
from numpy.testing import assert_array_equal

from calibration.training import crossval
from calibration.training.crossval import CrossValidation, cross_validate, minutes_of, short
from calibration.training.fitting import (
    AS_CONFIGURED,
    CANDIDATES,
    Candidate,
    candidates,
    for_few_windows,
    with_replay,
)
from calibration.training.judging import confounded, judge
from calibration.training.learning import learning_curve
from calibration.training.progress import Meter, Progress
from calibration.training.verdict import verdict
from rtemo.errors import LabelError
from rtemo.evaluation.evaluate import COMPLETE
from rtemo.model.data import TrainingData
from rtemo.model.labelled import LabelledWindows
from rtemo.model.settings import make_settings
from rtemo.model.trained import EpochReport

PLAIN = (Candidate(AS_CONFIGURED),)


@pytest.fixture(scope="module")
def found() -> CrossValidation:
    return cross_validate(toy_configuration(), [toy_extraction()])


def test_every_labelled_window_is_predicted_once_under_every_condition(found: CrossValidation) -> None:
    table = toy_extraction().table
    assert_array_equal(found.rows, np.flatnonzero(table.trial >= 0))
    assert found.folds == 5
    assert list(found.probabilities) == ["complete", "without:eeg", "without:eye"]
    for p in found.probabilities.values():
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    # Whole trials: a trial lies in one fold.
    assert all(len(np.unique(found.fold[found.trial == trial])) == 1 for trial in np.unique(found.trial))
    assert found.seen("without:eeg").sum() == found.available[:, 1].sum()
    assert len(found.chosen) == 5


def test_a_view_that_is_missing_has_neither_weight_nor_contribution(found: CrossValidation) -> None:
    missing = ~found.available
    assert missing.any()
    assert (found.weights[missing] == 0).all()
    assert (found.contributions[missing] == 0).all()


def test_features_of_a_held_out_trial_change_nothing_for_the_trials_held_out_with_it() -> None:
    config, extraction = toy_configuration(), toy_extraction(trials=6)
    before = cross_validate(config, [extraction], options=PLAIN, fractions=(0.5,))
    trial = int(before.trial[0])
    # The window across its edge goes with it.
    rows = extraction.table.trial == trial
    rows[np.flatnonzero(rows)[-1] + 1] = True
    after = cross_validate(config, [with_features(extraction, rows, 50.0)], options=PLAIN, fractions=(0.5,))
    fold = before.fold[0]
    together, others = (before.fold == fold) & (before.trial != trial), before.fold != fold
    for name in before.probabilities:
        assert_array_equal(before.probabilities[name][together], after.probabilities[name][together])
        assert not np.array_equal(before.probabilities[name][others], after.probabilities[name][others])
    for one, other in zip(before.curve, after.curve, strict=True):
        assert_array_equal(one.probabilities[together], other.probabilities[together])


def test_the_same_seed_gives_the_same_figures() -> None:
    config, extraction = toy_configuration(), toy_extraction(trials=6)
    one, again, other = (
        cross_validate(config, [extraction], seed=seed, options=PLAIN, fractions=()) for seed in (4, 4, 5)
    )
    assert_array_equal(one.complete, again.complete)
    assert not np.array_equal(one.complete, other.complete)


def test_settings_are_chosen_inside_the_training_side_and_never_those_that_the_configuration_names() -> None:
    config = toy_configuration(weight_decay=0.02)
    assert "pca_size" in SMALL
    assert candidates(config) == PLAIN
    settings = {key: value for key, value in SMALL.items() if key != "pca_size"}
    free = config.model_copy(update={"model": config.model.model_copy(update={"settings": settings})})
    assert candidates(free) == CANDIDATES
    raw = free.model_copy(
        update={"model": free.model.model_copy(update={"settings": {**settings, "front_end": "none"}})}
    )
    assert [candidate.name for candidate in candidates(raw)] == [AS_CONFIGURED, "stronger weight decay"]
    chosen = cross_validate(free, [toy_extraction(trials=8)], folds=2, fractions=())
    assert set(chosen.losses) == {candidate.name for candidate in CANDIDATES}
    for fold, name in enumerate(chosen.chosen):
        assert chosen.losses[name][fold] == min(losses[fold] for losses in chosen.losses.values())


def test_no_training_is_longer_than_a_calibration_needs() -> None:
    assert short(make_settings()).steps == 100
    assert short(make_settings("default", {"steps": 20})).steps == 20


def test_a_label_with_a_single_trial_is_refused_with_the_counts() -> None:
    extraction = toy_extraction(trials=6)
    table = extraction.table
    joy = np.unique(table.trial[table.label == "joy"])
    rows = np.isin(table.trial, joy[1:])
    few = replace(table, label=np.where(rows, "", table.label), trial=np.where(rows, -1, table.trial))
    with pytest.raises(LabelError, match=r"at least two trials of every label .* calm: 3, joy: 1"):
        cross_validate(toy_configuration(), [replace(extraction, table=few)])


def test_the_learning_curve_grows_from_few_trials_to_all(found: CrossValidation) -> None:
    assert [point.trials for point in found.curve] == [2.0, 6.0, 8.0]
    assert [point.minutes for point in found.curve] == pytest.approx([n * (EACH + 1) / 60 for n in (2, 6, 8)])
    assert_array_equal(found.curve[-1].probabilities, found.complete)
    table = toy_extraction().table
    minutes = float(minutes_of(table, np.unique(found.trial)).sum())
    curve = learning_curve(found.curve, found.truth, found.trial, found.seen(COMPLETE), minutes)
    assert curve.minutes == pytest.approx(1.5)
    assert curve.gain.low < curve.gain.value < curve.gain.high


def test_models_of_the_curve_that_learn_from_fewer_trials_see_the_same_unlabelled_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, list[tuple[int, int]]] = {"fit": [], "fit_plain": []}

    def watched(name: str) -> None:
        real = getattr(crossval, name)

        def call(data: TrainingData, *arguments: object, **named: object) -> object:
            given[name].append((int((data.labels >= 0).sum()), int((data.labels < 0).sum())))
            return real(data, *arguments, **named)

        monkeypatch.setattr(crossval, name, call)

    watched("fit")
    watched("fit_plain")
    cross_validate(toy_configuration(), [toy_extraction()], options=PLAIN, folds=2)
    assert len(given["fit_plain"]) == 2 * len(given["fit"])
    for number, (labelled, unlabelled) in enumerate(given["fit"]):
        assert unlabelled > 0
        for fewer, beside in given["fit_plain"][2 * number : 2 * number + 2]:
            assert fewer < labelled
            assert beside == unlabelled


def test_a_trial_in_parts_lasts_as_long_as_they_do() -> None:
    extraction = toy_extraction(trials=4)
    table = extraction.table
    middle = np.flatnonzero(table.trial == 0)[3:5]
    parts = replace(table, trial=np.where(np.isin(np.arange(len(table.trial)), middle), -1, table.trial))
    # 8 windows of 2 s, a second apart, are 9 s. Without two in the middle: 3 windows and 3 windows are 4 s each.
    assert (60 * minutes_of(table, np.array([0, 1]))).tolist() == pytest.approx([9.0, 9.0])
    assert (60 * minutes_of(parts, np.array([0, 1]))).tolist() == pytest.approx([8.0, 9.0])


def test_a_curve_is_believed_to_about_twice_the_minutes_at_hand(found: CrossValidation) -> None:
    seen = found.seen(COMPLETE)
    far = learning_curve(found.curve, found.truth, found.trial, seen, 1.5)
    assert far.would_help == "unknown"
    assert far.sentence.startswith("5 more minutes of stimuli lie far beyond the 1.5 at hand")
    # In every trial alike none, then half, then three quarters of the windows come out right.
    place = np.array([int((found.trial[:i] == trial).sum()) for i, trial in enumerate(found.trial)])
    right = np.eye(len(LABELS))[found.truth]
    rising = [
        replace(point, minutes=4 * point.minutes, probabilities=np.where((place < few)[:, None], right, 1 - right))
        for point, few in zip(found.curve, (0, 4, 6), strict=True)
    ]
    near = learning_curve(rising, found.truth, found.trial, seen, 6.0)
    assert not near.beyond
    assert near.would_help == "yes"
    assert near.sentence.endswith("they would help.")


def test_a_short_calibration_holds_trials_out_too_unless_the_configuration_says_from_how_many_on() -> None:
    named = toy_configuration()
    assert for_few_windows(named, 40) is named
    settings = {key: value for key, value in SMALL.items() if key != "validation_windows"}
    free = named.model_copy(update={"model": named.model.model_copy(update={"settings": settings})})
    wanted = [
        make_settings(config.model.preset, config.model.settings).validation_windows
        for config in (for_few_windows(free, windows) for windows in (10, 100, 5000))
    ]
    assert wanted == [6, 10, make_settings().validation_windows]


def test_chance_of_accuracy_is_to_say_always_the_commonest_label(found: CrossValidation) -> None:
    kept = (found.truth == 0) | (found.trial < 4)
    few = replace(
        found,
        **{name: getattr(found, name)[kept] for name in (
            "rows", "truth", "trial", "recording", "fold", "start_s", "available", "weights", "contributions")},
        probabilities={name: p[kept] for name, p in found.probabilities.items()},
    )  # fmt: skip
    judged = judge(toy_configuration(), toy_extraction().table, few, shuffles=9)
    seen = few.seen(COMPLETE)
    assert judged.accuracy_by_chance == pytest.approx((few.truth[seen] == 0).mean())
    assert judged.trials_by_chance > judged.figures.chance == 0.5


def test_a_curve_never_promises_more_than_everything_and_one_point_promises_nothing(found: CrossValidation) -> None:
    right = np.eye(len(LABELS))[found.truth]
    perfect = [replace(point, probabilities=right) for point in found.curve]
    perfect[0] = replace(perfect[0], probabilities=1 - right)
    curve = learning_curve(perfect, found.truth, found.trial, found.seen(COMPLETE), 1.5)
    assert curve.gain.high <= 1 - float(curve.at(np.array([1.5]))[0]) + 1e-9
    flat = [replace(point, probabilities=right) for point in found.curve]
    nothing_left = learning_curve(flat, found.truth, found.trial, found.seen(COMPLETE), 1.5)
    assert nothing_left.would_help == "hardly"
    assert "nothing left to gain on these trials" in nothing_left.sentence
    one = learning_curve(found.curve[:1], found.truth, found.trial, found.seen(COMPLETE), 1.5)
    assert one.would_help == "unknown"
    assert one.sentence == "There are too few trials for a learning curve."


def test_labels_that_show_are_usable_and_random_labels_are_not() -> None:
    config = toy_configuration(steps=40)
    words = {}
    for effect in (6.0, 0.0):
        extraction = toy_extraction(trials=12, effect=effect, seed=3)
        found = cross_validate(config, [extraction], folds=3, options=PLAIN, fractions=())
        words[effect] = verdict(judge(config, extraction.table, found, shuffles=199).figures)
    assert words[6.0].word != "do not use"
    assert words[0.0].word == "do not use"


def test_older_windows_stand_beside_new_ones_as_trials_of_their_own() -> None:
    rng = np.random.default_rng(0)
    old = LabelledWindows(
        {view: rng.normal(size=(4, dim)).astype(np.float32) for view, dim in DIMS.items()},
        np.array([0, 0, 1, 1]), np.array([0, 0, 1, -1]), np.zeros(4, dtype=np.int64),
    )  # fmt: skip
    new = TrainingData(
        {view: np.zeros((3, dim)) for view, dim in DIMS.items()}, np.array([0, 1, -1]), np.array([0, 1, -1]), LABELS
    )
    joined = with_replay(new, old)
    assert joined.labels.tolist() == [0, 1, -1, 0, 0, 1, 1]
    assert joined.groups.tolist() == [0, 1, -1, 2, 2, 3, -1]
    assert_array_equal(joined.views["eye"][3:], old.views["eye"])
    assert with_replay(new, None) is new


def test_older_windows_are_learnt_from_and_only_new_trials_are_held_out() -> None:
    config = toy_configuration(steps=40)
    new = toy_extraction(trials=4, effect=3.0, seed=1)
    table = toy_extraction(trials=12, effect=3.0, seed=2).table
    rows = table.trial >= 0
    views = {view: (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0) for view, x in table.features.items()}
    label = (table.label[rows] == "joy").astype(np.int64)
    accuracies = []
    for given in (label, 1 - label):
        old = LabelledWindows(
            {view: x[rows].astype(np.float32) for view, x in views.items()},
            given,
            table.trial[rows],
            np.zeros(int(rows.sum()), dtype=np.int64),
        )
        found = cross_validate(config, [new], options=PLAIN, fractions=(), replay=old)
        assert_array_equal(found.rows, np.flatnonzero(new.table.trial >= 0))
        accuracies.append(judge(config, new.table, found, shuffles=9).figures.balanced_accuracy.value)
    assert accuracies[0] > accuracies[1] + 0.2


def test_what_could_pass_for_the_labels_is_told(found: CrossValidation) -> None:
    order = np.argsort(found.start_s)
    blocked = replace(found, truth=(found.trial[order] >= 5).astype(np.int64))
    assert confounded(blocked).startswith("All trials of a label follow one another")
    nested = replace(blocked, recording=blocked.truth)
    assert confounded(nested).startswith("Every recording holds trials of one label alone")
    mixed = replace(found, truth=(found.trial % 2).astype(np.int64))
    assert confounded(mixed) == ""


def test_scaled_by_recording_every_window_of_it_counts() -> None:
    found = cross_validate(toy_configuration("recording"), [toy_extraction(trials=6)], options=PLAIN, fractions=())
    assert np.isfinite(found.complete).all()


def test_progress_rises_to_the_end_and_what_it_raises_ends_the_training() -> None:
    told: list[Progress] = []
    threads = torch.get_num_threads()
    cross_validate(toy_configuration(steps=5), [toy_extraction(trials=6)], on_progress=told.append, fractions=())
    done = [one.done for one in told]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == told[-1].total
    assert told[0].left_s is None
    assert told[-1].left_s == 0
    assert torch.get_num_threads() == threads

    class EnoughError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.done > 0:
            raise EnoughError

    with pytest.raises(EnoughError):
        cross_validate(toy_configuration(steps=5), [toy_extraction(trials=6)], on_progress=stop, fractions=())
    assert torch.get_num_threads() == threads


def test_a_meter_tells_four_times_a_second_at_most_and_how_long_the_rest_takes() -> None:
    now, told = [0.0], list[Progress]()
    meter = Meter(100, told.append, clock=lambda: now[0])
    with meter.go("first", 50) as epoch:
        for number in range(1, 11):
            now[0] += 0.1
            epoch(EpochReport(number, 10, {}, None, 0.1))
    assert [round(one.done) for one in told] == [0, 15, 30, 45, 50]
    assert told[-1].left_s == pytest.approx(1.0)
    assert told[-1].doing == "first"
