"""What would go wrong in a live session, found before the participant sits down."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rtemo.config import Configuration, NetworkSettings, OutputSettings, ViewSettings
from rtemo.errors import BundleError, ConfigurationError, ModelError, StreamError
from rtemo.features.base import ViewSource
from rtemo.features.binding import find_stream, pick_channels
from rtemo.features.registry import make_extractor
from rtemo.grid import Grid
from rtemo.liblsl import PORTS
from rtemo.printable import printable
from rtemo.types import StreamDescription

if TYPE_CHECKING:
    from rtemo.model.bundle import Bundle
    from rtemo.sources.lsl.survey import StreamSurvey, VisibleStream

ORIGIN = "the network"
WARN_FREE_BYTES = 10e9
LEAST_FREE_BYTES = 1e9
LEAST_LIBLSL = (1, 18)
LINE = 1000
FIREWALL = (
    "Is the device's own program running, with LSL streaming switched on? On another machine: same network, same "
    f"LSL session id, and both firewalls open for LSL ({PORTS})?"
)

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    subject : str
        What was looked at, e.g. ``"view eeg"``.
    level : "ok", "warn" or "fail"
    finding : str
        One line, fit for a terminal.
    cure : str
        Empty where there is nothing to cure.
    exit_code : int
        That of a failure: 1 failed, 2 wrong configuration, 3 streams not found; 0 for what is no failure.
    """

    subject: str
    level: Level
    finding: str
    cure: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was looked at; `exit_code` is that of the gravest failure."""

    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """2 before 3 before 1; 0 where nothing failed."""
        codes = {check.exit_code for check in self.checks}
        return next((code for code in (2, 3, 1) if code in codes), 0)

    @property
    def failures(self) -> int:
        """How many failed."""
        return sum(check.level == "fail" for check in self.checks)

    @property
    def warnings(self) -> int:
        """How many are doubtful."""
        return sum(check.level == "warn" for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"exit_code": self.exit_code, "checks": [asdict(check) for check in self.checks]}


@dataclass(slots=True)
class _Checks:
    """Checks as they are made, their text made fit for a terminal."""

    subject: str
    made: list[Check] = field(default_factory=list)

    def _add(self, level: Level, finding: str, cure: str, exit_code: int) -> None:
        self.made.append(
            Check(printable(self.subject, 60), level, printable(finding, LINE), printable(cure, LINE), exit_code)
        )

    def ok(self, finding: str) -> None:
        self._add("ok", finding, "", 0)

    def warn(self, finding: str, cure: str) -> None:
        self._add("warn", finding, cure, 0)

    def fail(self, finding: str, cure: str, exit_code: int = 1) -> None:
        self._add("fail", finding, cure, exit_code)


def diagnose(
    config: Configuration | None = None,
    *,
    bundle_folder: Path | None = None,
    network: NetworkSettings | None = None,
    wait_s: float = 1.0,
    measure_s: float = 2.0,
) -> Diagnosis:
    """Look at machine, network, streams and model, as far as they are named.

    Parameters
    ----------
    config : Configuration, optional
        Of the session to come; that of the bundle if only a bundle is given. With neither, only machine and network
        are looked at, and nothing is needed.
    bundle_folder : Path, optional
    network : NetworkSettings, optional
        Those in force (`rtemo.liblsl.configure` comes first, before anything else of liblsl).
    wait_s, measure_s : float
        How long streams may take to answer, and how long their samples are counted.

    Returns
    -------
    Diagnosis
    """
    checks = [*_machine(), *_libraries()]
    bundle: Bundle | None = None
    if bundle_folder is not None:
        bundle, made = _load(bundle_folder, config)
        checks += made
        config = config or (bundle.configuration if bundle else None)
    checks += _devices(config, asked=bundle_folder is not None)
    surveys = _survey(wait_s, measure_s)
    checks += _network(surveys, network or NetworkSettings(), wait_s, needed=config is not None)
    used: set[str] = set()
    if config is not None:
        bound: dict[str, StreamDescription | None] = {}
        for view, settings in config.views.items():
            made, bound[view], key = _view(view, settings, config, surveys)
            checks += made
            used |= {key} if key else set()
        checks += _markers(config, surveys)
        if bundle is not None:
            checks += _fit(bundle, bound)
    checks += _others(surveys, used)
    checks += _disk(config.outputs if config else OutputSettings(), surveys)
    return Diagnosis(tuple(checks))


def _survey(wait_s: float, measure_s: float) -> list[StreamSurvey]:
    from rtemo.sources.lsl.survey import find_streams, survey

    return survey(find_streams(wait_s), measure_s)


def _machine() -> list[Check]:
    checks = _Checks("machine")
    checks.ok(f"rtemo {version('rtemo')}, Python {platform.python_version()}, {platform.platform()}")
    return checks.made


def _libraries() -> list[Check]:
    from rtemo.liblsl import stray_configurations, versions

    checks = _Checks("liblsl")
    found = versions()
    told = f"liblsl {found['liblsl']} (protocol {found['protocol']}), pylsl {found['pylsl']}"
    if tuple(map(int, found["liblsl"].split("."))) < LEAST_LIBLSL:
        checks.warn(
            f"{told}: older than what rtemo is tested with, {'.'.join(map(str, LEAST_LIBLSL))}",
            "Install pylsl anew, which brings its own, and unset PYLSL_LIB.",
        )
    else:
        checks.ok(told)
    for path in stray_configurations():
        checks.warn(
            f"{path} exists: other LSL programs on this machine take their settings from it, rtemo does not",
            "Move it away, or repeat its SessionID, ResolveScope and KnownPeers under [network].",
        )
    return checks.made


def _devices(config: Configuration | None, *, asked: bool) -> list[Check]:
    """Which device the model would run on; torch is imported only where a model is asked for."""
    checks = _Checks("device")
    wanted = config.model.device if config else "auto"
    if not asked:
        driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
        checks.ok(
            f'{"an NVIDIA driver is there" if driver else "no NVIDIA driver is there"}; device = "{wanted}" '
            "(what torch makes of it is seen with -m BUNDLE)"
        )
        return checks.made
    import torch

    from rtemo.model.trained import resolve_device

    try:
        device = resolve_device(wanted)
    except ConfigurationError as error:
        checks.fail(error.message, error.cure, error.exit_code)
        return checks.made
    named = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    checks.ok(f'device = "{wanted}" gives {device}{named}; torch {torch.__version__}')
    return checks.made


def _load(folder: Path, config: Configuration | None) -> tuple[Bundle | None, list[Check]]:
    """The bundle, and whether it fits the configuration."""
    from rtemo.model.bundle import load_bundle
    from rtemo.training import check_configuration

    checks = _Checks("bundle")
    try:
        bundle = load_bundle(folder)
    except (BundleError, ModelError) as error:
        checks.fail(error.message, error.cure, error.exit_code)
        return None, checks.made
    labels, views = ", ".join(bundle.labels), ", ".join(bundle.model.views)
    checks.ok(f"{folder}: tells apart {labels} by {views}")
    if config is not None:
        try:
            check_configuration(bundle, config)
        except ConfigurationError as error:
            checks.fail(error.message, error.cure, error.exit_code)
    return bundle, checks.made


def _fit(bundle: Bundle, bound: dict[str, StreamDescription | None]) -> list[Check]:
    """Whether the streams are those that the bundle was trained on."""
    from rtemo.training import check_streams

    checks = _Checks("bundle")
    there = {view.name: bound.get(view.name) for view in bundle.views}
    try:
        check_streams(bundle, there, ORIGIN)
    except StreamError as error:
        checks.fail(error.message, error.cure, error.exit_code)
        return checks.made
    seen = [view for view, stream in there.items() if stream is not None]
    if seen:
        checks.ok(f"channels and rates of {', '.join(seen)} are those that it was trained on")
    return checks.made


def _network(surveys: Sequence[StreamSurvey], network: NetworkSettings, wait_s: float, *, needed: bool) -> list[Check]:
    checks = _Checks("network")
    peers = f", known peers {', '.join(network.known_peers)}" if network.known_peers else ""
    told = f'scope "{network.scope}", session id "{network.session_id}"{peers}'
    if surveys:
        checks.ok(f"{len(surveys)} stream{'s' if len(surveys) != 1 else ''} visible ({told})")
    elif needed:
        checks.fail(f"no stream answered within {wait_s:g} s ({told})", FIREWALL, StreamError.exit_code)
    else:
        checks.warn(f"no stream answered within {wait_s:g} s ({told})", FIREWALL)
    return checks.made


def _view(
    view: str, settings: ViewSettings, config: Configuration, surveys: Sequence[StreamSurvey]
) -> tuple[list[Check], StreamDescription | None, str]:
    """Checks of one view, its stream with the chosen channels, and the key of the stream."""
    checks = _Checks(f"view {view}")
    by_key = {found.description.key: found for found in surveys if found.description is not None}
    streams = [found.description for found in by_key.values() if found.description is not None]
    try:
        extractor = make_extractor(settings.features, settings.settings, view=view)
        stream = find_stream(view, settings.model_copy(update={"required": False}), streams, ORIGIN)
        if stream is None:
            _missing(checks, view, settings, streams, surveys)
            return checks.made, None, ""
        description, _ = pick_channels(view, settings, stream, ORIGIN)
        extractor.reset(
            ViewSource(view, description, Grid(config.window.length_s, config.window.hop), settings.columns)
        )
    except (ConfigurationError, StreamError) as error:
        checks.fail(error.message, error.cure, error.exit_code)
        return checks.made, None, ""
    found = by_key[stream.key]
    problems = _Checks(checks.subject)
    _sending(problems, found, settings, config)
    if not any(check.level == "fail" for check in problems.made):
        measured = "" if found.rate_hz is None else f", measured {found.rate_hz:.2f} Hz"
        clock = (
            ""
            if found.clock_offset_s is None or found.uncertainty_s is None
            else f", clock {1e3 * found.clock_offset_s:+.2f} ± {1e3 * found.uncertainty_s:.2f} ms"
        )
        chosen = "" if description.channels == stream.channels else f", {description.channels} of them used"
        checks.ok(f"{stream}{chosen}{measured}{clock} -> {len(extractor.names)} features by {settings.features}")
    return [*checks.made, *problems.made], description, stream.key


def _missing(
    checks: _Checks,
    view: str,
    settings: ViewSettings,
    streams: Sequence[StreamDescription],
    surveys: Sequence[StreamSurvey],
) -> None:
    """Say that a view has no stream, and which comes nearest."""
    unread = [s for s in surveys if s.description is None and settings.stream.matches(_as_answered(s.stream))]
    wanted = settings.stream.model_dump(exclude_none=True)
    near = [
        (stream, field, value)
        for stream in streams
        if not stream.is_text and not stream.own
        for field, value in wanted.items()
        if [key for key in wanted if getattr(stream, key) != wanted[key]] == [field] and len(wanted) > 1
    ]
    finding = f"no stream with {settings.stream}"
    if unread:
        finding = f"the stream with {settings.stream} is visible, but {'; '.join(unread[0].findings)}"
        cure = _cure(unread[0].findings[0])
    elif near:
        told = "; ".join(f"{stream} has {field} {getattr(stream, field)!r}" for stream, field, _ in near[:3])
        finding += f"; nearest: {told}"
        cure = f"Correct [views.{view}] stream; where a source_id changes at each start, use name, type and hostname."
    else:
        visible = "; ".join(map(str, streams)) or "no stream at all"
        finding += f"; visible: {visible}"
        cure = FIREWALL
    if "required" in settings.model_fields_set and not settings.required:
        checks.warn(f"{finding} (required = false: the session starts without)", cure)
    else:
        checks.fail(finding, cure, StreamError.exit_code)


def _as_answered(stream: VisibleStream) -> StreamDescription:
    """A stream whose header did not come, by what its answer says."""
    return StreamDescription(
        stream.uid, stream.name, stream.type, (), stream.nominal_rate_hz, stream.source_id, stream.hostname
    )


def _sending(checks: _Checks, found: StreamSurvey, settings: ViewSettings, config: Configuration) -> None:
    """Whether what a view's stream sends makes windows of it."""
    nominal_hz = found.stream.nominal_rate_hz
    if found.opened_s is None:
        checks.fail("; ".join(found.findings) or "cannot be opened", f"Restart the device's program. {FIREWALL}")
        return
    lateness_s, length_s, least = config.window.lateness_s, config.window.length_s, settings.min_coverage
    explained = set()
    for finding in found.findings:
        if finding.startswith("sends nothing"):
            checks.fail(finding, "Is the device switched on and recording?")
            explained.add(finding)
        elif finding.startswith("runs at") and found.rate_hz is not None and found.rate_hz / nominal_hz < least:
            checks.fail(
                f"{finding}: coverage stays under min_coverage = {least:g}, the view would always be missing",
                "Set the device to its nominal rate; look for lost packets.",
            )
            explained.add(finding)
    if found.delay_s is not None and found.delay_s > lateness_s:
        told = f"samples arrive up to {found.delay_s:.3f} s after their stamps, and windows wait {lateness_s:g} s"
        cure = f"Set [window] lateness_s to {found.delay_s + 0.05:.2f} or more, or let the device send smaller chunks."
        explained |= {finding for finding in found.findings if finding.startswith("its samples are")}
        if found.delay_s - lateness_s > (1 - least) * length_s:
            checks.fail(f"{told}: the view would always be missing", cure)
        else:
            checks.warn(told, cure)
    for finding in found.findings:
        if finding not in explained:
            checks.warn(finding, _cure(finding))


_CURES = {
    "is a duplicate": "Stop one of them: nothing tells them apart.",
    "a stream on another host": "Add hostname to the stream in the configuration, or stop one of them.",
    "has no source_id": "Let the sender set one, so that it is known again wherever it comes back.",
    "runs at": "Look for lost packets, or correct the nominal rate in the sender.",
    "its clock": "Use a cable rather than wireless, or close what loads the network.",
    "its stamps are": "The sender stamps with another clock than LSL's: correct it, or its synchronization entry.",
    "cannot be": FIREWALL,
    "hangs": "Restart the program that sends it.",
    "is refused": "Correct what the sender says of its stream.",
}


def _cure(finding: str) -> str:
    return next((cure for start, cure in _CURES.items() if finding.startswith(start)), "")


def _markers(config: Configuration, surveys: Sequence[StreamSurvey]) -> list[Check]:
    """Marker streams are often started with the experiment only, and a session predicts without: no failure."""
    checks = _Checks("markers")
    if config.markers is None:
        return checks.made
    selector = config.markers.stream
    fitting = [s.description for s in surveys if s.description is not None and selector.matches(s.description)]
    if len(fitting) == 1:
        checks.ok(str(fitting[0]))
    elif fitting:
        checks.warn(
            f"{len(fitting)} streams fit {selector}: {'; '.join(map(str, fitting))}",
            "Say which under [markers] stream, by name, source_id or hostname.",
        )
    else:
        checks.warn(
            f"no stream with {selector}", "Start the stimulus program before the recording, if it gives labels."
        )
    return checks.made


def _others(surveys: Sequence[StreamSurvey], used: set[str]) -> list[Check]:
    """What looks wrong with streams that no view reads."""
    made: list[Check] = []
    for number, found in enumerate(surveys, 1):
        if found.description is not None and found.description.key in used:
            continue
        checks = _Checks(f"stream {number} {found.stream.name}")
        for finding in found.findings:
            checks.warn(finding, _cure(finding))
        made += checks.made
    return made


def _disk(outputs: OutputSettings, surveys: Sequence[StreamSurvey]) -> list[Check]:
    checks = _Checks("disk")
    folder = outputs.folder.absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        checks.fail(f"{there}: cannot be looked at ({error.strerror})", "Check [outputs] folder.")
        return checks.made
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        checks.fail(f"{folder}: cannot be written in {there}", "Check [outputs] folder and its permissions.")
        return checks.made
    rate = sum(found.bytes_per_s for found in surveys)
    lasts = f", enough for {_span(free / rate)} of all visible streams ({rate / 1e6:.2g} MB/s)" if rate > 0 else ""
    told = f"{free / 1e9:.1f} GB free for {folder}{lasts}"
    if free < LEAST_FREE_BYTES:
        checks.fail(told, "Make room, or set [outputs] folder to another disk.")
    elif free < WARN_FREE_BYTES:
        checks.warn(told, "Make room before a long session.")
    else:
        checks.ok(told)
    return checks.made


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 3 * 3600 else f"{seconds / 3600:.0f} hours"
