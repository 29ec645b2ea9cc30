"""The error hierarchy: each message says what, where, expected, found, and the cure."""

from __future__ import annotations


class RtemoError(Exception):
    """Base of every error that rtemo raises on purpose.

    Parameters
    ----------
    message : str
        One line: what went wrong and where, what was expected, what was found.
    cure : str, optional
        What the user can do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(message if not cure else f"{message} {cure}")
        self.message = message
        self.cure = cure


class ConfigurationError(RtemoError):
    """The configuration or the command line is wrong."""

    exit_code = 2


class StreamError(RtemoError):
    """The streams that a configuration or a bundle asks for are not there, or differ."""

    exit_code = 3


class RecordingError(RtemoError):
    """A recording cannot be read, or cannot be put on one clock."""


class LabelError(RtemoError):
    """Labels are missing, unknown, or do not fit the recording."""


class BundleError(RtemoError):
    """A saved model is damaged, foreign, or made for other views."""


class ModelError(RtemoError):
    """The model cannot be built or trained from what it was given."""
