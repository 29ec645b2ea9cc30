"""Labelled sets of several views: the paper's, and free ones."""
