"""The folder of a calibration session: made once, opened again whenever the session goes on."""

from __future__ import annotations

import datetime
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from calibration.logbook import Logbook
from calibration.machine import Stage, allowed
from calibration.protocol import (
    Protocol,
    check_labels,
    check_media,
    load_protocol,
    protocol_bytes,
    resolve_protocol,
)
from calibration.schedule import PlannedTrial, plan_sha256, planned, planned_passes
from rtemo.config import Configuration, load_configuration
from rtemo.errors import ConfigurationError
from rtemo.labels import EDGE_S
from rtemo.outputs.folder import (
    CONFIGURATION,
    environment,
    make_session_folder,
    session_name,
    write_configuration,
    write_environment,
)
from rtemo.printable import printable

JOURNAL: Final = "journal.jsonl"
PROTOCOL: Final = "protocol.toml"
BUNDLE: Final = "bundle"
REPORT: Final = "report.html"
RESULT: Final = "result.json"
SEEDS_DRAWN: Final = 2**30


@dataclass(frozen=True)
class CalibrationFolder:
    """A session on disk, opened to go on with; `logbook` holds its journal open.

    Parameters
    ----------
    path : Path
    config : Configuration
    protocol : Protocol or None
        None where another program shows the stimuli.
    media : Path
        The folder that the protocol's files count from.
    plan : tuple of PlannedTrial
        Empty without a protocol.
    seed : int
        Of the order of trials, and of the training.
    first : Path or None
        The bundle that the participant's model starts from.
    logbook : Logbook
    """

    path: Path
    config: Configuration
    protocol: Protocol | None
    media: Path
    plan: tuple[PlannedTrial, ...]
    seed: int
    first: Path | None
    logbook: Logbook

    @property
    def session(self) -> str:
        """What it is called on the network."""
        return session_name(self.path)

    @property
    def recordings(self) -> list[Path]:
        """The recordings of all runs so far that are there, in order."""
        runs = self.logbook.progress.runs
        return [path for number in sorted(runs) if (path := self.path / runs[number]).is_file()]


def begin(
    out: Path,
    participant: str,
    config: Path,
    protocol: str | Path | None,
    *,
    seed: int | None = None,
    first: Path | None = None,
) -> CalibrationFolder:
    """Make the folder of a new session.

    Parameters
    ----------
    out : Path
        The folder of all sessions.
    participant : str
        Letters and digits.
    config : Path
    protocol : str or Path or None
        A path or a shipped protocol's name; None where another program shows the stimuli.
    seed : int, optional
        The protocol's if not given, else drawn.
    first : Path, optional
        A bundle to start from.

    Raises
    ------
    ConfigurationError
        Something is wrong with configuration, protocol, its media, the first bundle or the folder; nothing was made.
    BundleError
        The first bundle cannot be read; nothing was made.
    """
    settings = load_configuration(config)
    file = None if protocol is None else resolve_protocol(protocol)
    shown = None if file is None else load_protocol(file)
    if seed is None:
        seed = shown.seed if shown is not None and shown.seed is not None else secrets.randbelow(SEEDS_DRAWN)
    plan: tuple[PlannedTrial, ...] = ()
    if shown is None:
        _check_markers(settings)
    else:
        assert file is not None
        check_labels(shown, settings.labels)
        check_media(shown, file.resolve().parent)
        plan = planned(shown, seed)
        _check_lengths(plan, settings)
    if first is not None:
        _check_first(first, settings)
    started = datetime.datetime.now(datetime.UTC)
    folder = make_session_folder(out, participant, started)
    write_configuration(folder, settings)
    write_environment(folder, environment(started, bundle=first))
    if file is not None:
        (folder / PROTOCOL).write_bytes(protocol_bytes(file))
    logbook = Logbook(folder / JOURNAL)
    logbook.write(
        "session",
        participant=participant,
        labels=settings.labels,
        seed=seed,
        plan_sha256=plan_sha256(plan),
        config_sha256=_sha256(folder / CONFIGURATION),
        protocol_sha256=None if file is None else _sha256(folder / PROTOCOL),
        protocol_folder=None if file is None else str(file.resolve().parent),
        first_bundle=None if first is None else str(first.resolve()),
    )
    media = folder if file is None else file.resolve().parent
    return CalibrationFolder(folder, settings, shown, media, plan, seed, first, logbook)


def reopen(folder: Path, *, first: Path | None = None) -> CalibrationFolder:
    """Open a session to go on with it.

    Parameters
    ----------
    folder : Path
    first : Path, optional
        A bundle to start from instead of the one that the session began with, this time.

    Raises
    ------
    ConfigurationError
        The folder holds no calibration session, its files are not those that it was begun with, or `first` is of other
        views or labels.
    JournalError
        Its journal cannot be read, or another program has it open.
    BundleError
        `first` cannot be read.
    """
    if not (folder / JOURNAL).is_file():
        raise ConfigurationError(
            f"{folder}: expected the folder of a calibration session, found no {JOURNAL} in it.",
            cure="Name the folder sub-<id>/ses-<stamp> that rtemo calibrate told.",
        )
    logbook = Logbook(folder / JOURNAL)
    try:
        session = _opened(folder, logbook)
        if first is not None:
            _check_first(first, session.config)
            session = replace(session, first=first)
        return session
    except BaseException:
        logbook.close()
        raise


def extend(session: CalibrationFolder) -> CalibrationFolder:
    """Let a session go on after its last trial: every trial once more, in another order, without those of practice.

    Where trials are left, or another program shows them, nothing is added: the session only goes back to them.

    Parameters
    ----------
    session : CalibrationFolder
        Open; use what is returned in its place.

    Returns
    -------
    CalibrationFolder
        At the check of streams, with the longer plan.
    """
    logbook = session.logbook
    logbook.close_interrupted()
    if session.protocol is not None and logbook.progress.next_trial(session.plan) is None:
        number = logbook.progress.passes + 1
        session = replace(session, plan=planned_passes(session.protocol, session.seed, number))
        logbook.write("extended", number=number, plan_sha256=plan_sha256(session.plan))
    if allowed(logbook.progress.stage, Stage.CHECK):
        logbook.write("stage", stage=Stage.CHECK.value)
    return session


def _opened(folder: Path, logbook: Logbook) -> CalibrationFolder:
    facts = logbook.progress.facts
    _check_same(folder / CONFIGURATION, facts.get("config_sha256"))
    settings = load_configuration(folder / CONFIGURATION)
    seed, first = facts.get("seed"), facts.get("first_bundle")
    if not isinstance(seed, int) or isinstance(seed, bool) or not (first is None or isinstance(first, str)):
        raise _foreign(folder, "its entry 'session' lacks the seed or holds another thing for the first bundle")
    shown: Protocol | None = None
    plan: tuple[PlannedTrial, ...] = ()
    media = folder
    if facts.get("protocol_sha256") is not None:
        _check_same(folder / PROTOCOL, facts["protocol_sha256"])
        shown = load_protocol(folder / PROTOCOL)
        media = Path(str(facts.get("protocol_folder")))
        progress = logbook.progress
        plan = planned_passes(shown, seed, progress.passes)
        hashes = [facts.get("plan_sha256"), *progress.extended]
        if hashes != [plan_sha256(planned_passes(shown, seed, n)) for n in range(1, progress.passes + 1)]:
            raise _foreign(folder, "this version would show the trials in another order than the session began with")
    return CalibrationFolder(
        folder, settings, shown, media, plan, seed, None if first is None else Path(first), logbook
    )


def _check_markers(config: Configuration) -> None:
    """An external program's markers are the only labels there are."""
    if config.markers is None:
        raise ConfigurationError(
            "--external: the configuration has no [markers], which say what the program's markers mean.",
            cure='Add e.g. [markers] stream = { name = "PsychoPy" }, labels = { "clip/happy" = "positive" }.',
        )
    absent = sorted(set(config.labels) - set(config.markers.labels.values()))
    if absent:
        raise ConfigurationError(
            f"--external: no marker in [markers] labels means {absent}: nothing could be learnt of them.",
            cure="Add markers for them, or leave them out of labels.",
        )


def _check_first(first: Path, config: Configuration) -> None:
    """A first bundle must be whole, and its windows such as this configuration makes them."""
    # Not before it is needed: torch takes its time.
    from calibration.training.first import disagreement
    from rtemo.model.bundle import load_bundle

    why = disagreement(load_bundle(first), config, (), ())
    if why:
        raise ConfigurationError(
            f"--first {first}: nothing can be learnt from it here: {why.rstrip('.')}.",
            cure="Take a bundle of this configuration, the configuration that it was trained with, or none.",
        )


def _check_lengths(plan: Sequence[PlannedTrial], config: Configuration) -> None:
    """A trial is learnt from by its whole windows; so long a stimulus holds one wherever it begins."""
    least_s = config.window.length_s + config.window.hop
    known = [trial for trial in plan if not trial.practice and trial.stimulus_s is not None]
    shortest = min(known, key=lambda trial: trial.stimulus_s or 0.0, default=None)
    if shortest is not None and shortest.stimulus_s is not None and shortest.stimulus_s < least_s - EDGE_S:
        raise ConfigurationError(
            f"the protocol has stimuli of {shortest.stimulus_s:g} s (block {printable(shortest.block)!r}); windows of "
            f"{config.window.length_s:g} s every {config.window.hop:g} s need {least_s:g} s, or there may be none in a "
            "trial.",
            cure="Give a longer stimulus_s in the protocol, or shorter windows in the configuration.",
        )


def _check_same(path: Path, digest: object) -> None:
    if _sha256(path) != digest:
        raise _foreign(path.parent, f"{path.name} was changed since the session began")


def _foreign(folder: Path, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{folder}: {what}.", cure="Put the file back as it was, or begin a new session: this one's data stay usable."
    )


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}).", cure="A session needs all files of its folder."
        ) from error
