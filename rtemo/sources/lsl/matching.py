"""Which of the streams on the network is meant, at first and when one comes back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rtemo.config import StreamSelector
from rtemo.types import StreamDescription


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stream that a session asks for.

    Parameters
    ----------
    key : str
        What its chunks are called by.
    selector : StreamSelector
    is_text : bool or None
        Whether it must carry strings or must not; None where either will do.
    required : bool
        Whether the session cannot start without it.
    """

    key: str
    selector: StreamSelector
    is_text: bool | None = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Visible:
    """What is known of a stream on the network before it is opened.

    Parameters
    ----------
    uid : str
        Of this very outlet: a restarted one has another.
    created_s : float
        When the outlet was made, on its own machine's LSL clock.
    """

    uid: str
    name: str
    type: str
    source_id: str
    hostname: str
    is_text: bool
    created_s: float = 0.0

    def description(self) -> StreamDescription:
        """As far as it is known, for selectors and messages."""
        return StreamDescription(
            self.uid, self.name, self.type, (), 0.0, self.source_id, self.hostname, is_text=self.is_text
        )


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several streams fit, and nothing says which is meant."""

    candidates: tuple[Visible, ...]

    def __str__(self) -> str:
        return "; ".join(
            f"{v.name!r} (type {v.type!r}, source_id {v.source_id!r}, host {v.hostname!r}, uid {v.uid})"
            for v in self.candidates
        )


Choice = Visible | Ambiguous | None


def choose_first(wanted: Wanted, visible: Iterable[Visible]) -> Choice:
    """The stream that a selector fits, of those that carry what is wanted."""
    return _only(
        [v for v in visible if wanted.is_text in (None, v.is_text) and wanted.selector.matches(v.description())]
    )


def choose_comeback(
    known: Visible, visible: Iterable[Visible], taken: Collection[str], ended_s: float | None
) -> Choice:
    """The outlet that goes on where a stream has ended.

    Parameters
    ----------
    known : Visible
        The stream as it was.
    visible : iterable of Visible
    taken : collection of str
        Outlets that have just ended, or that are in use.
    ended_s : float or None
        When the stream gave its last, on its own machine's clock; None where that is not known.

    Returns
    -------
    Visible, Ambiguous or None
        The one with the same name, type and source_id. Failing that, the only one with the same name, type and host
        that was made after the stream had ended: what was there before is another device.
    """
    alike = [
        v
        for v in visible
        if v.uid not in taken and (v.name, v.type, v.is_text) == (known.name, known.type, known.is_text)
    ]
    if known.source_id:
        same = [v for v in alike if v.source_id == known.source_id]
        if same:
            return _only(same)
    if ended_s is None:
        return None
    return _only([v for v in alike if v.hostname == known.hostname and v.created_s > ended_s])


def _only(fitting: list[Visible]) -> Choice:
    if len(fitting) > 1:
        return Ambiguous(tuple(fitting))
    return fitting[0] if fitting else None
