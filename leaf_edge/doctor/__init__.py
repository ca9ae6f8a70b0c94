"""What this machine can run, and why not the rest (docs/doctor.md)."""

from leaf_edge.doctor.check import NEEDS, Check, Status
from leaf_edge.doctor.examine import Report, examine
from leaf_edge.doctor.host import Host

__all__ = ["NEEDS", "Check", "Host", "Report", "Status", "examine"]
