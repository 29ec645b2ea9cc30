"""What the participant sees and does, and the experimenter's window beside it: the only part of a session with Qt."""
