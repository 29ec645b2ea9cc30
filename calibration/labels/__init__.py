"""Labelled segments of a recording: seen, mended, checked, and kept apart from the data."""
