"""Pictures of scores (needs the extra `plot`)."""

from leaf_edge.plot.plot import Plot

__all__ = ["Plot"]
