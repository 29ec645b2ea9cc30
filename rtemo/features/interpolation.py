"""What a bad channel would show, from its good neighbours: spherical splines (Perrin et al. 1989).

F. Perrin, J. Pernier, O. Bertrand, J. F. Echallier: Spherical splines for scalp potential and current density mapping.
Electroencephalography and Clinical Neurophysiology 72 (1989) 184-187. Stiffness, number of terms and regularisation are
those of MNE-Python, as is the sphere that is fitted to the electrodes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.polynomial.legendre import legval
from numpy.typing import NDArray

from rtemo.types import Bools, Floats

FEWEST_GOOD = 6
STIFFNESS, TERMS = 4, 50
REGULARISATION = 1e-5
MOST_KEPT = 64
MOST_UNKNOWN = 2
"""More channels that sound like places and are none mean that the others are none either."""

# The same electrodes, under other names in newer and older versions of MNE.
MONTAGES = ("colin27_1005", "standard_1005")
NO_PLACE = {"", "eeg", "ref", "re", "le", "avg", "car", "cms", "a1", "a2", "a1a2", "a1+a2", "m1", "m2", "m1m2", "m1+m2"}
PLACE = re.compile(r"[acfimopt][a-z]{0,2}(z|\d{1,2}h?)")


class Interpolator:
    """Weights of good channels that make up bad ones.

    Parameters
    ----------
    places : ndarray of float64, shape (channels, 3)
        Unit vectors from the middle of the head; NaN where a channel's place is not known.
    """

    def __init__(self, places: Floats) -> None:
        self._located: Bools = np.asarray(np.isfinite(places).all(axis=1))
        self._spline = _spline(np.where(self._located[:, None], places, 0.0))
        self._kept: dict[bytes, Floats] = {}

    @classmethod
    def of(cls, labels: Sequence[str]) -> Interpolator:
        """For channels with names of the 10-20, 10-10 or 10-05 system."""
        return cls(places_of(labels))

    @property
    def located(self) -> Bools:
        """Which channels have a known place, shape (channels,)."""
        return self._located

    def weights(self, bad: NDArray[np.intp]) -> Floats:
        """Each bad channel as a weighted sum of good ones.

        Parameters
        ----------
        bad : ndarray of intp, shape (bad,)

        Returns
        -------
        ndarray of float64, shape (bad, channels)
            0 at bad channels and at those without a place. A row of NaN: the channel has no known place, or fewer than
            six good ones have one.
        """
        key = bad.tobytes()
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            found = self._kept[key] = self._solve(bad)
        return found

    def _solve(self, bad: NDArray[np.intp]) -> Floats:
        good = self._located.copy()
        good[bad] = False
        weights = np.full((len(bad), len(good)), np.nan)
        count = int(good.sum())
        if count < FEWEST_GOOD:
            return weights
        system = np.ones((count + 1, count + 1))
        system[:-1, :-1] = self._spline[np.ix_(good, good)] + REGULARISATION * np.eye(count)
        system[-1, -1] = 0.0
        wanted = bad[self._located[bad]]
        target = np.ones((count + 1, len(wanted)))
        target[:-1] = self._spline[np.ix_(good, wanted)]
        rows = np.zeros((len(wanted), len(good)))
        rows[:, good] = np.linalg.solve(system, target)[:-1].T
        weights[self._located[bad]] = rows
        return weights


def _spline(places: Floats) -> Floats:
    """The spline's g of the cosine between any two places, shape (channels, channels)."""
    order = np.arange(1, TERMS + 1)
    factors = (2 * order + 1) / (4 * np.pi * (order * (order + 1.0)) ** STIFFNESS)
    return np.asarray(legval(np.clip(places @ places.T, -1, 1), np.concatenate([[0.0], factors])))


def place_name(label: str) -> str:
    """The name of an electrode's place in small letters, without what devices put around it; empty where there is none.

    ``"EEG Fp1-Ref"`` gives ``"fp1"``; ``"F3-C3"``, a difference of two places, gives nothing.
    """
    words = [word for word in re.split(r"[\s\-_:.,()]+", label.casefold()) if word]
    found = [word for word in words if word not in NO_PLACE] or words
    return found[0] if len(found) == 1 and PLACE.fullmatch(found[0]) else ""


def places_of(labels: Sequence[str]) -> Floats:
    """Unit vectors from the middle of a sphere fitted to these channels, shape (channels, 3); NaN for unknown ones."""
    places = np.full((len(labels), 3), np.nan)
    names = [place_name(label) for label in labels]
    if not _a_head(names):
        return places
    standard = _standard_places()
    known = [i for i, name in enumerate(names) if name in standard]
    # BioSemi's A1 to D32 and the contacts of depth electrodes sound like places too, some of them: of a cap in the
    # 10-05 system nearly all are known.
    sounding = sum(name != "" for name in names)
    if not _a_head([names[i] for i in known]) or sounding - len(known) > MOST_UNKNOWN:
        return places
    heads = _in_head_frame([standard[names[i]] for i in known])
    heads -= _middle(heads)
    places[known] = heads / np.linalg.norm(heads, axis=1, keepdims=True)
    return places


def _a_head(names: Sequence[str]) -> bool:
    """Whether so many names can be places: "C1" to "C8" count channels, on a head there are several rows."""
    found = [name for name in names if name]
    return len(found) >= FEWEST_GOOD and len({name.rstrip("0123456789hz") for name in found}) > 1


def _standard_places() -> dict[str, str]:
    """MNE's names of the 10-05 electrodes by name in small letters."""
    return {name.casefold(): name for name in _montage().ch_names}


def _montage() -> Any:
    """MNE's montage."""
    # Only where a view has electrodes with names: it takes half a second and 25 MB.
    from mne.channels import get_builtin_montages, make_standard_montage

    built_in = get_builtin_montages()
    return make_standard_montage(next(name for name in MONTAGES if name in built_in))


def _in_head_frame(names: Sequence[str]) -> Floats:
    """Places of electrodes in MNE's head coordinates, in metres, shape (electrodes, 3)."""
    from mne import create_info

    # A place that goes by two names in a view (T3, T7) is looked up once.
    once = list(dict.fromkeys(names))
    info = create_info(once, 100.0, "eeg", verbose="error")
    info.set_montage(_montage(), verbose="error")
    found = {channel["ch_name"]: channel["loc"][:3] for channel in info["chs"]}
    return np.array([found[name] for name in names], dtype=np.float64)


def _middle(places: Floats) -> Floats:
    """Centre of the sphere that fits electrodes best by linear least squares, face excluded, shape (3,)."""
    fitting = places[~((places[:, 2] < -1e-6) & (places[:, 1] > 1e-6))]
    equations = np.concatenate([2 * fitting, np.ones((len(fitting), 1))], axis=1)
    found = np.linalg.lstsq(equations, (fitting**2).sum(axis=1), rcond=1e-6)[0]
    return np.asarray(found[:3])
