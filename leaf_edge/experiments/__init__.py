"""Experiments on method: what labels, reliabilities and ratings are worth, on data that has human MOS."""
