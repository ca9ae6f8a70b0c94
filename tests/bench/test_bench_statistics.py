import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaf_edge.bench.statistics import Summary


def test_known_values():
    summary = Summary.of([float(value) for value in range(101)])
    assert summary == Summary(mean=50.0, p50=50.0, p90=90.0, p99=99.0, max=100.0, min=0.0)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_order(times):
    s = Summary.of(times)
    assert s.min <= s.p50 <= s.p90 <= s.p99 <= s.max
    assert s.min - 1e-6 <= s.mean <= s.max + 1e-6


def test_nothing_to_summarise():
    with pytest.raises(ValueError, match="no times"):
        Summary.of([])
