"""The acceptance check: measure over the network whether the service meets its requirements."""
