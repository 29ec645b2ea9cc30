"""`rtemo calibrate`: a new participant's session, from the check of the streams to a bundle and a verdict on it."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import Device
from rtemo.cli.dashboard_process import no_display
from rtemo.printable import printable

if TYPE_CHECKING:
    from calibration.presenter.app import Showing

UNKNOWN = "unknown"


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
    ] = UNKNOWN,
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
    more: Annotated[
        bool,
        typer.Option("--more", help="With --resume: show all trials once more, in another order, and train on all."),
    ] = False,
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

    rtemo calibrate --resume sessions/sub-07/ses-20260301T101500Z --more

    rtemo calibrate --retrain sessions/sub-07/ses-20260301T101500Z

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
    if config is None:
        _refuse_idle(
            "--resume and --retrain",
            ("--protocol", protocol is not None),
            ("-p", participant != UNKNOWN),
            ("-o", out is not None),
            ("--seed", seed is not None),
            ("--external", external),
            ("--first (but with --retrain)", first is not None and retrain is None),
            ("--no-train (with --retrain)", retrain is not None and not train),
            ("--more (but with --resume)", more and resume is None),
        )
    elif more:
        raise ConfigurationError("--more goes on with a session.", cure="Say --resume FOLDER --more.")
    from calibration.folder import begin, extend, reopen
    from calibration.machine import Stage
    from calibration.protocol import load_protocol, resolve_protocol
    from rtemo.cli.calibration_stages import Attending, Stages, check_kinds

    def shown() -> Showing:
        return _showing(screen, window, experimenter, photodiode)

    opened, how = resume or retrain, None
    if opened is not None:
        session = reopen(opened, first=first)
    else:
        assert config is not None
        if protocol is not None:
            # What cannot be shown here is refused before anything is made.
            _refuse_idle("--protocol", ("--duration", duration is not None), ("--end-marker", bool(end_marker)))
            check_kinds(load_protocol(resolve_protocol(protocol)))
            how = shown()
        folder = out or load_configuration(config).outputs.folder
        session = begin(folder, participant, config, protocol, seed=seed, first=first)
    try:
        typer.echo(f"session -> {printable(str(session.path))}")
        if more:
            session = extend(session)
        again = _options(screen, window, experimenter, photodiode, duration, end_marker)
        stages = Stages(session, wait_s=wait, device=device, options=again)
        if retrain is None and session.logbook.progress.stage in (Stage.CHECK, Stage.BASELINE, Stage.TRIALS):
            if session.protocol is None:
                stages.attend(Attending(math.inf if duration is None else duration, end_marker))
            else:
                _refuse_idle("a protocol", ("--duration", duration is not None), ("--end-marker", bool(end_marker)))
                stages.present(how or shown())
        if train:
            stages.train(again=retrain is not None)
    finally:
        session.logbook.close()


def _refuse_idle(with_what: str, *given: tuple[str, bool]) -> None:
    """Refuse options that would do nothing."""
    from rtemo.errors import ConfigurationError

    idle = [name for name, is_given in given if is_given]
    if idle:
        raise ConfigurationError(f"{', '.join(idle)}: means nothing with {with_what}.", cure="Leave it out.")


def _options(
    screen: int,
    window: str | None,
    experimenter: bool | None,
    photodiode: str | None,
    duration: float | None,
    end_marker: str,
) -> str:
    """What has to be said again when the session is gone on with."""
    said = [
        *([f"--screen {screen}"] if screen else []),
        *([f"--window {window}"] if window is not None else []),
        *(["--experimenter" if experimenter else "--no-experimenter"] if experimenter is not None else []),
        *([f"--photodiode {photodiode}"] if photodiode is not None else []),
        *([f"--duration {duration:g}"] if duration is not None else []),
        *([f"--end-marker {shlex.quote(end_marker)}"] if end_marker else []),
    ]
    return " ".join(said)


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
