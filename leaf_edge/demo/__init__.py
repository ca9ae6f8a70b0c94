"""The demonstration: a clip with known faults, and how well the score and the gate find them."""
