"""The calibration session: from a new participant to a model that can be trusted."""
