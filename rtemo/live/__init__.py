"""A live session: streams in, windows out, predictions published, everything recorded."""
