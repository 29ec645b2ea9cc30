"""Units of electric potentials, as headers spell them."""

from __future__ import annotations

MICROVOLT_TYPES = frozenset({"eeg", "eog", "ecg", "ekg", "emg", "exg"})
"""Types of stream, in lower case, whose values are potentials: every source gives them in microvolts."""

_PREFIXES = {"": 1e6, "m": 1e3, "milli": 1e3, "u": 1.0, "micro": 1.0, "n": 1e-3, "nano": 1e-3}


def microvolts_per(unit: str) -> float | None:
    """Microvolts in one of a unit; None for what is no unit of potential, such as an empty string.

    Examples
    --------
    >>> microvolts_per("mV"), microvolts_per("microvolts"), microvolts_per("g")
    (1000.0, 1.0, None)
    """
    spelt = unit.strip().replace("\u00b5", "u").replace("\u03bc", "u").lower()
    for ending in ("volts", "volt", "v"):
        if spelt.endswith(ending):
            return _PREFIXES.get(spelt.removesuffix(ending).strip())
    return None
