"""Image quality assessment for cameras: see README.md."""

__version__ = "0.1.0"
