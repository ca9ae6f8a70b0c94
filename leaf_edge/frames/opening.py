"""From what the user names to a source of frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePath

from leaf_edge.frames.bytestream import ByteStream
from leaf_edge.frames.folder import FolderSource
from leaf_edge.frames.image_file import is_image
from leaf_edge.frames.images import IMAGE_SUFFIXES, ImageSource
from leaf_edge.frames.raw import RawSource
from leaf_edge.frames.source import (
    DEFAULTS,
    STDIN_NAME,
    Kind,
    Notice,
    Notices,
    Source,
    SourceError,
    SourceOptions,
)
from leaf_edge.frames.streamed import open_file, open_stdin
from leaf_edge.frames.y4m import MAGIC, Y4mSource

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv"}
    | {".flv", ".ogv", ".3gp", ".mxf", ".mjpg", ".mjpeg", ".ivf", ".nut"}
    | {".h264", ".264", ".h265", ".265", ".hevc"}
)
Y4M_SUFFIXES = frozenset({".y4m"})


def kind_of(path: PurePath) -> Kind | None:
    """What a file is by its extension: image, video, y4m, or None."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    if suffix in VIDEO_SUFFIXES:
        return "video"
    return "y4m" if suffix in Y4M_SUFFIXES else None


def open_source(
    spec: str | Path, options: SourceOptions = DEFAULTS, *, notice: Notice | None = None
) -> Source:
    """The frames that `spec` names.

    spec: path of an image, a folder, a video, a .y4m file, or of raw frames (any other extension,
        with `options.format` and `options.size`); `-` for standard input, raw or y4m.
    notice: called with one line for what is taken by a documented default, once for each such thing.
    Raises `SourceError` for what does not exist, is of no known kind, or lacks a needed option; files
    that exist but cannot be read are reported as `options.on_error` says.
    """
    notices = Notices(notice)
    name = str(spec)
    if name == STDIN_NAME:
        return _open_stdin(options, notices)
    if not name:
        raise SourceError("''", "an empty name; expected a file, a folder, or - for a pipe")
    if "://" in name:
        raise SourceError(name, "addresses cannot be opened; expected a file, a folder, or - for a pipe")
    path = Path(spec)
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise SourceError(name, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not exists:
        raise SourceError(name, "no such file or folder")
    if is_folder:
        _refuse_layout(name, "a folder", options)
        opener = partial(_open_file, options=options, notices=notices)
        return FolderSource(path, name, options, notices, kind_of, opener)
    return _open_file(path, options, notices, name)


def _open_file(path: Path, options: SourceOptions, notices: Notices, name: str | None = None) -> Source:
    name = str(path) if name is None else name
    kind = kind_of(path)
    if kind is None and options.format is None and options.size is None:
        kind = _kind_by_content(path, name)
    if kind is None:
        return RawSource(name, options, partial(open_file, path), notices, again=path.is_file())
    _refuse_layout(name, f"{'an' if kind == 'image' else 'a'} {kind} by its name", options)
    if kind == "image":
        return ImageSource(path, name, options, notices)
    if kind == "y4m":
        return Y4mSource(name, options, partial(open_file, path), notices, again=path.is_file())
    # FFmpeg's libraries take a moment to load: only where a video is opened.
    from leaf_edge.frames.video import VideoSource

    return VideoSource(path, name, options, notices)


def _kind_by_content(path: Path, name: str) -> Kind:
    """Kind of a file whose extension says nothing, by its first bytes. Raises `SourceError`."""
    try:
        head = b""
        if path.is_file():  # looking into a pipe would take its first bytes away
            with path.open("rb") as file:
                head = file.read(64)
    except OSError as error:
        raise SourceError(name, f"cannot be read: {error.strerror or error}") from None
    if head.startswith(MAGIC):
        return "y4m"
    if is_image(head):
        return "image"
    raise SourceError(
        name,
        "is of no known kind by its extension or first bytes; raw frames need a format and a size "
        "(as in --format nv12 --size 1920x1080)",
    )


def _refuse_layout(name: str, what: str, options: SourceOptions) -> None:
    stated = [
        label
        for label, value in (("format", options.format), ("size", options.size), ("pitch", options.pitch))
        if value is not None
    ]
    if stated:
        raise SourceError(
            name, f"is {what}; {', '.join(stated)} describe(s) raw frames. Leave it out, or rename the file"
        )


def _open_stdin(options: SourceOptions, notices: Notices) -> Source:
    stream: ByteStream = open_stdin()
    is_y4m = stream.peek(len(MAGIC)) == MAGIC
    if is_y4m:
        _refuse_layout(STDIN_NAME, "y4m by its first bytes", options)
        return Y4mSource(STDIN_NAME, options, lambda: stream, notices, again=False)
    if options.format is None and options.size is None:
        raise SourceError(
            STDIN_NAME,
            "standard input is not y4m; raw frames need a format and a size (as in --format nv12 "
            "--size 1920x1080), and other video can be piped through ffmpeg -f yuv4mpegpipe",
        )
    return RawSource(STDIN_NAME, options, lambda: stream, notices, again=False)
