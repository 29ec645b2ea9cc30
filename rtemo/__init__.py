"""rtemo: real-time emotion recognition from several sensors that keeps working when one drops out."""
