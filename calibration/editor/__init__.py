"""The window of ``rtemo label``."""
