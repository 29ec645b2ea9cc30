"""Extractors: from the samples of a window to the features of a view."""
