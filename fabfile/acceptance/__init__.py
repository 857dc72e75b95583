"""Acceptance: does the service do what its requirements ask, as seen by its users over the
network."""
