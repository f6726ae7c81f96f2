"""Calibration: what was published and what was measured, each beside what the simulator makes of it."""
