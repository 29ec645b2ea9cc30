"""Labels that trackers really use, and the parts that their channels play."""

from __future__ import annotations

import pytest

from rtemo.features.eye.guess import guess_columns, guess_unit

UNITY = (
    *("Timestamp", "ConvergenceDistance", "ConvergenceDistanceIsValid", "GazeRayOriginX", "GazeRayOriginY"),
    *("GazeRayOriginZ", "GazeRayDirectionX", "GazeRayDirectionY", "GazeRayDirectionZ", "GazeRayIsValid"),
    *("IsLeftEyeBlinking", "IsRightEyeBlinking"),
)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            ("x", "y", "pupil", "blink", "valid"),
            {"x": "x", "y": "y", "pupil": "pupil", "blink": "blink", "valid": "valid"},
        ),
        (
            ("left_x", "left_y", "left_pupil", "right_x", "right_y", "right_pupil"),
            {
                "x_left": "left_x",
                "y_left": "left_y",
                "x_right": "right_x",
                "y_right": "right_y",
                "pupil_left": "left_pupil",
                "pupil_right": "right_pupil",
            },
        ),
        (
            ("Screen_X_left", "Screen_Y_left", "Screen_X_right", "Screen_Y_right", "PupilDiameter_left"),
            {
                "x_left": "Screen_X_left",
                "y_left": "Screen_Y_left",
                "x_right": "Screen_X_right",
                "y_right": "Screen_Y_right",
                "pupil_left": "PupilDiameter_left",
            },
        ),
        (("AccX", "AccY", "AccZ", "GyroX"), {}),
        (("x", "pupil"), {}),
        # Two that could be the pupil: neither is.
        (("x", "y", "pupil", "diameter"), {"x": "x", "y": "y"}),
        (("x", "y", "pupil_confidence", "left_eye_blink_prob"), {"x": "x", "y": "y", "valid": "pupil_confidence"}),
        ((), {}),
    ],
)
def test_channels_are_told_by_their_labels(labels, expected):
    assert guess_columns(labels) == expected


def test_a_headsets_directions_and_lids_are_found_among_all_else():
    found = guess_columns(UNITY)
    assert {
        part: found[part] for part in ("direction_x", "direction_y", "direction_z", "blink_left", "blink_right")
    } == {
        "direction_x": "GazeRayDirectionX",
        "direction_y": "GazeRayDirectionY",
        "direction_z": "GazeRayDirectionZ",
        "blink_left": "IsLeftEyeBlinking",
        "blink_right": "IsRightEyeBlinking",
    }


def test_units_are_told_where_they_say_so():
    assert guess_unit(("normalized", "normalized")) == "normalised"
    assert guess_unit(("px", "px")) == "pixels"
    assert guess_unit(("", "")) == ""
