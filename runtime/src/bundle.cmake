# Reading and verifying a bundle, and its calibration.
