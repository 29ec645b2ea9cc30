"""PhysioNet's "EEG During Mental Arithmetic Tasks": EEG and ECG, rest against serial subtraction.

Two files for each subject of Zyma et al. (2019): ``SubjectNN_1.edf``, three minutes of rest before, and
``SubjectNN_2.edf``, a minute of mental arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rtemo.errors import RecordingError
from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.datasets.places import cache_folder, fetched, recordings, recordings_folder
from rtemo.evaluation.datasets.recorded import recorded

PART = "eegmat"
PAGE = "https://physionet.org/content/eegmat/1.0.0/"
URL = "https://physionet.org/files/eegmat/1.0.0/"
SOURCE = (
    "Zyma et al., Electroencephalograms during Mental Arithmetic Task Performance, Data 4(1):14, 2019; "
    f"Goldberger et al., Circulation 101(23), 2000; {PAGE}; ODC-By 1.0"
)
MOST_BYTES = 8_000_000
# Of the twelve of 36 subjects that the figures of the documentation are of.
REGISTRY: Mapping[str, str] = {
    "Subject02_1.edf": "02da547be13c67b310a020d48be83be6a1faad72b26519e8084038aea1aa30f8",
    "Subject02_2.edf": "2ff3c97cbc6be7c4b3e43df85f42621d2837bd860463747557a6c3a558d802ee",
    "Subject03_1.edf": "8f22c7eb40e2d2b2f61dadd874172f395fed9ca83c843e9d92b492ec2b3d4f41",
    "Subject03_2.edf": "d4792fe50ad51d7ad607caeaf3c24f2d19087cb96311c4c2cbdfdd6418f56cf0",
    "Subject04_1.edf": "0c96ec8a36767673772d35c1c8e8328c6a51f18e83b806f5776d02f388c65a73",
    "Subject04_2.edf": "4455d8e910ac8f5a18a5c050e2b544d147b092458cd135c04e3030f2ee63f90f",
    "Subject05_1.edf": "844f7c4c0868f64003f50d02ecd9db3a7e60cd51df66f9ad2a460e279001eaf8",
    "Subject05_2.edf": "651a9f1cbe3e85605ef6a8e3c13c8d8d130e1c41bb8ac23ac3c2fa9ab63665f7",
    "Subject06_1.edf": "cd5697ace53d4a824b7a89846a0a2e2ca40ec7ee661488551d44d6f2a301b5c1",
    "Subject06_2.edf": "206452b3d030ba9f04b43f2747bcd24ecd0466e7abe27676ad054428286cf24d",
    "Subject07_1.edf": "3991d7b4667065de53f80e5b40b69cee5c819f62c7352dca3b06ca5333fd1308",
    "Subject07_2.edf": "f8381e8f22a118f772e316bfb4c87f2a41581d9590a7c58f3b8c95c62a1789f1",
    "Subject08_1.edf": "02acf02d25d333fd9bc38b9b513b9f72072d5bd36b6ffa5a9a5be6f54fd9b853",
    "Subject08_2.edf": "461c2f9c95b5d1128e32bd1272e44b3d5366493f57d88092278b440a7b30d0df",
    "Subject09_1.edf": "68f2c002f30831ead8fc9418a24fe044419f430686beec62ddb46ab2c731036a",
    "Subject09_2.edf": "05d4449075a6e62d61737a939cf142b27f84b60a9bdad788fd87a9fc9737b3b9",
    "Subject10_1.edf": "25a392a6816c74da10539694e51210030742ced96379761afe02aa05f60bfcc8",
    "Subject10_2.edf": "aa76531d0a6f72ebc163014383a42fdd7252ea310559d270943922607e51a13a",
    "Subject11_1.edf": "8c85e9c32acbb18145bbc29126c19239beeba53c136d3014de285d5d359df9ac",
    "Subject11_2.edf": "df36afd690987a373f0de02b91059760e155a7bf49732d05b7cce42bbe4de354",
    "Subject14_1.edf": "e9b5d97eb5dd4778dfb6e279f3e03b27cf4ad5881641f2eaabedeaf2b0475ee5",
    "Subject14_2.edf": "4c0c71fc2f7962efea32593eeadeb96c38c44db6a203e9a6353662cd8b941544",
    "Subject17_1.edf": "cc6be6007c4e029ee7d32b754fa07d1f514db9e8dce82a167b99af45caab7610",
    "Subject17_2.edf": "9c9a0cbf89ed1152244b7c3d191c584cd59d3d99ff067e1610010d805cee62af",
}
# Of four seconds, as configs/eegmat.toml has them: an installed package has no folder of configurations.
CONFIG = """
labels = ["rest", "arithmetic"]

[window]
length_s = 4.0

[views.eeg]
stream = { type = "EEG" }
channels = ["Fp1", "Fp2", "F3", "F4", "F7", "F8", "T3", "T4", "C3", "C4", "T5", "T6", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz"]
features = "differential-entropy"
max_bad_channels = 0.3
[views.eeg.settings]
bands = { delta = [1, 4], theta = [4, 8], alpha = [8, 14], beta = [14, 31], gamma = [31, 45] }

[views.ecg]
stream = { type = "ECG" }
features = "statistics"
"""  # noqa: E501
CLASSES = ("rest", "arithmetic")
_NAME = re.compile(r"Subject(\d+)_([12])")


def load(folder: Path | None = None, *, cache: Path | None = None, url: str = URL) -> Dataset:
    """Windows of four seconds: differential entropies of 19 channels in five bands, and statistics of the ECG.

    Each file holds one class: standardised by its own windows it would lose just what tells the classes apart. So a
    session is both files of a subject, which were recorded one after the other, and is standardised by its own windows
    (transductive; all subjects rest three times as long as they calculate, so this tells no class from another). A
    file is one trial: whoever knows the label of one of its windows knows all. Which file it is says the class; the
    events files that a folder may have beside them are not read.

    Parameters
    ----------
    folder : path, optional
        Where the files are: ``eegmat`` of RTEMO_DATA where not given, else twelve subjects are downloaded from
        PhysioNet into the cache (62 MB).
    cache : path, optional
    url : str
        Where to download from.

    Raises
    ------
    RecordingError
        A file is missing, or is not what it should be.
    """
    found = recordings_folder(PART, folder)
    if found is not None:
        paths = recordings(found, "Subject*_[12].edf", "eegmat")
    else:
        kept = cache_folder(cache) / PART
        paths = [fetched(name, url + name, digest, MOST_BYTES, kept) for name, digest in sorted(REGISTRY.items())]
    names = [_NAME.fullmatch(path.stem) for path in paths]
    keys = [(match[1], match[2]) for match in names if match is not None]
    alone = {subject for subject, _ in keys if len([s for s, _ in keys if s == subject]) != len(CLASSES)}
    if alone or len(keys) != len(paths):
        raise RecordingError(
            f"data set eegmat: expected SubjectNN_1.edf and SubjectNN_2.edf of each subject in {paths[0].parent}, "
            f"found but one of them for {', '.join(sorted(alone)) or 'some'}.",
            cure=f"Download what is missing from {PAGE}.",
        )
    windows = recorded(paths, CONFIG, where="eegmat", read_labels=False, cache=cache)
    subjects = {subject: i for i, subject in enumerate(sorted({subject for subject, _ in keys}))}
    of_recording = np.array([subjects[subject] for subject, _ in keys], dtype=np.int64)
    label_of = np.array([int(part) - 1 for _, part in keys], dtype=np.int64)
    return Dataset(
        name="eegmat",
        title="EEG, mental arithmetic",
        views=windows.views,
        labels=label_of[windows.recording],
        subjects=of_recording[windows.recording],
        sessions=of_recording[windows.recording],
        trials=windows.recording,
        class_names=CLASSES,
        unit="subject",
        standardise="session",
        source=SOURCE,
    )
