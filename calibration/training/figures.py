"""The report's figures of how good the predictions are, as SVG."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import PercentFormatter

from calibration.training.canvas import CHANCE, RISING, bars, mean, short_name, svg
from calibration.training.learning import FURTHEST, MORE_MINUTES
from calibration.training.trained import TrainedSession
from rtemo.dashboard.theme import LIGHT
from rtemo.evaluation.evaluate import COMPLETE, WITHOUT
from rtemo.evaluation.metrics import CALIBRATION_BINS, reliability


def accuracy_figure(session: TrainedSession) -> str:
    """Accuracy with its intervals, and what shuffled labels reach."""

    def draw(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2, width_ratios=(3, 2))
        rows = [
            ("balanced accuracy\n(windows)", session.judged.figures.balanced_accuracy),
            ("accuracy\n(windows)", session.judged.accuracy),
            ("trials right", session.judged.trials_right),
        ]
        bars(left, rows, LIGHT.accent)
        by_chance = (
            session.judged.figures.chance, session.judged.accuracy_by_chance, session.judged.trials_by_chance
        )  # fmt: skip
        # Each row has a chance of its own: with unequal labels, always saying the commonest is right more often.
        for row, at in enumerate(by_chance):
            left.plot([at, at], [row - 0.42, row + 0.42], **CHANCE)
        left.text(by_chance[0], -0.62, " chance", color=LIGHT.critical, fontsize=8, va="center")
        right.hist(session.judged.chance.shuffled, bins=24, range=(0, 1), color=LIGHT.line, edgecolor=LIGHT.muted)
        right.axvline(session.judged.figures.balanced_accuracy.value, color=LIGHT.accent, linewidth=2)
        right.set_title("shuffled labels (grey), yours (line)", fontsize=9)
        right.set_xlabel("balanced accuracy")
        right.set_yticks([])
        right.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))

    return svg("accuracy", draw, 2.3)


def labels_figure(session: TrainedSession) -> str:
    """Recall with its interval, and precision, by label."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        labels = session.crossval.labels
        bars(axes, [(short_name(label), session.judged.recall[label]) for label in labels], LIGHT.accent)
        axes.plot(
            [session.judged.precision[label] for label in labels],
            range(len(labels)),
            "D",
            color=LIGHT.warning,
            markersize=6,
        )
        axes.axvline(session.judged.figures.chance, **CHANCE)
        axes.set_xlabel("bar: recall with 95 % interval; diamond: precision; dashed: chance")

    return svg("labels", draw, 0.9 + 0.42 * len(session.crossval.labels))


def confusion_figure(session: TrainedSession) -> str:
    """Confusion matrix: shares of each row, with counts."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        confusion = session.judged.scores[COMPLETE].confusion
        shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap=RISING, vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            axes.text(column, row, f"{100 * share:.0f} %\n{confusion[row, column]}", ha="center", va="center",
                      fontsize=8, color="white" if share > 0.6 else LIGHT.text)  # fmt: skip
        names = [short_name(label) for label in session.crossval.labels]
        turned: Any = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if len(names) > 3 else {}
        axes.set_xticks(range(len(names)), names, **turned)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.spines[:].set_visible(False)

    return svg("confusion", draw, 1.1 + 0.6 * len(session.crossval.labels))


def reliability_figure(session: TrainedSession) -> str:
    """Reliability diagram: confidence against how often it was right, with the number of windows."""

    def draw(canvas: Canvas) -> None:
        above, below = canvas.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        found = session.crossval
        seen = found.seen(COMPLETE)
        given, truth = found.complete[seen], found.truth[seen]
        bins = reliability(truth, given)
        count = bins.windows
        mean, right = (values[count > 0] for values in (bins.confidence, bins.accuracy))
        above.plot([0, 1], [0, 1], color=LIGHT.muted, linewidth=1, linestyle=":")
        above.vlines(mean, mean, right, color=LIGHT.warning, linewidth=2)
        above.plot(mean, right, "o", color=LIGHT.accent)
        above.set_ylim(0, 1.03)
        above.set_ylabel("share right")
        above.set_title(
            f"off by {100 * session.judged.figures.calibration_error:.1f} points on average (ECE)", fontsize=9
        )
        edges = np.arange(CALIBRATION_BINS) / CALIBRATION_BINS
        below.bar(edges, count, width=1 / CALIBRATION_BINS, align="edge", color=LIGHT.line, edgecolor=LIGHT.muted)
        below.set_xlim(0, 1)
        below.set_ylabel("windows")
        below.set_xlabel("confidence: probability of the label that was predicted")

    return svg("reliability", draw, 3.4)


def views_figure(session: TrainedSession) -> str:
    """Balanced accuracy with all views, and with every one missing in turn."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        rows = [
            ("all views" if name == COMPLETE else f"without {short_name(name.removeprefix(WITHOUT))}", estimate)
            for name, estimate in session.judged.conditions.items()
            if np.isfinite(estimate.value)
        ]
        bars(axes, rows, LIGHT.accent)
        axes.axvline(session.judged.figures.chance, **CHANCE)
        axes.set_xlabel("balanced accuracy with 95 % interval; dashed: chance")

    return svg("views", draw, 0.9 + 0.42 * len(session.judged.conditions))


def learning_figure(session: TrainedSession) -> str:
    """The learning curve, and where it leads with five more minutes."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        curve = session.curve
        # Where all came out right, or five minutes are far away, the square would promise what nobody knows.
        ahead = np.isfinite(curve.gain.value) and not (curve.beyond or curve.perfect)
        minutes = np.array([point.minutes for point in curve.points])
        values = np.array([point.balanced_accuracy.value for point in curve.points])
        low = np.array([point.balanced_accuracy.low for point in curve.points])
        high = np.array([point.balanced_accuracy.high for point in curve.points])
        axes.errorbar(minutes, values, yerr=np.maximum([values - low, high - values], 0), fmt="o", capsize=3,
                      color=LIGHT.accent)  # fmt: skip
        if np.isfinite(curve.slope):
            last = FURTHEST * curve.minutes if curve.beyond else curve.minutes + MORE_MINUTES
            along = np.linspace(minutes.min(), last, 100)
            axes.plot(along, curve.at(along), color=LIGHT.muted, linewidth=1)
            if ahead:
                end = float(curve.at(np.array([curve.minutes]))[0])
                gain = curve.gain
                axes.errorbar([last], [min(max(end + gain.value, 0), 1)],
                              yerr=np.maximum([[gain.value - gain.low], [gain.high - gain.value]], 0), fmt="s",
                              capsize=3, color=LIGHT.warning)  # fmt: skip
            axes.axvline(curve.minutes, color=LIGHT.muted, linewidth=1, linestyle=":")
            axes.text(curve.minutes, 0.02, " this calibration", color=LIGHT.muted, fontsize=8)
        axes.axhline(session.judged.figures.chance, **CHANCE)
        axes.set_ylim(0, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        square = "" if not ahead else f"; square: {MORE_MINUTES:g} more, with its 90 % interval"
        axes.set_xlabel(f"minutes of stimuli learnt from{square}")
        axes.set_ylabel("balanced accuracy")

    return svg("learning", draw, 2.8)


def contributions_figure(session: TrainedSession) -> str:
    """What each view added to the winning probability, by true label, and its weight in the posterior."""

    def draw(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2, width_ratios=(3, 2))
        found = session.crossval
        labels, views = found.labels, found.views
        height = 0.8 / len(views)
        for number in range(len(views)):
            means = [mean(found.contributions[found.truth == k, number]) for k in range(len(labels))]
            places = np.arange(len(labels)) + (number - (len(views) - 1) / 2) * height
            left.barh(places, means, height=height * 0.9, color=LIGHT.of_view(number))
        left.axvline(0, color=LIGHT.muted, linewidth=1)
        left.set_yticks(range(len(labels)), [short_name(label) for label in labels])
        left.invert_yaxis()
        left.set_xlabel("contribution to the winning probability")
        for number in range(len(views)):
            right.barh(number, mean(found.weights[:, number]), color=LIGHT.of_view(number), height=0.6)
        right.set_yticks(range(len(views)), [short_name(view) for view in views])
        right.set_xlim(0, 1)
        right.invert_yaxis()
        right.set_xlabel("mean weight in the posterior of z")

    return svg("contributions", draw, 1.2 + 0.35 * max(len(session.crossval.labels), len(session.crossval.views)))


def trials_figure(session: TrainedSession) -> str:
    """Each trial in time: share of its windows that came out right."""

    def draw(canvas: Canvas) -> None:
        found, counts = session.crossval, session.judged.counts
        recordings = np.unique(found.recording)
        grid = canvas.subplots(len(recordings), 1, sharey=True, squeeze=False)[:, 0]
        for axes, where in zip(grid, recordings.tolist(), strict=True):
            origin_s = found.start_s[found.recording == where].min()
            for number, label, windows, hits in zip(
                counts.trial.tolist(), counts.label.tolist(), counts.windows.tolist(), counts.hits.tolist(), strict=True
            ):
                mine = (found.trial == number) & (found.recording == where)
                if not mine.any():
                    continue
                begin = (found.start_s[mine].min() - origin_s) / 60
                length = max((found.start_s[mine].max() - origin_s) / 60 - begin, 0.02)
                axes.bar(begin, hits / windows, width=length, align="edge", color=LIGHT.of_class(label),
                         edgecolor="white", linewidth=0.5)  # fmt: skip
            axes.axhline(session.judged.figures.chance, **CHANCE)
            axes.set_ylim(0, 1.03)
            axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
            axes.set_title(short_name(session.sources[where].name), fontsize=8, loc="left")
        grid[-1].set_xlabel("minutes since the first trial")
        handles = [mpl.patches.Patch(color=LIGHT.of_class(k)) for k in range(len(found.labels))]
        canvas.legend(handles, [short_name(label) for label in found.labels], loc="outside upper center", ncols=4,
                      fontsize=8)  # fmt: skip

    shown = len(np.unique(session.crossval.recording))
    return svg("trials", draw, 0.9 + 1.05 * shown)


def comparison_figure(session: TrainedSession) -> str:
    """The first bundle as it is, new windows alone, both together; empty without a first bundle."""
    comparison = session.comparison
    if comparison is None:
        return ""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        rows = [
            ("first bundle as it is", comparison.frozen),
            ("new windows alone", comparison.new_only),
            ("both together", comparison.together),
        ]
        bars(axes, rows, LIGHT.accent)
        axes.axvline(session.judged.figures.chance, **CHANCE)
        axes.set_xlabel("balanced accuracy on the new trials with 95 % interval; dashed: chance")

    return svg("comparison", draw, 2.0)
