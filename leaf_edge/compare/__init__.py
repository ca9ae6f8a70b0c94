"""The same frames through two engines: how far apart, and from which layer on (docs/compare.md)."""

from leaf_edge.compare.engines import ENGINES, Side, make_side
from leaf_edge.compare.limits import Limits
from leaf_edge.compare.result import Comparison, Difference, WorstFrame
from leaf_edge.compare.run import KeptViews, compare_frames
from leaf_edge.compare.views import REFERENCE, make_viewer, view_kernels

__all__ = [
    "ENGINES",
    "REFERENCE",
    "Comparison",
    "Difference",
    "KeptViews",
    "Limits",
    "Side",
    "WorstFrame",
    "compare_frames",
    "make_side",
    "make_viewer",
    "view_kernels",
]
