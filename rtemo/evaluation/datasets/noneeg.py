"""PhysioNet's "Non-EEG Dataset for Assessment of Neurological Status": wrist band and pulse oximeter, four states.

Twenty subjects of Birjandtalab et al. (2016) went through seven stages of relaxation, physical, emotional and cognitive
stress. PhysioNet has them as WFDB records; this set is their conversion to XDF with the values unchanged, a recording
for each subject, where the stream ``stage`` marks the stages.
"""

from __future__ import annotations

from pathlib import Path

from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.datasets.noneeg_records import URL, fetched_recordings
from rtemo.evaluation.datasets.places import cache_folder, recordings, recordings_folder
from rtemo.evaluation.datasets.recorded import recorded

PART = "noneeg_xdf"
PAGE = "https://physionet.org/content/noneeg/1.0.0/"
SOURCE = (
    "Birjandtalab et al., A Non-EEG Biosignals Dataset for Assessment and Visualization of Neurological Status, "
    f"SiPS 2016; Goldberger et al., Circulation 101(23), 2000; {PAGE}; ODC-By 1.0"
)
# Of ten seconds, as configs/noneeg.toml has them: an installed package has no folder of configurations.
CONFIG = """
labels = ["Relax", "PhysicalStress", "EmotionalStress", "CognitiveStress"]
standardise = "recording"

[window]
length_s = 10.0

[views.wrist]
stream = { name = "wrist" }
features = "statistics"

[views.oximeter]
stream = { name = "oximeter" }
features = "statistics"

[markers]
stream = { name = "stage" }

[markers.labels]
Relax = "Relax"
PhysicalStress = "PhysicalStress"
EmotionalStress = "EmotionalStress"
CognitiveStress = "CognitiveStress"
"""
CLASSES = ("Relax", "PhysicalStress", "EmotionalStress", "CognitiveStress")


def load(folder: Path | None = None, *, cache: Path | None = None, url: str = URL) -> Dataset:
    """Windows of ten seconds: statistics of acceleration, skin temperature and skin conductance, and of SpO2 and pulse.

    A subject is a recording is a session, with all four states, so each is standardised by its own windows: resting
    pulse and skin differ between people by more than stress changes them. Windows across the edge of a stage have no
    label.

    Parameters
    ----------
    folder : path, optional
        Where the recordings are, as ``noneeg_S01.xdf`` and so on: ``noneeg_xdf`` of RTEMO_DATA where not given, else
        fourteen subjects are downloaded from PhysioNet into the cache (3 MB) and turned into XDF.
    cache : path, optional
    url : str
        Where to download from.

    Raises
    ------
    RecordingError
        The folder has no recording, or a file cannot be had.
    """
    found = recordings_folder(PART, folder)
    if found is not None:
        paths = recordings(found, "noneeg_S*.xdf", "noneeg")
    else:
        paths = fetched_recordings(cache_folder(cache) / "noneeg", url)
    windows = recorded(paths, CONFIG, where="noneeg", cache=cache)
    return Dataset(
        name="noneeg",
        title="Non-EEG",
        views=windows.views,
        labels=windows.labels,
        subjects=windows.recording,
        sessions=windows.recording,
        trials=windows.trials,
        class_names=CLASSES,
        unit="subject",
        standardise="session",
        source=SOURCE,
    )
