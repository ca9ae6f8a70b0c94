"""Timings: the views, the stages of a frame, and other metrics on the same frames."""
