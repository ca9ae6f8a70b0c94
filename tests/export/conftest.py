"""What several tests of the export share: one small student, observed once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from export_inputs import scenes, small_student
from numpy.typing import NDArray

from leaf_edge.export.net import Net, from_student
from leaf_edge.export.observe import Observation, observe
from leaf_edge.student.network import Student


class Observed(NamedTuple):
    student: Student
    net: Net
    views: NDArray[np.uint8]
    seen: Observation


@pytest.fixture(scope="session")
def observed() -> Observed:
    student, views = small_student(), scenes(24, seed=1)
    net = from_student(student)
    return Observed(student, net, views, observe(net, views))
