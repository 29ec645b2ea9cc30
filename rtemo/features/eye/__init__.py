"""Gaze and pupil: fixations, saccades and blinks as they happen, and the 33 eye features of SEED."""

from __future__ import annotations

from rtemo.features.eye.events import EyeEvent
from rtemo.features.eye.extractor import Eye, detect_events
from rtemo.features.eye.settings import EyeSettings

__all__ = ["Eye", "EyeEvent", "EyeSettings", "detect_events"]
