"""`rtemo evaluate`: how good a bundle is, with every view missing in turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import Device, Recordings, Unsynchronised, add_column, add_row, output, refuse_duplicates, warn

if TYPE_CHECKING:
    from rtemo.evaluation.evaluate import Evaluation
    from rtemo.evaluation.metrics import Scores


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="The bundle that rtemo train wrote.", show_default=False)],
    recordings: Recordings,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts.")] = False,
    device: Device = None,
    unsynchronised: Unsynchronised = False,
) -> None:
    """Accuracy, calibration and confusion of a bundle on labelled recordings, with every view missing in turn.

    rtemo evaluate bundles/noneeg S11.xdf S12.xdf S13.xdf S14.xdf
    """
    from rtemo.cli.common import extract_all
    from rtemo.evaluation.evaluate import evaluate as score_windows
    from rtemo.extraction import join
    from rtemo.model.bundle import load_bundle
    from rtemo.model.predict import Predictor
    from rtemo.training import check_streams, sha256_of, standardise

    refuse_duplicates(recordings)
    loaded = load_bundle(bundle)
    config = loaded.configuration
    seen = {recording.sha256 for recording in loaded.recordings}
    warn(f"{path}: the model was trained on this recording" for path in recordings if sha256_of(path) in seen)
    extractions = extract_all(recordings, config, unsynchronised=unsynchronised, references=loaded.references)
    for path, extraction in zip(recordings, extractions, strict=True):
        check_streams(loaded, extraction.bound, where=str(path))
    table = join(
        [extraction.table for extraction in extractions], {view.name: view.feature_names for view in loaded.views}
    )
    views = standardise(table, config, loaded.standardiser)
    predictor = Predictor(loaded.model, device=device or config.model.device)
    result = score_windows(table, views, config.labels, lambda given: predictor.predict_many(given).probabilities)
    if as_json:
        typer.echo(json.dumps(result.to_dict()))
    else:
        _print(result, config.labels, transductive=config.standardise == "recording")


def _print(result: Evaluation, labels: list[str], *, transductive: bool) -> None:
    from rich.table import Table

    console = output()

    def figures(title: str, rows: dict[str, Scores]) -> None:
        table = Table(title=title, title_justify="left")
        for header in ("", "accuracy", "balanced", "macro F1", "ECE", "windows"):
            add_column(table, header, right=bool(header))
        for name, s in rows.items():
            numbers = [s.accuracy, s.balanced_accuracy, s.macro_f1, s.ece]
            add_row(table, name, *(f"{x:.3f}" if s.windows else "-" for x in numbers), str(s.windows))
        console.print(table)

    figures(f"{result.windows} labelled windows", dict(result.conditions))
    figures("By recording", dict(result.recordings))
    confusion = Table(title="Confusion, all views (rows true, columns predicted)", title_justify="left")
    for header in ("", *labels):
        add_column(confusion, header, right=bool(header))
    for label, row in zip(labels, result.conditions["complete"].confusion.tolist(), strict=True):
        add_row(confusion, label, *map(str, row))
    console.print(confusion)
    console.print("complete: all views that a window has. A condition counts the windows in which some view is left.")
    if transductive:
        console.print(
            "Standardised by each recording's own windows: transductive, so not what a live session would give."
        )
