"""The records of Non-EEG as PhysioNet has them, in WFDB format, fetched and turned into XDF.

A subject is three files of the wrist band, ``SubjectN_AccTempEDA`` (samples, header, stages), and two of the oximeter,
``SubjectN_SpO2HR``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from rtemo.evaluation.datasets.places import fetched, imported
from rtemo.xdf import XdfWriter

URL = "https://physionet.org/files/noneeg/1.0.0/"
MOST_BYTES = 1_000_000
START_S = 1000.0
"""What the clock of a recording says at its first sample; PhysioNet has no time of day."""
OFFSETS_EVERY_S = 5
"""As LabRecorder measures clocks."""
WRIST = "AccTempEDA"
STREAMS: Final = (("wrist", WRIST), ("oximeter", "SpO2HR"))
# Of the fourteen of twenty subjects that the figures of the documentation are of.
REGISTRY: Mapping[str, str] = {
    "Subject1_AccTempEDA.atr": "461f57af6d4098806e648d9ba43ec9285bea677079e418ef6661fc483d4fd4ae",
    "Subject1_AccTempEDA.dat": "4b9110a099419ed77d80397ad433d8c03eaafda26ceb223a29ebd987c1023fcf",
    "Subject1_AccTempEDA.hea": "c3e3662a21b475f7253f1531782de7c54aa232efe637c5646dd2233a417f1cc3",
    "Subject1_SpO2HR.dat": "ba8489e8b9be69c1bc2c2cd349656245412fe7fcd105d271de22f786ea87d4e2",
    "Subject1_SpO2HR.hea": "29bf5322ff7331df90a6db4771c756838e5cd46e5d4939ecb460b15e1d2a3c53",
    "Subject2_AccTempEDA.atr": "03050f943446452a336067269345dce9b249ae4b8f17d9848c893c0252f0e463",
    "Subject2_AccTempEDA.dat": "a3d960b165feb363354333fbbb118127bb4a2028b0e1af4f82fe4fe068bb7892",
    "Subject2_AccTempEDA.hea": "4e149e150e3ddfdc524a47e8db4384da1bb93cd97bab0877d709812656cd126e",
    "Subject2_SpO2HR.dat": "b47b2e43e23a42485cc4834b3f0c0ba211f6e5e621e327b3bca5a620423e96be",
    "Subject2_SpO2HR.hea": "d5392d8703641c9db85223b5134b3896fd16ef2ae468914c4f3091db880e883a",
    "Subject3_AccTempEDA.atr": "14813d6a89f758e568c34424780fa36e7b7051d90710f1970a610c187d9715ab",
    "Subject3_AccTempEDA.dat": "c1d79d77e6e2b742590c9785d90b6ce29e72cc3b58c0d087fbd4e3e0434a25e8",
    "Subject3_AccTempEDA.hea": "c255e04857e490148ff57de013168956410176dbba50d05be10a7106b1e9f430",
    "Subject3_SpO2HR.dat": "b37920dd7cfcd9dd1fa012476f7ada6101b7f1c56d90d22d02562ac50804c2bd",
    "Subject3_SpO2HR.hea": "8154af677f778bc41b73f5af5b858da13db066ff94beb0adc07ee3aa5632d06b",
    "Subject4_AccTempEDA.atr": "faacc3ce8500afebeb4415581ffc2ff63edb0ff8e4e307b39b6980dc9fc57370",
    "Subject4_AccTempEDA.dat": "4e6d9fbccae6dc5c9562d89f025c2815a9d686dac0481ba1c0d2175c0bd3562d",
    "Subject4_AccTempEDA.hea": "699006012ffdd7b80856fbf09fc2e88cfa145c77fdf7e3d37c422ab465805272",
    "Subject4_SpO2HR.dat": "fa0f27d2d2b7145f13ef77cc936de2dae487b9d23757752e018025e489827f4d",
    "Subject4_SpO2HR.hea": "cf08714fc1893ff3ad145fabd2b8e34e48c55324ef4c8bc3b8d87519292c7d4e",
    "Subject5_AccTempEDA.atr": "4586b8b1e31a4daa6d74b9c9ea5bea912306ad06e1bd4daa58470c5a465319a5",
    "Subject5_AccTempEDA.dat": "febc9b10bc23169643066bf74d45f62eb780cfef9d4041b86895cce607dc876c",
    "Subject5_AccTempEDA.hea": "2ed24b6791a3d6c1b8dbd4726bd654c642d9bf8935b1daecce5a5e7170330e2a",
    "Subject5_SpO2HR.dat": "11647a0f4dde5c974e887358d044e8c7083b3ad1df3e4750e01539a7c0e0786c",
    "Subject5_SpO2HR.hea": "aa0c4b32b76beeb40d3121962960646e1ef3cf05268cf3b956c2068aeb6f3566",
    "Subject6_AccTempEDA.atr": "19638f2e04ac65d2a50252b0f35ade0b84fcccdc4bba264bea4bc177894d0210",
    "Subject6_AccTempEDA.dat": "39df81d2e3b62b5ca8ead496f4b9ebd24a38a1c0a97b361b944da589915b39cd",
    "Subject6_AccTempEDA.hea": "05965fb726000bb95385615979a2c7e8a72174f49089f7305362aedd42922767",
    "Subject6_SpO2HR.dat": "9490b29cef38e5501978f964ef40d77cfb4d2cf36fa549f5cece2a6007520aff",
    "Subject6_SpO2HR.hea": "22942814676b75748ea2ec4bcfa9a262219925f88d26c5a0b992f246e5dc375b",
    "Subject7_AccTempEDA.atr": "9cbf5560b42df6807c13315b78df823db2464b251263b91c4bd87b30606cd83b",
    "Subject7_AccTempEDA.dat": "7e650a82b534bd5c2e98e0207ed53d12f0dd14dd613123af89e541a45acfbaed",
    "Subject7_AccTempEDA.hea": "d02274bb615566410927107c6901dc47749915d93a11b8f1c9d2b1f4331451e1",
    "Subject7_SpO2HR.dat": "d62d88ab5560bb8c295936e7f710f443bbded40f9dca167962b3159abf631cc3",
    "Subject7_SpO2HR.hea": "27f09ff2f25d914502d1a60ef18d5237fb86cc31cf8178b8bb74176f03d8b542",
    "Subject8_AccTempEDA.atr": "87f535b1b8aae9810fc1978ed7b2d96af1ed3f50944d8233b43f0f17b88158c3",
    "Subject8_AccTempEDA.dat": "db2cb495c7a5983aa09701de91c47aeadbd548f69db28ce37858d10cba3469ac",
    "Subject8_AccTempEDA.hea": "60e8f07399c2b2a6b743cf4e89a57c576615576d8ccfb4d2a7177a2e9ce2f1ef",
    "Subject8_SpO2HR.dat": "87a7fc8eae8c5e71e5ade66731c91b5b34d4e72496a0b5c0463c76f3f87a805d",
    "Subject8_SpO2HR.hea": "4ca107e6499d7f80532d0428411d82528f94fb093f1a3e45337988f3aed7f92b",
    "Subject9_AccTempEDA.atr": "adcee4adeea28ca73b2ed163dced2b79770a5abce497b499ceeb7ad6bed83fa1",
    "Subject9_AccTempEDA.dat": "882637d07329d1b71175ee7a229ab41aff26aca741d8cf61c75f1bf1571a8f43",
    "Subject9_AccTempEDA.hea": "99eab9abb40c9ef7ffedf1db7ba3534f59f924400fc24c05345c3a0ee6925c21",
    "Subject9_SpO2HR.dat": "c62b43e35b27fd4f189a59a7ca67f4228b95257cd1e94470b40a4dbd496bd156",
    "Subject9_SpO2HR.hea": "68d05ac96f65ed66369c7cd3041ed81754b2e20bedf35a07303d9c465798baa4",
    "Subject10_AccTempEDA.atr": "e18369410282121ff3cfa79f8ed8cfeea15b73b5b8227d1953fd3551395a50ad",
    "Subject10_AccTempEDA.dat": "4ffb176d15b966f23fc19283220aff327d043ec3b1f1aa39853f62d04a713fbd",
    "Subject10_AccTempEDA.hea": "5e7dac5c13b59efa5de8b986de6a1f380cc249d60e4587a3be0bcc6a100162f0",
    "Subject10_SpO2HR.dat": "579a9eed3becaeff3fbd53ecfac320bf1b244150e4a7620cacc85d1e4ba00484",
    "Subject10_SpO2HR.hea": "fda50b6ba9862f96693d3517273502696b71ab6c3531b24d4e9004ded2736fa6",
    "Subject11_AccTempEDA.atr": "20d8a34663837ad8c831180b8351cafd7acdc5f6ca31a88c96e2c2a0717c92ae",
    "Subject11_AccTempEDA.dat": "e220f404c795081e5996abcc8bed3f983fbbc5666f00f977ad24d1dfd74f1f5a",
    "Subject11_AccTempEDA.hea": "103994de98a660f6077b9a2af6680b18304f7ba4d6fd15f9e9af5322be12bd33",
    "Subject11_SpO2HR.dat": "72a0eb7728659da346b97bfba6a011327122a0e5fa52ba2982b1431a1160de30",
    "Subject11_SpO2HR.hea": "77e5c1ec4c04361ab20990e81eadb42046babc56f8a1410286c5033a933bd439",
    "Subject12_AccTempEDA.atr": "1d4b209979bd978746319173e4c14cde12264775f773a56f6bef29f6052e391b",
    "Subject12_AccTempEDA.dat": "38ae91180870a23f0bd139e88ab81be94ab0701a38c2789bfd021102232ff70d",
    "Subject12_AccTempEDA.hea": "b97ba77c0d17b41b118724bb1f72a37a1d7b35213a408bc335887f2dcae0f44b",
    "Subject12_SpO2HR.dat": "d817cd801b0754add2bfcbf296910d6578f1c3f146faec33d4c51bb1b503afd1",
    "Subject12_SpO2HR.hea": "4eb067343b4148b1769e611b63669683e9acc830d50f6ba953ad6e19ae8c35b6",
    "Subject13_AccTempEDA.atr": "adcee4adeea28ca73b2ed163dced2b79770a5abce497b499ceeb7ad6bed83fa1",
    "Subject13_AccTempEDA.dat": "277869268a939796d7e23d388212d47225b9fefe650ae7f5dbac82be5d844e67",
    "Subject13_AccTempEDA.hea": "8c6d4ae2bb34dc6cbb33060b8a68a835354dffdc58604baf6209599aaec4bb54",
    "Subject13_SpO2HR.dat": "696599a78924701529637a64de33fa21daad56e23aa798da4557c9c77dea6e99",
    "Subject13_SpO2HR.hea": "7d8c48e1efec17c337f5f4a3324aeab4701fca69f53d865ddf22cb42877217cc",
    "Subject14_AccTempEDA.atr": "720724ae41b8ca2290a231f8ea3069876df48c361006dd73a7b6230e9fe1221a",
    "Subject14_AccTempEDA.dat": "e3400f15e54238dc0b3681b378b6a48a73de00e765717386e24d06d8347bd049",
    "Subject14_AccTempEDA.hea": "483307083b8a3c97b3ec78b760da0e2bbf41dade62e5a5302cccaf357db68160",
    "Subject14_SpO2HR.dat": "b6f1d4a306a5ead02de3958886accdb8442796904e4341927ffa7ca12d8f9ebb",
    "Subject14_SpO2HR.hea": "879a013a22d14045c558b7a3dc603f953c58b23613707cac0bc1882c19112c67",
}


def fetched_recordings(cache: Path, url: str = URL) -> list[Path]:
    """The recordings in the cache; what is not there is downloaded and turned into XDF.

    Parameters
    ----------
    cache : path
        The folder of this data set.
    url : str
        Where to download from.

    Returns
    -------
    list of path
        ``noneeg_S01.xdf`` and so on.

    Raises
    ------
    ConfigurationError
        The package wfdb is not installed.
    RecordingError
        A file cannot be had, or is not what it should be.
    """
    records = cache / "wfdb"
    out = []
    for subject in sorted({int(name.removeprefix("Subject").partition("_")[0]) for name in REGISTRY}):
        path = cache / f"noneeg_S{subject:02d}.xdf"
        out.append(path)
        if path.is_file():
            continue
        for name, digest in REGISTRY.items():
            if name.startswith(f"Subject{subject}_"):
                fetched(name, url + name, digest, MOST_BYTES, records)
        # Whole or not at all, whoever else writes.
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            convert(records / f"Subject{subject}_", Path(folder) / path.name)
            (Path(folder) / path.name).replace(path)
    return out


def convert(record: Path, path: Path) -> None:
    """Turn the records of a subject into one XDF file: streams ``wrist``, ``oximeter`` and ``stage``, values unchanged.

    A stage lasts until the next marker; a marker ``end`` ends the last one with the samples of the wrist band.

    Parameters
    ----------
    record : path
        Of the records' files, up to their underscore.
    path : path
        The file to write, which must not exist yet.
    """
    wfdb = imported("wfdb")
    with XdfWriter(path) as file:
        streams, records = [], {name: wfdb.rdrecord(f"{record}{name}") for _, name in STREAMS}
        for stream, name in STREAMS:
            found = records[name]
            number = file.add_stream(stream, "Physio", found.sig_name, float(found.fs), units=found.units)
            stamps_s = START_S + np.arange(found.sig_len) / found.fs
            streams.append((number, stamps_s, found.p_signal.astype(np.float32)))
        wrist = records[WRIST]
        stages = wfdb.rdann(f"{record}{WRIST}", "atr")
        number = file.add_stream("stage", "Markers", ["stage"], channel_format="string")
        stamps_s = START_S + np.append(stages.sample, wrist.sig_len) / wrist.fs
        streams.append((number, stamps_s, np.array([[text] for text in [*stages.aux_note, "end"]])))
        # As it would have come: a recording is replayed in the order of its file.
        for second_s in np.arange(START_S, max(stamps_s[-1] for _, stamps_s, _ in streams) + 1):
            for number, stamps_s, values in streams:
                inside = slice(*np.searchsorted(stamps_s, [second_s, second_s + 1]))
                file.write_samples(number, stamps_s[inside], values[inside])
                if (second_s - START_S) % OFFSETS_EVERY_S == 0:
                    # One clock for all.
                    file.write_clock_offset(number, second_s, 0.0)
