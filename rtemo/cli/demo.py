"""`rtemo demo`: all of it with a simulated participant, nothing to set up."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from rtemo.cli.common import Seed

WATCHED_SPEED = 12.0


def demo(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Keep all files in this folder.")] = None,
    seed: Seed = 0,
) -> None:
    """Train on a simulated participant with EEG and eye features, then play a second session in which sensors drop out.

    rtemo demo
    """
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        _demonstrate(out, seed)
        typer.echo(f"recordings, bundle and predictions -> {out}")
        return
    with tempfile.TemporaryDirectory(prefix="rtemo-demo-") as folder:
        _demonstrate(Path(folder), seed)


def _demonstrate(folder: Path, seed: int) -> None:
    from rtemo.cli.common import extract_all, progress_bar
    from rtemo.cli.play import show
    from rtemo.demonstration import configuration, record
    from rtemo.evaluation.evaluate import evaluate
    from rtemo.extraction import join
    from rtemo.model.bundle import load_bundle, save_bundle
    from rtemo.model.predict import Predictor
    from rtemo.outputs.table import Table, prediction_layout
    from rtemo.replay import Replay
    from rtemo.training import standardise, train_bundle

    began_s = time.monotonic()
    config = configuration()
    first, second = record(folder, seed)
    typer.echo("1. A simulated participant watches film clips, recorded as XDF: EEG at 250 Hz, eye features at 1 Hz.")
    labelled = extract_all([first], config)
    with progress_bar() as progress:
        task = progress.add_task("2. training", total=None, note="")
        trained = train_bundle(
            config,
            labelled,
            [],
            seed=seed,
            on_epoch=lambda report: progress.update(
                task, completed=report.epoch, total=report.epochs, note=f"loss {report.losses['total']:.2f}"
            ),
        )
    save_bundle(folder / "bundle", trained.bundle)
    typer.echo(f"2. {trained.summary}")
    typer.echo("3. A second session. First the eye tracker drops out, then the EEG, then both.")
    bundle = load_bundle(folder / "bundle")
    # Somebody who looks on wants to see it happen.
    replay = Replay(second, config, bundle, speed=WATCHED_SPEED if sys.stdout.isatty() else None)
    with Table(folder / "predictions.csv", prediction_layout(config.labels, replay.views)) as table:
        typer.echo(show(replay.run(sinks=[table]), config.labels, replay.views))
    typer.echo(f"   adaptation {replay.adaptation}")
    tested = join([e.table for e in extract_all([second], config, references=bundle.references)])
    predictor = Predictor(bundle.model)
    result = evaluate(
        tested,
        standardise(tested, config, bundle.standardiser),
        config.labels,
        lambda views: predictor.predict_many(views).probabilities,
    )
    for name, scores in result.conditions.items():
        chance = 1 / len(config.labels)
        typer.echo(f"   {name}: accuracy {scores.accuracy:.2f} in {scores.windows} windows (chance {chance:.2f})")
    typer.echo(f"A simulation proves mechanics, not accuracy on people. {time.monotonic() - began_s:.0f} s.")
