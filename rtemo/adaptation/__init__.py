"""Learning beside the path: what a session's windows say without labels, and what keeps it from doing harm."""
