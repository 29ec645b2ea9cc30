"""The report of a calibration: one HTML file that shows and prints without anything from outside."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from calibration.training import figures as draw
from calibration.training import signal_figures as signals
from calibration.training.statistics import Estimate
from calibration.training.trained import TrainedSession
from calibration.training.verdict import RULE
from rtemo.errors import RtemoError
from rtemo.evaluation.evaluate import COMPLETE, WITHOUT
from rtemo.printable import printable

REPORT, RESULT = "report.html", "result.json"
SIGN = {"usable": "✓", "use with care": "!", "do not use": "✕"}
MOST_WARNINGS = 40
MOST_LOST = 60

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #16202b; background: #fff; max-width: 46rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
p { margin: .4rem 0; } .muted { color: #56636f; font-size: .9rem; }
.verdict { border: 2px solid; border-left-width: 12px; border-radius: 6px; padding: .8rem 1rem; margin: 1rem 0; }
.verdict strong { font-size: 1.4rem; }
.usable { border-color: #13757d; } .use-with-care { border-color: #8e6100; } .do-not-use { border-color: #8a1a1f; }
table { border-collapse: collapse; margin: .6rem 0; font-size: .9rem; width: 100%; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #cbd3dc; vertical-align: top;
  overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
img { width: 100%; height: auto; } figure { margin: .6rem 0; break-inside: avoid; }
code { font-size: .82rem; overflow-wrap: anywhere; }
details summary { cursor: pointer; }
@media print { body { font-size: 10pt; max-width: none; margin: 0; } h2 { break-after: avoid; }
  .verdict, table, section > p { break-inside: avoid; } @page { margin: 16mm; } }
"""


def write_report(path: str | Path, session: TrainedSession, *, title: str = "Calibration") -> None:
    """Write the report; whoever looks finds the old one or the new one.

    Parameters
    ----------
    path : path-like
        Of the HTML file.
    session : TrainedSession
    title : str
        E.g. the participant.

    Raises
    ------
    RtemoError
        It cannot be written.
    """
    _write(Path(path), report_html(session, title=title))


def write_result(path: str | Path, session: TrainedSession) -> None:
    """Write the verdict and its figures for scripts.

    Raises
    ------
    RtemoError
        It cannot be written.
    """
    _write(Path(path), json.dumps(session.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def report_html(session: TrainedSession, *, title: str = "Calibration") -> str:
    """The report as text."""
    sections = [
        _verdict(session),
        _accuracy(session),
        _labels(session),
        _reliability(session),
        _views(session),
        _learning(session),
        _first(session),
        _trials(session),
        _contributions(session),
        _separation(session),
        _quality(session),
        _shown(session),
        _lost(session),
        _provenance(session),
    ]
    name = _text(title, 120)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Whatever a name holds, nothing is loaded and nothing runs.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{name}</title><style>{STYLE}</style></head><body>\n<h1>{name}</h1>"
        f'<p class="muted">Report of a calibration, made {made}.</p>\n' + "\n".join(sections) + "\n</body></html>\n"
    )


def _verdict(session: TrainedSession) -> str:
    word = session.verdict.word
    reasons = "".join(f"<li>{_text(reason, 1000)}</li>" for reason in session.verdict.reasons)
    rule = "".join(f"<p>{_text(line, 2000)}</p>" for line in RULE)
    return (
        f'<section class="verdict {word.replace(" ", "-")}"><strong>{SIGN[word]} {_text(word.capitalize())}</strong>'
        f"<ul>{reasons}</ul></section>\n<section><h2>The rule</h2>{rule}</section>"
    )


def _accuracy(session: TrainedSession) -> str:
    found, figures = session.crossval, session.judged.figures
    where = "within recordings" if session.judged.chance.within_recordings else "over all recordings"
    text = (
        f"Every trial was predicted by a model that saw nothing of it: {found.folds} folds of whole trials, "
        f"{len(session.judged.counts)} trials, {len(found.truth)} windows. Intervals are those of trials, not of "
        "windows, which are alike within a trial: the wider of one from drawing trials anew and the exact one of so "
        "many trials. Balanced accuracy is the mean over the labels of the share found; "
        f"chance is {_percent(figures.chance)}. For accuracy and for trials, chance is to say always the commonest "
        f"label. A linear stand-in, trained on shuffled labels ({len(session.judged.chance.shuffled)} times, {where}), "
        f"reaches {_percent(figures.balanced_accuracy.value)} or more in {_percent(figures.p_shuffled, 1)} of cases. "
        f"Guessing gets as many trials right with a probability of {figures.p_trials:.2g}."
    )
    rows = [
        ("balanced accuracy (windows)", *_cells(figures.balanced_accuracy), _percent(figures.chance)),
        ("accuracy (windows)", *_cells(session.judged.accuracy), _percent(session.judged.accuracy_by_chance)),
        ("trials right", *_cells(session.judged.trials_right), _percent(session.judged.trials_by_chance)),
    ]
    return _section(
        "How often it is right",
        _p(text) + _image(draw.accuracy_figure(session), "Accuracy against chance")
        + _table(("", "found", "95 % interval", "by chance"), rows, numbers=1),
    )  # fmt: skip


def _labels(session: TrainedSession) -> str:
    rows = [
        (
            label,
            str(session.judged.figures.trials[label]),
            *_cells(session.judged.recall[label]),
            _percent(session.judged.precision[label]),
        )
        for label in session.crossval.labels
    ]
    table = _table(("label", "trials", "recall", "95 % interval", "precision"), rows, numbers=1)
    note = (
        "Recall: of the windows of a label, the share that was found. Precision: of the windows that were called it, "
        "the share that was. In the matrix, rows are true labels and add up to 100 %; below is the number of windows."
    )
    return _section(
        "Label by label",
        _image(draw.labels_figure(session), "Recall and precision by label")
        + table + _p(note) + _image(draw.confusion_figure(session), "Confusion matrix"),
    )  # fmt: skip


def _reliability(session: TrainedSession) -> str:
    note = (
        "Where the dots lie on the diagonal, a probability of 80 % is right in 80 % of windows. Dots below it: the "
        "model is surer than it should be."
    )
    return _section(
        "Whether its probabilities can be believed",
        _image(draw.reliability_figure(session), "Reliability diagram") + _p(note),
    )


def _views(session: TrainedSession) -> str:
    rows = []
    for name, scores in session.judged.scores.items():
        shown = "all views" if name == COMPLETE else f"without {name.removeprefix(WITHOUT)}"
        rows.append((shown, *_cells(session.judged.conditions[name]), _percent(scores.ece), str(scores.windows)))
    return _section(
        "When a sensor drops out",
        _p("The same held-out windows, with every view taken away in turn.")
        + _image(draw.views_figure(session), "Balanced accuracy with every view missing in turn")
        + _table(("", "balanced accuracy", "95 % interval", "ECE", "windows"), rows, numbers=1),
    )


def _learning(session: TrainedSession) -> str:
    curve = session.curve
    rows = [(f"{point.trials:.1f}", f"{point.minutes:.1f}", *_cells(point.balanced_accuracy)) for point in curve.points]
    note = (
        "Models that learnt from a part of the trials, on the same held-out trials; the line is a - b / sqrt(minutes). "
        "Its interval knows which trials were predicted, not how lucky the choice of those learnt from was."
    )
    return _section(
        "Would five more minutes help?",
        _p(curve.sentence) + _image(draw.learning_figure(session), "Learning curve")
        + _table(("trials", "minutes of stimuli", "balanced accuracy", "95 % interval"), rows,
                 numbers=0) + _p(note),
    )  # fmt: skip


def _first(session: TrainedSession) -> str:
    comparison = session.comparison
    if comparison is None:
        return ""
    rows = [
        ("first bundle as it is", *_cells(comparison.frozen)),
        ("new windows alone", *_cells(comparison.new_only)),
        ("both together (this bundle)", *_cells(comparison.together)),
    ]
    return _section(
        "What the first bundle brought",
        _p(comparison.sentence) + _image(draw.comparison_figure(session), "With and without the first bundle")
        + _table(("", "balanced accuracy", "95 % interval"), rows, numbers=1)
        + _p("Only new trials count; no model saw the trial that it is judged by."),
    )  # fmt: skip


def _trials(session: TrainedSession) -> str:
    note = "Height: share of a trial's windows that came out right. A trial that fails alone may be worth a look."
    return _section("Trial by trial", _image(draw.trials_figure(session), "Share right by trial, in time") + _p(note))


def _contributions(session: TrainedSession) -> str:
    found = session.crossval
    rows = [
        (view, f"{found.weights[:, i].mean():.2f}", f"{found.contributions[:, i].mean():+.3f}")
        for i, view in enumerate(found.views)
    ]
    note = (
        "Contribution: what a view added to the probability of the predicted label, on average (Shapley values: "
        "all views together give that probability less its prior). Weight: the view's share in the posterior of z; not "
        "its say in the decision."
    )
    return _section(
        "What each view has to do with it",
        _image(draw.contributions_figure(session), "Contributions and weights")
        + _table(("view", "weight", "contribution"), rows, numbers=1) + _p(note),
    )  # fmt: skip


def _separation(session: TrainedSession) -> str:
    parts = []
    for view, found in session.effects.items():
        if not np.isfinite(found.sizes).any():
            parts.append(_p(f"{view}: too few trials to tell."))
            continue
        maps = signals.topography_figure(session, view)
        if maps:
            parts.append(_image(maps, f"Topographies of {view}"))
        parts.append(_image(signals.effects_figure(session, view), f"Effect sizes of {view}"))
    note = (
        "From one mean a trial, recordings centred. These are descriptions: with many features some lie above the "
        "dashed line by luck, and muscles or eyes may make a difference as well as the brain."
    )
    return _section("What separates the labels", "".join(parts) + _p(note))


def _quality(session: TrainedSession) -> str:
    parts = []
    for view, channels in session.quality.items():
        if not channels:
            continue
        if not any(channel.bad for channel in channels):
            parts.append(_p(f"{view}: none of the {len(channels)} channels was bad in a labelled window."))
            continue
        parts.append(_image(signals.quality_figure(session, view), f"Quality of {view}"))
        bad = [c for c in channels if c.judged and c.bad / c.judged > 0.1]
        rows = [(c.name, f"{c.bad} of {c.judged}", f"{c.score:.2f}") for c in sorted(bad, key=lambda c: -c.bad)]
        if rows:
            parts.append(_table(("channel", "bad in labelled windows", "mean score"), rows, numbers=1))
    return _section("Channel quality", "".join(parts) or _p("No view is watched for the quality of its channels."))


def _shown(session: TrainedSession) -> str:
    told = session.shown
    if told is None:
        return ""
    rows = [(str(t.trial), str(t.attempt), str(t.run), t.intended or "none", t.why) for t in told.lost]
    body = _p(f"{told.accepted} trials count; {len(rows)} were shown and do not.")
    if rows:
        body += _table(("trial", "attempt", "run", "intended", "why it does not count"), rows[:MOST_LOST], numbers=None)
    if len(rows) > MOST_LOST:
        body += _p(f"{len(rows) - MOST_LOST} more are in the journal.")
    return _section("Trials that are lost, and why", body)


def _lost(session: TrainedSession) -> str:
    rows = []
    for view, lost in session.losses.items():
        why = "; ".join(f"{reason} ({count})" for reason, count in lost.reasons.items()) or "none missing"
        rows.append((view, f"{lost.missing} of {lost.windows}", why))
    warned = "".join(f"<li>{_text(line, 400)}</li>" for line in session.warnings[:MOST_WARNINGS])
    return _section(
        "Windows that are lost, and why",
        _table(("view", "missing in labelled windows", "why"), rows, numbers=1)
        + (f"<p>Warnings:</p><ul>{warned}</ul>" if warned else ""),
    )


def _provenance(session: TrainedSession) -> str:
    sources = [
        (s.name, f"{s.trials}", f"{s.labelled} of {s.windows}", s.sha256, s.events_sha256 or "labels from markers")
        for s in session.sources
    ]
    settings = session.bundle.model.settings
    rows: list[tuple[str, str]] = [
        ("seed", str(session.seed)),
        ("folds", f"{session.crossval.folds} of whole trials, {session.crossval.steps} steps a training"),
        ("settings of the model", f"{session.chosen.name}; by fold: {', '.join(session.crossval.chosen)}"),
        ("steps of the model for use", str(settings.steps)),
        ("kept as a probe", _probe(session)),
        ("time taken", f"{session.seconds:.0f} s"),
        *((f"version of {name}", text) for name, text in session.versions.items()),
        *((f"SHA-256 of {name}", digest) for name, digest in session.files.items()),
    ]
    return _section(
        "Where it comes from",
        _table(("recording", "trials", "labelled windows", "SHA-256", "of its events"), sources, numbers=None)
        + _table(("", ""), rows, numbers=None),
    )


def _probe(session: TrainedSession) -> str:
    probe = session.bundle.probe
    if probe is None:
        return "nothing: too few trials"
    told = f"{len(np.unique(probe.trials))} trials, {len(probe)} windows"
    return told + (", from which the model has learnt too" if session.bundle.metrics.get("refitted") else "")


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_text(title)}</h2>{body}</section>"


def _p(text: str) -> str:
    return f"<p>{_text(text, 4000)}</p>"


def _image(svg: str, alt: str) -> str:
    """A picture as data: what is in it can neither run nor clash with the names of another."""
    data = base64.b64encode(svg.encode()).decode("ascii")
    return f'<figure><img alt="{_text(alt, 200)}" src="data:image/svg+xml;base64,{data}"></figure>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int | None) -> str:
    """A table; columns from `numbers` on are set to the right."""

    def cells(row: Sequence[str], tag: str) -> str:
        kinds = [' class="number"' if numbers is not None and i >= numbers else "" for i in range(len(row))]
        return "".join(f"<{tag}{kind}>{_text(cell, 400)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    header = f"<thead><tr>{cells(head, 'th')}</tr></thead>" if any(head) else ""
    return f"<table>{header}<tbody>{body}</tbody></table>"


def _cells(estimate: Estimate) -> tuple[str, str]:
    interval = (
        f"{_percent(estimate.low)} to {_percent(estimate.high)}" if np.isfinite(estimate.low) else "too few trials"
    )
    return _percent(estimate.value), interval


def _percent(value: float, digits: int = 0) -> str:
    return f"{100 * value:.{digits}f} %" if np.isfinite(value) else "unknown"


def _text(text: str, width: int | None = None) -> str:
    """Text from anywhere as text of HTML."""
    return html.escape(printable(text, width))


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new-{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise RtemoError(
            f"{path}: cannot be written ({error.strerror}).", cure="Check the path and its permissions."
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
