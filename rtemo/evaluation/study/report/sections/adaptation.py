"""Adaptation over sessions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from rtemo.evaluation.study.report import names, runs
from rtemo.evaluation.study.report.cells import BALANCED, mean_cell, p_text, paired_cell
from rtemo.evaluation.study.report.comparing import Compared
from rtemo.evaluation.study.report.content import Cell, Column, Items, Picture, Row, Table
from rtemo.evaluation.study.report.figures import Points, scatter
from rtemo.evaluation.study.report.sections.common import Telling, Told
from rtemo.evaluation.study.report.statistics import Comparison, compare, summarise
from rtemo.evaluation.study.report.verdicts import Contest, power
from rtemo.evaluation.study.task import Result

FROZEN, OURS = "frozen", ("guarded", "recentre")
MEAN = "mean.balanced_accuracy"


def adaptation(results: Sequence[Result]) -> Told:
    """Each session beside the frozen model, and what each mode gains over it."""
    telling = Telling()
    for method, found in runs.grouped(results, lambda r: r.task.method, names.method_order).items():
        for part in runs.parts(found, "mode"):
            _tell(telling, part, method)
    return telling.told


def _tell(telling: Telling, part: runs.Part, method: str) -> None:
    modes = runs.grouped(part.results, lambda r: str(runs.setting(r, "mode")), _mode_order)
    where, slug = f"{part.title}, {names.method_title(method)}", f"{part.slug}-{method}"
    points = _points(modes)
    if points:
        said = "balanced accuracy"
        caption = f"{where}: {said} of each session, adapted against frozen; one point a run and session"
        png = scatter([Points("", points, f"{said}, frozen", f"{said}, adapted", same=True)])
        telling.add(Picture(f"adaptation-{slug}", f"{caption}. Above the diagonal a mode gains.", caption, png))
    gains, sentences = _gains(where, slug, modes)
    telling.compared(gains)
    telling.add(sentences)


def _points(modes: Mapping[str, Sequence[Result]]) -> dict[str, list[tuple[float, float]]]:
    """By mode, what it makes of a session beside what the frozen model makes of the same one."""
    frozen = {r.task.seed: r for r in modes.get(FROZEN, ())}
    out: dict[str, list[tuple[float, float]]] = {}
    for mode, found in modes.items():
        for result in found:
            beside = frozen.get(result.task.seed)
            if mode == FROZEN or beside is None:
                continue
            for k in runs.suffixes([result], "session.", ".balanced_accuracy"):
                x, y = (runs.figure(r, f"session.{k}.balanced_accuracy") for r in (beside, result))
                if x is not None and y is not None:
                    out.setdefault(names.MODES.get(mode, mode), []).append((x, y))
    return out


def _gains(where: str, slug: str, modes: Mapping[str, Sequence[Result]]) -> tuple[Compared, Items]:
    """What each mode gains over the frozen model on the same sessions, and ours against every other mode."""
    values: dict[Hashable, dict[Hashable, float]] = {
        mode: {r.task.seed: v for r in found if (v := runs.figure(r, MEAN)) is not None}
        for mode, found in modes.items()
    }
    # Measured from the other side: what the others have more than the frozen model.
    gains = {comparison.other: comparison for comparison in compare(values, FROZEN, better=-1)}
    usual = max(len(found) for found in modes.values())
    rows, said = [], []
    for mode, found in modes.items():
        title, gain, why = names.MODES.get(mode, mode), gains.get(mode), runs.why_none(found, MEAN)
        worst = summarise(min(sessions) for r in found if (sessions := _sessions(r)))
        cells = [
            mean_cell(runs.mean_of(found, MEAN), BALANCED, usual=usual, note=why),
            mean_cell(worst, BALANCED, usual=usual, note=why),
            Cell("") if mode == FROZEN else paired_cell(gain, BALANCED, "no run of the frozen model to pair"),
        ]
        rows.append(Row((Cell(title), *cells)))
        if gain is not None:
            said.append(_said(title, gain))
    columns = (
        Column("mode", number=False),
        Column("mean over sessions"),
        Column("worst session"),
        Column("gain over frozen (p)"),
    )
    notes = [
        f"Balanced accuracy in %, mean ± SD over {usual} run{'' if usual == 1 else 's'}; (n): over n. Gain: mean "
        "difference of paired runs; p: Wilcoxon signed-rank test, two-sided and exact, Holm-corrected over the modes."
    ]
    if gains:
        notes.append(power(list(gains.values())))
    table = Table(f"adaptation-{slug}", f"{where}: adaptation", columns, rows, notes)
    titles: dict[Hashable, str] = {mode: names.MODES.get(mode, mode) for mode in modes}
    tests = tuple(
        Contest(table.caption, "balanced accuracy", BALANCED, mode, names.MODES[mode], tuple(others), titles)
        for mode in OURS
        if (others := compare(values, mode))
    )
    return Compared(table, tests), Items(tuple(said))


def _said(title: str, gain: Comparison) -> str:
    size = f"{BALANCED.number(abs(gain.ahead))} points, {p_text(gain.adjusted)}"
    if gain.behind:
        how = "loses to the frozen model" if gain.significant else "is behind the frozen model by mean"
    elif gain.leads:
        how = "is better than the frozen model" if gain.significant else "is ahead of the frozen model by mean"
    else:
        return f"{title} is as good as the frozen model by mean."
    return f"{title} {how} ({size})."


def _sessions(result: Result) -> list[float]:
    """Accuracies of the sessions of a run."""
    found = (
        runs.figure(result, f"session.{k}.balanced_accuracy")
        for k in runs.suffixes([result], "session.", ".balanced_accuracy")
    )
    return [value for value in found if value is not None]


def _mode_order(mode: str) -> tuple[int, str]:
    known = list(names.MODES)
    return known.index(mode) if mode in known else len(known), mode
