"""What calibration refuses."""

from __future__ import annotations


class CalibrationError(ValueError):
    """Frames or labels that must not be calibrated on. The message gives the reason and what to do."""
