"""`rtemo play`: replay a recording through the path that serves live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import ConfigOption, Device, Unsynchronised, add_column, add_row, output, warn

if TYPE_CHECKING:
    from rich.table import Table

    from rtemo.types import FeatureWindow, Prediction

LIVE_ROWS = 12
TURNING_ROWS = 12


def play(
    recording: Annotated[Path, typer.Argument(help="The recording to replay.", show_default=False)],
    config: ConfigOption,
    model: Annotated[Path, typer.Option("-m", "--model", help="The bundle.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for predictions.csv; printed only if not given.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.01, max=1000.0, help="1 = real time; as fast as it goes if not given.")
    ] = None,
    device: Device = None,
    unsynchronised: Unsynchronised = False,
) -> None:
    """Replay a recording: the same windows, features and predictions as live.

    rtemo play session.xdf -c lab.toml -m bundles/lab -o out

    rtemo play session.xdf -c lab.toml -m bundles/lab --speed 1
    """
    from rtemo.config import load_configuration
    from rtemo.errors import ConfigurationError
    from rtemo.model.bundle import load_bundle
    from rtemo.outputs.table import PredictionTable
    from rtemo.replay import Replay

    settings = load_configuration(config)
    bundle = load_bundle(model)
    replay = Replay(
        recording, settings, bundle, speed=speed, device=device or settings.model.device, unsynchronised=unsynchronised
    )
    if out is None:
        shown = show(replay.run(), settings.labels, replay.views)
    else:
        try:
            out.mkdir(parents=True, exist_ok=True)
            table = PredictionTable(out / "predictions.csv", settings.labels, replay.views)
        except OSError as error:
            raise ConfigurationError(
                f"{out}: cannot be written ({error.strerror}).", cure="Choose another folder."
            ) from error
        with table:
            shown = show(replay.run(sinks=[table]), settings.labels, replay.views)
        typer.echo(f"predictions -> {out / 'predictions.csv'}")
    warn(replay.warnings)
    typer.echo(shown)


def show(predictions: Iterable[tuple[FeatureWindow, Prediction]], labels: list[str], views: tuple[str, ...]) -> str:
    """Watch predictions pass by, in a live table on a terminal; returns a summary line.

    At the end a table is printed of the first window, and of those at which a view was lost or came back.
    """
    from rich.live import Live

    console = output()
    latest: list[tuple[FeatureWindow, Prediction]] = []
    turning: list[tuple[FeatureWindow, Prediction]] = []
    count, said, missing = 0, Counter[str](), Counter[str]()
    with Live(console=console, refresh_per_second=10, transient=True) as live:
        for window, prediction in predictions:
            count += 1
            said[prediction.label] += 1
            missing.update(view for view, there in zip(views, prediction.available, strict=True) if not there)
            if not latest or (prediction.available != latest[-1][1].available).any():
                turning.append((window, prediction))
            latest.append((window, prediction))
            del latest[:-LIVE_ROWS]
            if console.is_terminal:
                live.update(prediction_table("The latest windows", latest, labels, views))
    title = "The first window, and those at which a view was lost or came back"
    console.print(prediction_table(title, turning[:TURNING_ROWS], labels, views))
    if len(turning) > TURNING_ROWS:
        console.print(f"... and {len(turning) - TURNING_ROWS} more")
    parts = [f"{label} {n}" for label, n in said.most_common()]
    gone = "; ".join(f"{view} missing in {n}" for view, n in missing.items()) or "no view missing"
    return f"{count} windows: {', '.join(parts)}; {gone}"


def prediction_table(
    title: str, rows: list[tuple[FeatureWindow, Prediction]], labels: list[str], views: tuple[str, ...]
) -> Table:
    """Predictions, and of each view its posterior weight and contribution, or why it is missing."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title,
        title_justify="left",
        caption="of each view: posterior weight / contribution, or why it is missing",
        caption_justify="left",
    )
    for header in ("start (s)", "says"):
        add_column(table, header)
    for header in (*labels, "spread"):
        add_column(table, header, right=True)
    for header in views:
        add_column(table, header)
    for window, p in rows:
        cells: list[str | Text] = [f"{p.start_s:.1f}", p.label]
        best = p.probabilities.argmax()
        for i, probability in enumerate(p.probabilities):
            cells.append(Text(f"{probability:.2f}", style="bold green" if i == best and p.label != "none" else ""))
        cells.append(f"{p.spread:.2f}")
        for i, view in enumerate(views):
            if p.available[i]:
                cells.append(f"{p.posterior_weights[i]:.2f} / {p.contributions[i]:+.2f}")
            else:
                cells.append(Text(window.reason.get(view, "missing"), style="bold red"))
        add_row(table, *cells)
    return table
