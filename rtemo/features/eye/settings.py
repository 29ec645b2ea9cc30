"""Settings of the extractor ``eye``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rtemo.features.base import ExtractorSettings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Screen(BaseModel):
    """The screen that is looked at; BIDS calls these ScreenResolution, ScreenSize and ScreenDistance.

    Parameters
    ----------
    resolution_px : (float, float)
        Width and height in pixels.
    size_m : (float, float)
        Width and height in metres.
    distance_m : float
        From the eyes, in metres.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    resolution_px: tuple[Positive, Positive]
    size_m: tuple[Positive, Positive]
    distance_m: Positive


class EyeSettings(ExtractorSettings):
    """Settings of ``eye``.

    Parameters
    ----------
    unit : "pixels", "normalised" or "degrees"
        Of gaze points; directions have none. Normalised is 0 to 1 over the screen or the scene camera's image.
    screen : Screen, optional
        With it, pixels and normalised points become degrees of visual angle.
    units_per_degree : float, optional
        The same for what is not on a screen, such as pixels of a scene camera: so many make a degree.
    method : "velocity" or "dispersion"
        What tells fixations from saccades: the velocity of gaze (I-VT), or its spread (I-DT); see Salvucci and
        Goldberg 2000.
    velocity_threshold : float or "adaptive"
        Degrees a second, or the tracker's units a second where degrees are not known. Adaptive: `noise_factor` times
        the standard deviation of what gaze does while it rests, over the last ten seconds, and at least
        `velocity_floor`; after Engbert and Kliegl 2003.
    noise_factor : float
    velocity_floor : float
        Degrees a second; not used where degrees are not known.
    velocity_span_s : float
        Velocity is taken over at least so long, and at least over one sample.
    dispersion_threshold : float, optional
        Degrees, or the tracker's units: width plus height of what a fixation may cover. 1 degree where not given;
        needed where degrees are not known.
    min_fixation_s, min_saccade_s : float
        What is shorter is none.
    min_amplitude : float
        Degrees; a saccade that is smaller is none. Not used where degrees are not known.
    saccade_merge_s : float
        Saccades closer than this are one.
    max_gap_s : float
        A fixation goes on over losses of gaze that are shorter.
    blink_source : "auto", "flag", "aperture", "pupil" or "validity"
        What tells that the eyes are closed; by itself the first of these that there are columns for.
    blink_s : (float, float)
        The eyes are closed for at least and at most so long in a blink.
    blink_merge_s : float
        Blinks closer than this are one.
    blink_margin_s : float
        Around closed eyes, pupils do not count and saccades are none: the lid covers part of the pupil.
    aperture_closed, aperture_open : float
        Eyes whose aperture falls below the first fraction of what it usually is are closed, from when it fell below the
        second one until it is above that again.
    valid_min : float
        Least value of a column ``valid``, a flag or a confidence.
    min_valid : float
        Share of a window's samples with valid gaze below which the view is missing.
    freeze_s : float
        Gaze that is the same to the last bit for longer is frozen; the view is missing where that is most of a window.
    buffer_s : float
        Events count for so long, and so far back reach the slow bands of the pupil.
    """

    unit: Literal["pixels", "normalised", "degrees"] = "pixels"
    screen: Screen | None = None
    units_per_degree: Positive | None = None
    method: Literal["velocity", "dispersion"] = "velocity"
    velocity_threshold: Positive | Literal["adaptive"] = "adaptive"
    noise_factor: Positive = 5.0
    velocity_floor: Positive = 30.0
    velocity_span_s: Annotated[float, Field(ge=0, le=0.1)] = 0.012
    dispersion_threshold: Positive | None = None
    min_fixation_s: Annotated[float, Field(ge=0, le=1)] = 0.06
    min_saccade_s: Annotated[float, Field(ge=0, le=0.1)] = 0.008
    min_amplitude: Annotated[float, Field(ge=0, le=10)] = 0.3
    saccade_merge_s: Annotated[float, Field(ge=0, le=0.1)] = 0.02
    max_gap_s: Annotated[float, Field(ge=0, le=1)] = 0.075
    blink_source: Literal["auto", "flag", "aperture", "pupil", "validity"] = "auto"
    blink_s: tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(gt=0, le=10)]] = (0.03, 1.0)
    blink_merge_s: Annotated[float, Field(ge=0, le=1)] = 0.03
    blink_margin_s: Annotated[float, Field(ge=0, le=1)] = 0.08
    aperture_closed: Annotated[float, Field(gt=0, lt=1)] = 0.5
    aperture_open: Annotated[float, Field(gt=0, le=1)] = 0.8
    valid_min: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    min_valid: Share = 0.5
    freeze_s: Positive = 0.2
    buffer_s: Annotated[float, Field(ge=1, le=600)] = 10.0

    @model_validator(mode="after")
    def _fits_together(self) -> EyeSettings:
        if self.screen is not None and (self.unit == "degrees" or self.units_per_degree is not None):
            raise ValueError("screen goes with pixels or normalised points, and without units_per_degree")
        if self.unit == "degrees" and self.units_per_degree is not None:
            raise ValueError('unit = "degrees" needs no units_per_degree')
        if self.aperture_closed > self.aperture_open:
            raise ValueError(f"aperture_closed = {self.aperture_closed:g} is more than aperture_open")
        longest = max(self.saccade_merge_s, self.blink_merge_s)
        if longest > self.min_fixation_s:
            raise ValueError(
                f"saccade_merge_s and blink_merge_s must not be longer than min_fixation_s = {self.min_fixation_s:g}: "
                "a fixation would lie within a saccade or a blink"
            )
        if self.blink_s[0] >= self.blink_s[1]:
            raise ValueError(f"blink_s = {list(self.blink_s)}: give the shorter one first")
        return self
