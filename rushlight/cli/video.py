"""Videos as sequences of PIL images, by PyAV (`pip install 'rushlight[video]'`)."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from rushlight.cli.errors import CommandError


def _pyav() -> Any:
    try:
        return importlib.import_module("av")
    except ImportError:
        raise CommandError("videos need PyAV: pip install 'rushlight[video]'") from None


def read_frames(path: Path) -> tuple[Iterator[Any], Fraction]:
    """Return (the frames as PIL images, frames per second) of a video file.

    Raises CommandError naming the file when it is no video or its pictures cannot be decoded.
    """
    av = _pyav()
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise CommandError(f"cannot read video {path}: {error}") from None
    if not container.streams.video:
        raise CommandError(f"cannot read video {path}: it has no pictures")
    rate = container.streams.video[0].average_rate or Fraction(25)

    def frames() -> Iterator[Any]:
        try:
            with container:
                for frame in container.decode(video=0):
                    yield frame.to_image()
        except av.error.FFmpegError as error:
            raise CommandError(f"cannot read video {path}: {error}") from None

    return frames(), rate


def write_frames(path: Path, frames: Iterator[Any], rate: Fraction) -> None:
    """Write PIL images of one size as an MP4 file; it appears when it is complete."""
    av = _pyav()
    partial = path.with_name(f".{path.stem}.partial.mp4")
    try:
        with av.open(str(partial), "w", format="mp4") as container:
            stream = None
            for image in frames:
                # The encoder wants even sides.
                width, height = image.width // 2 * 2, image.height // 2 * 2
                if stream is None:
                    stream = container.add_stream("h264", rate=rate)
                    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                whole = image.crop((0, 0, stream.width, stream.height))
                for packet in stream.encode(av.VideoFrame.from_image(whole)):
                    container.mux(packet)
            for packet in stream.encode() if stream is not None else ():
                container.mux(packet)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
