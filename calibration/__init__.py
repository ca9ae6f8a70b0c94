"""Calibration: raw score to MOS, intervals, INT8 calibration frames."""

from leaf_edge.calibration.curve import SHAPES, choose_shape, fit_curve, held_out_mos
from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.calibration.frames import check_views
from leaf_edge.calibration.interval import covered, fit_interval

__all__ = [
    "SHAPES",
    "CalibrationError",
    "check_views",
    "choose_shape",
    "covered",
    "fit_curve",
    "fit_interval",
    "held_out_mos",
]
