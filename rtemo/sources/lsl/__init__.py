"""Live streams: what is on the network, and how it is read."""
