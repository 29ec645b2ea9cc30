"""`rtemo calibrate`: a new participant's session, from the check of the streams to a bundle and a verdict on it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import Device
from rtemo.cli.dashboard_process import no_display
from rtemo.printable import printable

if TYPE_CHECKING:
    from calibration.presenter.app import Showing


def calibrate(
    config: Annotated[
        Path | None, typer.Argument(help="The configuration (TOML); none with --resume.", show_default=False)
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            help="A protocol (TOML), or quick, images or film_clips, which are shipped.",
            show_default=False,
        ),
    ] = None,
    participant: Annotated[
        str, typer.Option("-p", "--participant", help="Letters and digits; names the session's folder.")
    ] = "unknown",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of all sessions; [outputs] folder if not given.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", help="Go on with a session from its folder, wherever it stopped.", show_default=False),
    ] = None,
    retrain: Annotated[
        Path | None,
        typer.Option(
            "--retrain", help="Train a session's model anew, after rtemo label mended labels.", show_default=False
        ),
    ] = None,
    first: Annotated[
        Path | None,
        typer.Option(
            "--first", help="The bundle of the participant's first session, to start from.", show_default=False
        ),
    ] = None,
    external: Annotated[
        bool, typer.Option("--external", help="Another program shows the stimuli and sends the [markers].")
    ] = False,
    duration: Annotated[
        float | None, typer.Option(min=1.0, help="--external: seconds after which the trials are over.")
    ] = None,
    end_marker: Annotated[str, typer.Option(help="--external: a marker after which the trials are over.")] = "",
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**30, help="Of the order of trials; the protocol's, or drawn.")
    ] = None,
    screen: Annotated[int, typer.Option(min=0, help="Number of the participant's screen.")] = 0,
    window: Annotated[
        str | None, typer.Option(metavar="WxH", help="A window of this size instead of the whole screen.")
    ] = None,
    experimenter: Annotated[
        bool | None,
        typer.Option(
            "--experimenter/--no-experimenter",
            help="A second window for the experimenter; where there is a second screen, or --window, if not given.",
        ),
    ] = None,
    photodiode: Annotated[
        str | None,
        typer.Option(metavar="CORNER", help="A square that is white while a stimulus is shown, e.g. bottom-right."),
    ] = None,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for streams that are not there yet.")] = 10.0,
    train: Annotated[bool, typer.Option("--train/--no-train", help="Whether to train after the trials.")] = True,
    device: Device = None,
) -> None:
    """Show a protocol, record everything, train a model on it, and say whether it can be trusted.

    rtemo calibrate lab.toml --protocol quick -p 07

    rtemo calibrate lab.toml --protocol films/day1.toml -p 07 --screen 1 --photodiode bottom-right

    rtemo calibrate --resume sessions/sub-07/ses-20260301T101500Z

    rtemo calibrate lab.toml --external --end-marker experiment/end -p 07

    rtemo calibrate lab.toml --protocol quick -p 07 --first sessions/sub-07/ses-20260301T101500Z/bundle

    The participant's keys: Space goes on. The experimenter's: P pauses, S skips, R does the trial again, Esc twice ends
    the session; what was done by then is kept, and --resume goes on.

    Exit codes: 0 done, 1 failed or a model that should not be used, 2 wrong usage, configuration or protocol, 3 streams
    not found, 130 stopped before the end.
    """
    from rtemo.config import load_configuration
    from rtemo.errors import ConfigurationError

    if sum(one is not None for one in (config, resume, retrain)) != 1:
        raise ConfigurationError(
            "rtemo calibrate needs a configuration, or --resume FOLDER, or --retrain FOLDER.",
            cure="E.g. rtemo calibrate lab.toml --protocol quick -p 07.",
        )
    if config is not None and (protocol is None) != external:
        raise ConfigurationError(
            "expected either --protocol or --external.",
            cure="--protocol quick shows words; --external waits for another program's markers.",
        )
    if first is not None and config is None:
        raise ConfigurationError("--first belongs to the beginning of a session.", cure="Leave it out.")
    if not external and (duration is not None or end_marker):
        raise ConfigurationError("--duration and --end-marker belong to --external.", cure="Leave them out.")
    from calibration.folder import begin, reopen
    from calibration.machine import Stage
    from rtemo.cli.calibration_stages import Attending, Stages

    def shown() -> Showing:
        return _showing(screen, window, experimenter, photodiode)

    opened, how = resume or retrain, None
    if opened is not None:
        session = reopen(opened)
    else:
        assert config is not None
        how = None if external else shown()
        folder = out or load_configuration(config).outputs.folder
        session = begin(folder, participant, config, protocol, seed=seed, first=first)
    try:
        typer.echo(f"session -> {printable(str(session.path))}")
        stages = Stages(session, wait_s=wait, device=device)
        if retrain is None and session.logbook.progress.stage in (Stage.CHECK, Stage.BASELINE, Stage.TRIALS):
            if session.protocol is None:
                stages.attend(Attending(math.inf if duration is None else duration, end_marker))
            else:
                stages.present(how or shown())
        if train:
            stages.train(again=retrain is not None)
    finally:
        session.logbook.close()


def _showing(screen: int, window: str | None, experimenter: bool | None, photodiode: str | None) -> Showing:
    """How the participant's window is placed, from the words of the command line."""
    from rtemo.errors import ConfigurationError

    if no_display():
        raise ConfigurationError(
            "there is no screen here to show stimuli on.",
            cure="Run it on the participant's machine, or let another program show them: --external.",
        )
    from calibration.presenter.app import showing_of

    return showing_of(screen, window, photodiode, experimenter=experimenter)
