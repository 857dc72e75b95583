"""Drills: faults made on purpose under load, and a verdict on what users saw of them."""
