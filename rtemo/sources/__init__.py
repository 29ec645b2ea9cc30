"""Sources of samples: chunks on one clock, from LSL, from recordings, from a simulator."""

from __future__ import annotations

from pathlib import Path

from rtemo.errors import RecordingError
from rtemo.sources.base import Source

XDF_SUFFIXES = (".xdf", ".xdfz", ".xdf.gz")  # packed ones are refused with a cure
MNE_SUFFIXES = (".edf", ".bdf", ".fif", ".fif.gz", ".vhdr", ".set")


def open_recording(path: str | Path, *, unsynchronised: bool = False) -> Source:
    """Open a recording by the suffix of its name.

    Parameters
    ----------
    path : path-like
        XDF, or anything that MNE reads: EDF, BDF, FIF, BrainVision (.vhdr), EEGLAB (.set).
    unsynchronised : bool, default False
        Take an XDF file whose streams cannot be put on one clock, with their raw stamps.

    Returns
    -------
    Source

    Raises
    ------
    RecordingError
        The file is missing, of an unknown kind, damaged beyond use, or cannot be synchronised.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise RecordingError(f"{path}: expected a recording, found {found} there.", cure="Check the path.")
    name = path.name.lower()
    if name.endswith(XDF_SUFFIXES):
        from rtemo.sources.xdf import XdfSource

        return XdfSource(path, unsynchronised=unsynchronised)
    if name.endswith(MNE_SUFFIXES):
        from rtemo.sources.mne import MneSource

        return MneSource(path)
    known = ", ".join((*XDF_SUFFIXES, *MNE_SUFFIXES))
    raise RecordingError(
        f"{path}: expected a recording ({known}), found a file of another kind.",
        cure="Convert it to XDF or EDF.",
    )
