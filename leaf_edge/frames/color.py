"""The colour of a source: what it states, what the user states, and the documented defaults.

The table for people is in docs/frames.md; the rule stands here once.
"""

from __future__ import annotations

from leaf_edge.frames.frame import ColorMatrix, ColorRange
from leaf_edge.frames.source import Notices, SourceOptions

HD_WIDTH, HD_HEIGHT = 1280, 720
"""From this width or this height on, video that states no matrix is taken as BT.709, as players do."""


def default_matrix(width: int, height: int) -> ColorMatrix:
    """Matrix of YUV that states none."""
    return ColorMatrix.BT709 if width >= HD_WIDTH or height >= HD_HEIGHT else ColorMatrix.BT601


def default_range(is_yuv: bool) -> ColorRange:
    """Range of samples that state none: limited for YUV, full for RGB and grey."""
    return ColorRange.LIMITED if is_yuv else ColorRange.FULL


def resolve_color(
    source: str,
    options: SourceOptions,
    notices: Notices,
    *,
    is_yuv: bool,
    size: tuple[int, int],
    matrix: ColorMatrix | None = None,
    range: ColorRange | None = None,
) -> tuple[ColorMatrix | None, ColorRange]:
    """(matrix, range) to read the samples of a source with.

    matrix, range: what the source itself states. The user's statement comes first, then the source's,
    then the default. Defaults and overruled statements are announced, in one notice.
    """
    said: list[str] = []
    if options.range is not None:
        final_range = options.range
        if range is not None and range is not final_range:
            said.append(f"states {_name(range)} range, read as {_name(final_range)} because you state it")
    elif range is not None:
        final_range = range
    else:
        final_range = default_range(is_yuv)
        said.append(f"states no range, taken as {_name(final_range)} (--range states it)")
    if not is_yuv:
        final_matrix = None
    elif options.matrix is not None:
        final_matrix = options.matrix
        if matrix is not None and matrix is not final_matrix:
            said.append(f"states {_name(matrix)}, read as {_name(final_matrix)} because you state it")
    elif matrix is not None:
        final_matrix = matrix
    else:
        final_matrix = default_matrix(*size)
        where = "from" if final_matrix is ColorMatrix.BT709 else "below"
        said.append(
            f"states no colour matrix, taken as {_name(final_matrix)}, as usual {where} "
            f"{HD_WIDTH} columns or {HD_HEIGHT} rows (--matrix states it)"
        )
    notices.once(source, *said)
    return final_matrix, final_range


def _name(value: ColorMatrix | ColorRange) -> str:
    return value.name.lower()
