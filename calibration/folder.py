"""The folder of a calibration session: made once, opened again whenever the session goes on."""

from __future__ import annotations

import datetime
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from calibration.logbook import Logbook
from calibration.protocol import (
    Protocol,
    check_labels,
    check_media,
    load_protocol,
    protocol_bytes,
    resolve_protocol,
)
from calibration.schedule import PlannedTrial, plan_sha256, planned
from rtemo.config import Configuration, load_configuration
from rtemo.errors import ConfigurationError
from rtemo.outputs.folder import (
    CONFIGURATION,
    environment,
    make_session_folder,
    session_name,
    write_configuration,
    write_environment,
)

JOURNAL: Final = "journal.jsonl"
PROTOCOL: Final = "protocol.toml"
BUNDLE: Final = "bundle"
REPORT: Final = "report.html"
RESULT: Final = "result.json"
MOST_SEED: Final = 2**30


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
        Something is wrong with configuration, protocol, its media or the folder; nothing was made.
    """
    settings = load_configuration(config)
    file = None if protocol is None else resolve_protocol(protocol)
    shown = None if file is None else load_protocol(file)
    if seed is None:
        seed = shown.seed if shown is not None and shown.seed is not None else secrets.randbelow(MOST_SEED)
    plan: tuple[PlannedTrial, ...] = ()
    if shown is None:
        _check_markers(settings)
    else:
        assert file is not None
        check_labels(shown, settings.labels)
        check_media(shown, file.resolve().parent)
        plan = planned(shown, seed)
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


def reopen(folder: Path) -> CalibrationFolder:
    """Open a session to go on with it.

    Raises
    ------
    ConfigurationError
        The folder holds no calibration session, or its files are not those that it was begun with.
    JournalError
        Its journal cannot be read.
    """
    if not (folder / JOURNAL).is_file():
        raise ConfigurationError(
            f"{folder}: expected the folder of a calibration session, found no {JOURNAL} in it.",
            cure="Name the folder sub-<id>/ses-<stamp> that rtemo calibrate told.",
        )
    logbook = Logbook(folder / JOURNAL)
    try:
        return _opened(folder, logbook)
    except BaseException:
        logbook.close()
        raise


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
        plan = planned(shown, seed)
        if plan_sha256(plan) != facts.get("plan_sha256"):
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
