"""`rtemo train`: learn a SiMVAE from labelled recordings, and from unlabelled ones beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import (
    Device,
    Recordings,
    Seed,
    Unsynchronised,
    extract_all,
    progress_bar,
    refuse_duplicates,
    warn,
)

if TYPE_CHECKING:
    from rtemo.model.train import EpochReport


def train(
    config: Annotated[Path, typer.Argument(help="The configuration (TOML).", show_default=False)],
    recordings: Recordings,
    out: Annotated[Path, typer.Option("-o", "--out", help="The bundle to write (a folder).", show_default=False)],
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option("--unlabelled", help="Recordings whose labels are never read: all up to the next option."),
    ] = None,
    seed: Seed = 0,
    device: Device = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Where to keep what an interrupted training needs.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from --checkpoint; from the start if it does not exist yet.")
    ] = False,
    unsynchronised: Unsynchronised = False,
) -> None:
    """Learn a model from labelled recordings, and from unlabelled ones beside them.

    rtemo train lab.toml sub-01.xdf sub-02.xdf -o bundles/lab

    rtemo train lab.toml sub-01.xdf --unlabelled sub-02.xdf sub-03.xdf --seed 1 -o bundles/lab
    """
    from rtemo.config import load_configuration
    from rtemo.errors import ConfigurationError
    from rtemo.model.bundle import check_target, save_bundle
    from rtemo.model.settings import make_settings
    from rtemo.model.trained import resolve_device
    from rtemo.training import train_bundle

    if resume and checkpoint is None:
        raise ConfigurationError("--resume needs --checkpoint.", cure="Say where the state was kept.")
    settings = load_configuration(config)
    # What can be wrong is refused before hours are spent on it.
    make_settings(settings.model.preset, settings.model.settings)
    resolve_device(device or settings.model.device)
    refuse_duplicates([*recordings, *(unlabelled or [])])
    check_target(out)
    if checkpoint is not None and checkpoint.is_dir():
        raise ConfigurationError(
            f"{checkpoint}: expected a file for --checkpoint, found a folder.", cure="Name a file."
        )
    labelled = extract_all(recordings, settings, unsynchronised=unsynchronised)
    further = extract_all(unlabelled or [], settings, read_labels=False, unsynchronised=unsynchronised)
    with progress_bar() as progress:
        task = progress.add_task("training", total=None, note="")

        def show(report: EpochReport) -> None:
            terms = "  ".join(f"{name} {value:.3g}" for name, value in report.losses.items())
            held_out = "" if report.validation is None else f"  held-out {report.validation:.3f}"
            progress.update(task, completed=report.epoch, total=report.epochs, note=terms + held_out)

        trained = train_bundle(
            settings,
            labelled,
            further,
            seed=seed,
            device=device or settings.model.device,
            on_epoch=show,
            checkpoint=checkpoint,
            resume=resume,
        )
    warn(trained.warnings)
    save_bundle(out, trained.bundle)
    typer.echo(f"{trained.summary} -> {out}")
