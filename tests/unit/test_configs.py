"""The fragments in configs/ fit the streams that the makers' own bridges open, and features come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from rtemo.config import Configuration, load_configuration
from rtemo.features.pipeline import FeaturePipeline
from rtemo.sources.description import describe
from rtemo.types import Chunk, FeatureWindow, Floats
from rtemo.xdf import StreamHeader

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FRAGMENTS = sorted(path.stem for path in CONFIGS.glob("*.toml") if "\nlabels =" not in f"\n{path.read_text()}")
DURATION_S = 14.0


def words(text: str) -> list[str]:
    return text.split()


SEED = words(
    "FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2 C4 C6 T8 "
    "TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1 O1 OZ O2 CB2"
)
GENEVA = words(
    "Fp1 AF3 F3 F7 FC5 FC1 C3 T7 CP5 CP1 P3 P7 PO3 O1 Oz Pz Fp2 AF4 Fz F4 F8 FC6 FC2 Cz C4 T8 CP6 CP2 P4 P8 PO4 O2"
)
PERIPHERAL = words("hEOG vEOG zEMG tEMG GSR Respiration Plethysmograph Temperature")
IVIEW_X = words(
    "Screen_X_left Screen_Y_left Screen_X_right Screen_Y_right Diameter_left Diameter_right "
    "EyePosition_X_left EyePosition_Y_left EyePosition_Z_left EyePosition_X_right EyePosition_Y_right "
    "EyePosition_Z_right PlaneNumber"
)
IVIEW_NG = words(
    "Screen_X_both Screen_Y_both Screen_X_left Screen_Y_left Screen_X_right Screen_Y_right PupilRadius_left "
    "PupilRadius_right EyePosition_X_left EyePosition_Y_left EyePosition_Z_left EyePosition_X_right "
    "EyePosition_Y_right EyePosition_Z_right EyeDirection_X_left EyeDirection_Y_left EyeDirection_Z_left "
    "EyeDirection_X_right EyeDirection_Y_right EyeDirection_Z_right PupilConfidence_left PupilConfidence_right "
    "EyeballUncertainty_left EyeballUncertainty_right SceneFrameNumber EyeFrameNumber"
)
PUPIL_CAPTURE = words(
    "confidence norm_pos_x norm_pos_y gaze_point_3d_x gaze_point_3d_y gaze_point_3d_z "
    "eye_center0_3d_x eye_center0_3d_y eye_center0_3d_z eye_center1_3d_x eye_center1_3d_y eye_center1_3d_z "
    "gaze_normal0_x gaze_normal0_y gaze_normal0_z gaze_normal1_x gaze_normal1_y gaze_normal1_z "
    "diameter0_2d diameter1_2d diameter0_3d diameter1_3d"
)
EYELINK = words(
    "leftEyeX leftEyeY rightEyeX rightEyeY leftPupilArea rightPupilArea pixelsPerDegreeX pixelsPerDegreeY "
    "eyelink_timestamp LSL_timestamp"
)
TITTA_LABELLED = tuple(
    f"{part}.{side}_eye"
    for side in ("left", "right")
    for part in (
        *(f"{axis}.position_on_display_area.gaze_point" for axis in "xy"),
        *(f"{axis}.position_in_user_coordinates.gaze_point" for axis in "xyz"),
        *(f"{flag}.gaze_point" for flag in ("valid", "available")),
        *(f"{part}.pupil" for part in ("diameter", "valid", "available")),
        *(f"{axis}.position_in_user_coordinates.gaze_origin" for axis in "xyz"),
        *(f"{axis}.position_in_track_box_coordinates.gaze_origin" for axis in "xyz"),
        *(f"{flag}.gaze_origin" for flag in ("valid", "available")),
        *(f"{part}.eye_openness" for part in ("diameter", "valid", "available")),
    )
)


@dataclass(frozen=True)
class Bridge:
    """A stream as a bridge opens it, what its eye channels carry, and what a view of it gives."""

    header: StreamHeader
    view: str
    features: int
    gaze: Mapping[str, str] = field(default_factory=dict)
    scale: float = 1.0
    true_rate_hz: float = 0.0
    lost: float = np.nan


def stream(
    name: str, kind: str, rate_hz: float, labels: tuple[str, ...] | list[str] = (), channels: int = 0
) -> StreamHeader:
    return StreamHeader(1, name, kind, channels or len(labels), rate_hz, "float32", "id", "host", tuple(labels))


def eyes(**channels: str) -> dict[str, str]:
    """What each channel carries, by its label."""
    return {label: carried for carried, names in channels.items() for label in names.split()}


BRIDGES = {
    "seed": [
        Bridge(stream("SynAmps", "EEG", 1000, [*SEED[:32], "M1", *SEED[32:], "M2", "VEO", "HEO"]), "eeg", 62 * 5),
        Bridge(
            stream("iViewNG-Gaze", "Gaze", 60, IVIEW_NG),
            "eye",
            33,
            eyes(x="Screen_X_both", y="Screen_Y_both", pupil="PupilRadius_left PupilRadius_right"),
            scale=1280.0,
            lost=0.0,
        ),
    ],
    "smi_red": [
        Bridge(
            stream("iViewX", "Gaze", 120, IVIEW_X),
            "eye",
            33,
            eyes(
                x="Screen_X_left Screen_X_right",
                y="Screen_Y_left Screen_Y_right",
                pupil="Diameter_left Diameter_right",
            ),
            scale=1680.0,
            lost=0.0,
        )
    ],
    "deap": [
        Bridge(stream("DEAP", "EEG", 128, [*sorted(GENEVA), *PERIPHERAL]), "eeg", 32 * 4),
        Bridge(stream("DEAP", "EEG", 128, [*sorted(GENEVA), *PERIPHERAL]), "peripheral", 8 * 6),
    ],
    "muse": [Bridge(stream("Muse", "EEG", 256, ["TP9", "AF7", "AF8", "TP10", "Right AUX"]), "eeg", 4 * 5)],
    "openbci": [Bridge(stream("obci_eeg1", "EEG", 250, channels=8), "eeg", 8 * 5)],
    "tobii_pro": [
        Bridge(
            stream("Tobii", "Eyetracker", 600, words("left_x left_y left_pupil right_x right_y right_pupil")),
            "eye",
            33,
            eyes(x="left_x right_x", y="left_y right_y", pupil="left_pupil right_pupil"),
            true_rate_hz=120,
        )
    ],
    "tobii_titta": [
        Bridge(
            stream("Tobii_gaze", "Gaze", 600, TITTA_LABELLED, channels=43),
            "eye",
            33,
            eyes(x="1 22", y="2 23", valid="6 27", pupil="8 29"),
        )
    ],
    "pupil_labs": [
        Bridge(
            stream("pupil_capture", "Gaze", 0, PUPIL_CAPTURE),
            "eye",
            33,
            eyes(
                dx="gaze_normal0_x gaze_normal1_x",
                dy="gaze_normal0_y gaze_normal1_y",
                dz="gaze_normal0_z gaze_normal1_z",
                pupil="diameter0_3d diameter1_3d",
                valid="confidence",
            ),
            true_rate_hz=120,
            lost=0.0,
        )
    ],
    "pupil_labs_neon": [
        Bridge(stream("Neon Companion_Neon Gaze", "Gaze", 200, ["x", "y"]), "eye", 18, eyes(x="x", y="y"), scale=1600.0)
    ],
    "eyelink": [
        Bridge(
            stream("EyeLink", "Gaze", 500, EYELINK),
            "eye",
            33,
            eyes(x="leftEyeX rightEyeX", y="leftEyeY rightEyeY", pupil="leftPupilArea rightPupilArea"),
            scale=1920.0,
            true_rate_hz=400,
            lost=-32768.0,
        )
    ],
}


def including(folder: Path, fragment: str) -> Configuration:
    lab = folder / "lab.toml"
    lab.write_text(f'include = ["{(CONFIGS / fragment).as_posix()}.toml"]\nlabels = ["calm", "tense"]\n')
    return load_configuration(lab)


def simulated(bridge: Bridge, labels: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Stamps and values of a person who looks from place to place, and blinks every four seconds."""
    rate_hz = bridge.true_rate_hz or bridge.header.nominal_rate_hz
    stamps_s = np.arange(round(DURATION_S * rate_hz)) / rate_hz + 1e-4
    rng = np.random.default_rng(0)
    values = rng.normal(scale=10.0, size=(len(stamps_s), len(labels)))
    places = rng.uniform(0.2, 0.8, size=(200, 2))
    index, part = np.divmod(stamps_s, 0.35)
    # The last twentieth of a second of each stay is the way to the next place.
    moved = np.clip((part - 0.30) / 0.05, 0, 1)[:, None]
    now = index.astype(int)
    point = (1 - moved) * places[now] + moved * places[now + 1] + rng.normal(scale=2e-4, size=(len(now), 2))
    open_eyes = (stamps_s % 4.0) > 0.2
    pupil = 3.5 + 0.3 * np.sin(2 * np.pi * 0.3 * stamps_s)
    # Twenty degrees either way.
    ahead = np.column_stack([(point - 0.5) * 0.73, np.ones(len(point))])
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    carried = {
        "x": point[:, 0] * bridge.scale,
        "y": point[:, 1] * bridge.scale,
        "dx": ahead[:, 0],
        "dy": ahead[:, 1],
        "dz": ahead[:, 2],
        "pupil": pupil,
        "valid": np.ones(len(stamps_s)),
    }
    lost = {"valid": 0.0, "pupil": bridge.lost if np.isnan(bridge.lost) else 0.0}
    for label, what in bridge.gaze.items():
        values[:, labels.index(label)] = np.where(open_eyes, carried[what], lost.get(what, bridge.lost))
    return stamps_s, values.astype(np.float32)


def run(config: Configuration, bridge: Bridge) -> tuple[FeaturePipeline, list[FeatureWindow]]:
    description = describe(bridge.header, "s").description
    pipeline = FeaturePipeline(config, [description], origin="network")
    stamps_s, values = simulated(bridge, description.channel_labels)
    return pipeline, [*pipeline.push(Chunk("s", stamps_s, values)), *pipeline.end()]


def test_every_fragment_is_tested() -> None:
    assert sorted(BRIDGES) == FRAGMENTS


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_fragment_and_labels_are_a_configuration(fragment: str, tmp_path: Path) -> None:
    config = including(tmp_path, fragment)
    assert config.labels == ["calm", "tense"]
    assert sorted(config.views) == sorted(bridge.view for bridge in BRIDGES[fragment])


@pytest.mark.parametrize(
    ("fragment", "bridge"),
    [pytest.param(name, bridge, id=f"{name}-{bridge.view}") for name, made in BRIDGES.items() for bridge in made],
)
def test_features_come_out_of_what_the_bridge_sends(fragment: str, bridge: Bridge, tmp_path: Path) -> None:
    pipeline, windows = run(including(tmp_path, fragment), bridge)
    assert len(pipeline.names[bridge.view]) == bridge.features
    # Four of fourteen windows begin with a blink, and the slow bands of pupils need some seconds.
    later = windows[-4:]
    assert [window.reason.get(bridge.view, "") for window in later] == [""] * 4
    assert np.isfinite([window.features[bridge.view] for window in later]).all()


def test_eeg_channels_are_in_the_order_of_the_data_set(tmp_path: Path) -> None:
    for fragment, order in {"seed": SEED, "deap": GENEVA}.items():
        pipeline, _ = run(including(tmp_path, fragment), BRIDGES[fragment][0])
        bound = pipeline.bound["eeg"]
        assert bound is not None
        assert list(bound.channel_labels) == order


@pytest.mark.parametrize("fragment", [name for name, made in BRIDGES.items() if made[-1].view == "eye"])
def test_saccades_and_blinks_are_counted_about_right(fragment: str, tmp_path: Path) -> None:
    bridge = BRIDGES[fragment][-1]
    pipeline, windows = run(including(tmp_path, fragment), bridge)
    last = dict(zip(pipeline.names["eye"], windows[-1].features["eye"].tolist(), strict=True))
    assert last["saccade_frequency"] == pytest.approx(1 / 0.35, rel=0.35)
    if "blink_frequency" in last:
        assert last["blink_frequency"] == pytest.approx(0.25, abs=0.06)
        assert last["blink_duration_mean"] == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("fragment", "streams", "wanted"),
    [
        (
            "pupil_labs",
            ["pupil_capture_pupillometry_only", "pupil_capture", "pupil_capture_fixations"],
            "pupil_capture",
        ),
        ("openbci", ["obci_eeg2", "obci_eeg1"], "obci_eeg1"),
    ],
)
def test_the_right_one_of_a_bridge_s_streams_is_found(
    fragment: str, streams: list[str], wanted: str, tmp_path: Path
) -> None:
    header = BRIDGES[fragment][0].header
    offered = [
        describe(StreamHeader(**{**_fields(header), "name": name, "source_id": name}), name).description
        for name in streams
    ]
    pipeline = FeaturePipeline(including(tmp_path, fragment), offered, origin="network")
    assert [bound and bound.name for bound in pipeline.bound.values()] == [wanted]


def _fields(header: StreamHeader) -> dict[str, object]:
    return {name: getattr(header, name) for name in StreamHeader.__dataclass_fields__}
