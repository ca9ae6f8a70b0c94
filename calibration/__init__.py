"""Calibration: raw score to MOS, intervals, INT8 calibration frames."""
