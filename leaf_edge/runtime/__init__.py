"""Scoring: engines, the scorer, streams of frames, the gate."""
