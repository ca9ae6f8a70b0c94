"""The two 224x224 views that the student sees (contract: docs/views.md)."""

from leaf_edge.views.native import ViewMaker, available_isas, make_views
from leaf_edge.views.reference import GRID, PATCH, SIZE, VIEWS_VERSION

__all__ = ["GRID", "PATCH", "SIZE", "VIEWS_VERSION", "ViewMaker", "available_isas", "make_views"]
