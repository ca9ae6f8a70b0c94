"""Colours, sizes and words of the pictures."""

from __future__ import annotations

INK, MUTED, GRID = "#1c2430", "#66707f", "#e3e7ec"
LINE, BEST, WORST = "#2563a8", "#1b8a5a", "#c2410c"
HEAT = "OrRd"

LEVELS: tuple[tuple[int, str], ...] = ((1, "bad"), (2, "poor"), (3, "fair"), (4, "good"), (5, "excellent"))
"""Words of the five-level scale, ITU-T P.910 (2022) section 7.1."""

RC = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "svg.hashsalt": "leaf-edge",
}


def shorten(text: str, width: int) -> str:
    """The end of `text`, which tells paths apart, in at most `width` characters that a font can draw."""
    text = text.encode("utf-8", "backslashreplace").decode().replace("$", r"\$")
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= width else "…" + text[1 - width :]
