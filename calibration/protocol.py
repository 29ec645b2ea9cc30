"""The protocol of a calibration session: a TOML document that is checked before the participant sits down."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from calibration.selfreport import EMOTION, SAM_STEPS, LabelSettings, ReportSettings, Scale
from rtemo.config import RESERVED_LABELS
from rtemo.errors import ConfigurationError
from rtemo.includes import own_text, read_document
from rtemo.outputs.toml import toml_text
from rtemo.printable import printable

SHIPPED = Path(__file__).parent / "protocols"
SUFFIX = ".toml"
MOST_PROBLEMS, MOST_SHOWN = 10, 200
MOST_TRIALS = 5000
MOST_SEED = 2**63 - 1
MEDIA_KINDS = ("video", "image", "sound")
OWN_LENGTH = ("video", "sound")
"""Kinds that come to an end by themselves."""
PICTURES = "PNG, JPEG, GIF, BMP, WebP, TIFF and SVG"
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")
_HEAD = 4096
"""Bytes of a file in which its kind is told, with room for what may stand before an SVG's first tag."""

Seconds = Annotated[float, Field(strict=True, ge=0, le=3600, allow_inf_nan=False)]
Lasting = Annotated[float, Field(strict=True, ge=0.1, le=3600, allow_inf_nan=False)] | Literal["own"]
Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Anchored = tuple[Text, str, str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stimulus(_Strict):
    """What is shown or played in a trial."""

    kind: Literal["video", "image", "sound", "text", "none"]
    file: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    text: Text | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Stimulus:
        if self.file is not None and "\0" in self.file:
            raise ValueError("file holds a character that no file's name has")
        needs = {"file": self.kind in MEDIA_KINDS, "text": self.kind == "text"}
        for name, needed in needs.items():
            if needed != (getattr(self, name) is not None):
                raise ValueError(f'kind = "{self.kind}" {"needs" if needed else "has no"} {name}')
        return self

    def path(self, folder: Path) -> Path | None:
        """Where its file lies, relative to the protocol's folder; None where it has none."""
        return None if self.file is None else folder / self.file


class Timing(_Strict):
    """Durations of a trial; ``stimulus_s = "own"`` is a video's or a sound's own length."""

    fixation_s: Seconds | None = None
    stimulus_s: Lasting | None = None
    rest_s: Seconds | None = None


class Trial(Timing):
    """One stimulus with its intended label, shown ``repeat`` times."""

    label: Name | None = None
    stimulus: Stimulus
    repeat: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1


class Block(Timing):
    """Trials that belong together; those of a practice block are recorded, and neither labelled nor trained on."""

    name: Name
    practice: bool = False
    instructions: Text | None = None
    trials: Annotated[list[Trial], Field(min_length=1)]


class Order(_Strict):
    """The order of trials; ``all`` mixes the blocks, behind those of practice."""

    shuffle: Literal["none", "within-blocks", "all"] = "within-blocks"
    no_repeat: bool = False


class Texts(_Strict):
    """What the participant reads; questions are text, meaning of the lowest step, meaning of the highest step."""

    rest: Text = "Please rest."
    pause: Text = "There is a short pause."
    resumed: Text = "The session goes on."
    end: Text = "Thank you. This part is finished."
    valence: Anchored = ("How pleasant did you feel?", "unpleasant", "pleasant")
    arousal: Anchored = ("How aroused did you feel?", "calm", "excited")
    dominance: Anchored = ("How much in control did you feel?", "controlled", "in control")
    emotion: Text = "Which word describes best what you felt?"


class Protocol(_Strict):
    """A whole protocol."""

    name: Name
    instructions: Text
    seed: Annotated[int, Field(strict=True, ge=0, le=MOST_SEED)] | None = None
    baseline_s: Seconds = 30.0
    timing: Timing = Timing()
    order: Order = Order()
    report: ReportSettings | None = None
    labels: LabelSettings = LabelSettings()
    texts: Texts = Texts()
    blocks: Annotated[list[Block], Field(min_length=1, max_length=100)]

    @field_validator("blocks")
    @classmethod
    def _blocks_differ(cls, value: list[Block]) -> list[Block]:
        names = [block.name for block in value]
        if len(set(names)) != len(names):
            raise ValueError("a block's name is given twice")
        shown = sum(trial.repeat for block in value for trial in block.trials)
        if shown > MOST_TRIALS:
            raise ValueError(f"{shown} trials; more than {MOST_TRIALS} are no session")
        if all(block.practice for block in value):
            raise ValueError("all blocks are practice: nothing would be learnt")
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Protocol:
        self.labels.check(self.report)
        practising = [block.practice for block in self.blocks]
        if self.order.shuffle == "all":
            if practising != sorted(practising, reverse=True):
                raise ValueError('order.shuffle = "all" wants practice blocks before all others')
            told = [block.name for block in self.blocks if block.instructions is not None and not block.practice]
            if told:
                raise ValueError(f'order.shuffle = "all" mixes the blocks, so {told} can have no instructions')
        for block in self.blocks:
            for trial in block.trials:
                self._check_trial(block, trial)
        return self

    def _check_trial(self, block: Block, trial: Trial) -> None:
        where = f"block {block.name!r}, {_called(trial)}"
        if not block.practice and trial.label is None and self.labels.rule == "intended":
            raise ValueError(f'{where}: labels.rule = "intended" needs a label')
        if trial.label is not None:
            problem = _unfit(trial.label)
            if problem:
                raise ValueError(f"{where}: {problem}")
        lasting = self.stimulus_s(block, trial)
        if lasting in (None, "own") and trial.stimulus.kind not in OWN_LENGTH:
            raise ValueError(f'{where}: kind = "{trial.stimulus.kind}" has no length of its own: give stimulus_s')

    def stimulus_s(self, block: Block, trial: Trial) -> float | Literal["own"] | None:
        """How long a trial's stimulus lasts, from the trial, else its block, else the protocol."""
        given = (trial.stimulus_s, block.stimulus_s, self.timing.stimulus_s)
        return next((value for value in given if value is not None), None)

    def fixation_s(self, block: Block, trial: Trial) -> float:
        """How long the cross is shown before it."""
        return _first((trial.fixation_s, block.fixation_s, self.timing.fixation_s), 2.0)

    def rest_s(self, block: Block, trial: Trial) -> float:
        """How long the rest after it lasts."""
        return _first((trial.rest_s, block.rest_s, self.timing.rest_s), 5.0)

    def scales(self) -> tuple[Scale, ...]:
        """The questions of a report, in order; none where nothing is asked."""
        if self.report is None:
            return ()
        asked = []
        for name in self.report.scales:
            if name == EMOTION:
                asked.append(Scale(name, "choice", self.texts.emotion, choices=tuple(self.report.emotions)))
            else:
                text, low, high = getattr(self.texts, name)
                steps = tuple(float(step) for step in range(1, SAM_STEPS + 1))
                asked.append(Scale(name, "sam", text, steps, (low, high)))
        return (*asked, *(scale.scale() for scale in self.report.free))

    def media(self, folder: Path) -> list[Path]:
        """The files that it shows, each once, in order; relative ones lie in the protocol's folder."""
        paths = (trial.stimulus.path(folder) for block in self.blocks for trial in block.trials)
        return list(dict.fromkeys(path for path in paths if path is not None))

    def kinds(self) -> set[str]:
        """Kinds of stimuli in it."""
        return {trial.stimulus.kind for block in self.blocks for trial in block.trials}


def _first(values: Sequence[float | None], otherwise: float) -> float:
    return next((value for value in values if value is not None), otherwise)


def _called(trial: Trial) -> str:
    said = trial.stimulus.file or trial.stimulus.text or f'kind = "{trial.stimulus.kind}"'
    return f"trial {printable(said, 60)!r}"


def _unfit(label: str) -> str:
    """Why this cannot be a label, as in a configuration; empty where it can."""
    if label in RESERVED_LABELS or "," in label or not label.isprintable():
        return f'{label!r} cannot be a label: it is "none", "skipped", or holds a comma or a control character'
    return ""


def resolve_protocol(named: str | Path) -> Path:
    """The file of a protocol: one that is shipped, by its bare name, or a path.

    Raises
    ------
    ConfigurationError
        There is neither.
    """
    path = Path(named)
    shipped = {file.stem: file for file in sorted(SHIPPED.glob(f"*{SUFFIX}"))}
    if str(named) in shipped:
        return shipped[str(named)]
    if not path.is_file():
        raise ConfigurationError(
            f"protocol {str(named)!r}: no such file, and none is shipped under this name.",
            cure=f"Give a path, or one of {', '.join(shipped)}.",
        )
    return path


def load_protocol(path: str | Path) -> Protocol:
    """Read and check a protocol, with what it includes.

    Raises
    ------
    ConfigurationError
        A file is missing, too large, not TOML, or holds a wrong or unknown key; the message names file, key and cure.
    """
    path = Path(path)
    values = read_document(path).values
    try:
        return Protocol.model_validate(values)
    except ValidationError as error:
        found = error.errors()
        told = "; ".join(_describe(problem) for problem in found[:MOST_PROBLEMS])
        more = f"; and {len(found) - MOST_PROBLEMS} more" if len(found) > MOST_PROBLEMS else ""
        raise ConfigurationError(
            f"{path}: {told}{more}.", cure=f"See the protocols that are shipped, in {SHIPPED}."
        ) from error


def protocol_bytes(path: str | Path) -> bytes:
    """A protocol's own bytes; where it includes others, the merged whole. Readable by `load_protocol` anywhere.

    Raises
    ------
    ConfigurationError
        It cannot be read.
    """
    path = Path(path)
    document = read_document(path)
    own = own_text(path)
    return toml_text(document.values).encode("utf-8") if own is None else own


def check_media(protocol: Protocol, folder: Path) -> None:
    """Check that every file that is shown is there and can be read, and that images are images, whatever their names.

    Raises
    ------
    ConfigurationError
        Some are not; all of them are named.
    """
    stimuli = [trial.stimulus for block in protocol.blocks for trial in block.trials]
    images = {stimulus.path(folder) for stimulus in stimuli if stimulus.kind == "image"}
    problems = [(path, _unreadable(path, image=path in images)) for path in protocol.media(folder)]
    wrong = [f"  {printable(str(path))}: {reason}" for path, reason in problems if reason]
    if wrong:
        raise ConfigurationError(
            "\n".join([f"protocol {protocol.name!r}: {len(wrong)} of {len(problems)} files cannot be shown:", *wrong]),
            cure=f"\nPut them there, or correct 'file' in the protocol: relative paths count from {folder}.",
        )


def _unreadable(path: Path, *, image: bool) -> str:
    try:
        if path.is_dir():
            return "is a folder"
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return error.strerror or type(error).__name__
    if not head:
        return "is empty"
    return f"is no image that can be shown ({PICTURES} can)" if image and not _is_picture(head) else ""


def _is_picture(head: bytes) -> bool:
    """Whether a file that begins like this is a picture; what is damaged further on shows when it is loaded."""
    if head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"<") and b"<svg" in text


def check_labels(protocol: Protocol, labels: Sequence[str]) -> None:
    """Check that the protocol gives the labels of a configuration, all of them and no others.

    Raises
    ------
    ConfigurationError
        It gives one that the configuration does not name, or none of one that it does.
    """
    if protocol.labels.rule == "intended":
        trials = [trial for block in protocol.blocks if not block.practice for trial in block.trials]
        given = list(dict.fromkeys(trial.label for trial in trials if trial.label is not None))
    else:
        given = protocol.labels.given()
    unknown = [label for label in given if label not in labels]
    absent = [label for label in labels if label not in given]
    what = f'protocol {protocol.name!r} (labels.rule = "{protocol.labels.rule}")'
    known = f"the configuration's labels = {list(labels)}"
    if unknown:
        raise ConfigurationError(
            f"{what} gives {unknown}, which are not in {known}.", cure="Name the same labels in both."
        )
    if absent:
        raise ConfigurationError(
            f"{what} never gives {absent} of {known}: nothing could be learnt of them.",
            cure="Add trials, or leave them out of the configuration.",
        )


_MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Protocol,
    ("timing",): Timing,
    ("order",): Order,
    ("report",): ReportSettings,
    ("labels",): LabelSettings,
    ("texts",): Texts,
    ("blocks",): Block,
    ("blocks", "trials"): Trial,
    ("blocks", "trials", "stimulus"): Stimulus,
}


def _describe(problem: Any) -> str:
    """One pydantic problem in the user's words: key, what is wrong, and the nearest known key."""
    location = [part for part in problem["loc"] if not str(part).startswith(("constrained", "literal[", "float"))]
    key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    key = printable(key or "the protocol", MOST_SHOWN)
    if problem["type"] == "extra_forbidden":
        model = _MODELS.get(tuple(str(part) for part in location[:-1] if not isinstance(part, int)))
        known = sorted(model.model_fields) if model is not None else []
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f"; known here: {', '.join(known)}" if known else ""
        return f"unknown key {key!r}{hint}"
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    plain = problem["type"] == "value_error" or isinstance(problem["input"], dict | list)
    found = "" if plain else f" (found {printable(repr(problem['input']), MOST_SHOWN)})"
    return f"{key!r}: {problem['msg'].removeprefix('Value error, ')}{found}"
