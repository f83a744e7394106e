"""`rushlight detect`: boxes on pictures, folders and videos, by a Darknet network.

Writes each picture with its boxes and one `detections.json` in COCO's results format.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rushlight.cli.errors import CommandError, UsageProblem
from rushlight.cli.files import write_bytes_atomically, write_json_atomically
from rushlight.cli.training.pictures import EXTENSIONS
from rushlight.darknet import CfgError, Detections, Detector, WeightsError, coco_names, load_network
from rushlight.darknet.boxes import SUPPRESSIONS
from rushlight.darknet.drawing import draw_detections

VIDEO_EXTENSIONS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")

# COCO numbers its 80 classes from 1 to 90 and leaves these out.
_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_LONGEST_LINE = 6


def detect(
    sources: list[str], cfg: str, weights: str, names: str | None = None, out: str = "runs/detect",
    threshold: float = 0.25, overlap: float = 0.45, suppression: str | None = None,
    keep_shape: bool | None = None, size: int | None = None, batch_size: int = 1,
    draw: bool = True,
) -> Path:  # fmt: skip
    """Find things on all `sources` and write the results; return the folder.

    A picture that cannot be read is left out and named at the end.

    Raises CommandError with one line for anything that cannot be read, run or written.
    """
    if suppression is not None and suppression not in SUPPRESSIONS:
        raise UsageProblem(f"--nms {suppression}: use {', '.join(SUPPRESSIONS)}")
    if size is not None and not 32 <= size <= 8192:
        raise UsageProblem(f"--size {size}: between 32 and 8192")
    items = list(_items(sources))
    detector = _detector(cfg, weights, names, threshold, overlap, suppression, keep_shape, size)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    job = _Job(detector, folder, batch_size, draw)
    try:
        with _Display(len(items)) as display:
            for path in [item for item in items if _is_video(item)]:
                job.video(path, display)
            job.pictures([item for item in items if not _is_video(item)], display)
    finally:
        write_json_atomically(folder / "detections.json", job.rows)
    rate = job.count / job.seconds if job.seconds else 0.0
    unit = "picture" if job.count == 1 else "pictures"
    print(
        f"{job.count} {unit}, {len(job.rows)} boxes, {rate:.1f} pictures/s: "
        f"{folder}/detections.json" + (f" and {job.written} drawn" if draw else "")
    )
    if job.unread:
        more = f" (and {len(job.unread) - 1} more)" if len(job.unread) > 1 else ""
        raise CommandError(f"{job.unread[0]}{more}")
    return folder


def _items(sources: list[str]) -> Iterator[Path]:
    """Every picture and video of the sources; folders in the order of their names."""
    for source in sources:
        path = Path(source)
        if path.is_dir():
            known = EXTENSIONS + VIDEO_EXTENSIONS
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in known)
            if not inside:
                raise CommandError(f"no pictures or videos in the folder {path}")
            yield from inside
        elif path.exists():
            yield path
        else:
            raise CommandError(f"no such picture, folder or video: {path}")


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_EXTENSIONS


def _detector(
    cfg: str, weights: str, names: str | None, threshold: float, overlap: float,
    suppression: str | None, keep_shape: bool | None, size: int | None,
) -> Detector:  # fmt: skip
    try:
        model = load_network(cfg, weights)
        return Detector(
            model,
            names=None if names is None else _read_names(names),
            threshold=threshold,
            overlap=overlap,
            suppression=suppression,
            keep_shape=keep_shape,
            size=None if size is None else (size, size),
        )
    except FileNotFoundError as error:
        raise CommandError(f"no such file: {error.filename}") from None
    except (CfgError, WeightsError, ValueError) as error:
        raise CommandError(str(error)) from None


def _read_names(path: str) -> list[str]:
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


class _Job:
    """The detector at work: what was found so far, and where it is written."""

    def __init__(self, detector: Detector, folder: Path, batch_size: int, draw: bool):
        self.detector, self.folder, self.draw = detector, folder, draw
        self.batch_size = batch_size
        self.rows: list[dict[str, Any]] = []
        self.unread: list[str] = []  # what is wrong with the pictures that could not be read
        self.count = self.written = 0
        self.seconds = 0.0
        self._used: set[str] = set()
        self._categories = _category_ids(detector.names)

    def pictures(self, paths: list[Path], display: _Display) -> None:
        for start in range(0, len(paths), self.batch_size):
            opened = []
            for path in paths[start : start + self.batch_size]:
                try:
                    opened.append((path, _open(path)))
                except CommandError as error:
                    self.unread.append(str(error))
            if not opened:
                continue
            for (path, image), found in zip(opened, self._find([image for _, image in opened])):
                self._add(_image_id(path), found)
                if self.draw:
                    self._write_picture(path, image, found)
                display.done(path.name, _summary(found, self.detector.names), self)

    def _find(self, images: list[Any]) -> list[Detections]:
        started = time.perf_counter()
        results = self.detector.detect(images)
        self.seconds += time.perf_counter() - started
        self.count += len(images)
        return results

    def _add(self, image_id: int | str, found: Detections) -> None:
        for box, score, number in zip(
            found.boxes.tolist(), found.scores.tolist(), found.classes.tolist()
        ):
            x1, y1, x2, y2 = box
            self.rows.append(
                {
                    "image_id": image_id,
                    "category_id": self._categories[number],
                    "bbox": [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)],
                    "score": round(score, 5),
                }
            )

    def _write_picture(self, path: Path, image: Any, found: Detections) -> None:
        drawing = draw_detections(image, found, self.detector.names)
        buffer = io.BytesIO()
        if path.suffix.lower() == ".png":
            drawing.save(buffer, "PNG")
        else:
            drawing.save(buffer, "JPEG", quality=92)
        suffix = ".png" if path.suffix.lower() == ".png" else ".jpg"
        write_bytes_atomically(self.folder / self._name(path, suffix), buffer.getvalue())
        self.written += 1

    def _name(self, path: Path, suffix: str) -> str:
        """The name to write under: the picture's own, numbered when two have the same."""
        name, number = path.stem, 1
        while f"{name}{suffix}" in self._used:
            number += 1
            name = f"{path.stem}-{number}"
        self._used.add(f"{name}{suffix}")
        return f"{name}{suffix}"

    def video(self, path: Path, display: _Display) -> None:
        """Every frame of a video; image_id is the file's name and the frame's number."""
        from rushlight.cli.video import read_frames, write_frames

        target = self.folder / self._name(path, ".mp4")
        frames, rate = read_frames(path)

        def drawn() -> Iterator[Any]:
            for number, image in enumerate(frames):
                (found,) = self._find([image])
                self._add(f"{path.stem}#{number}", found)
                display.frame(path.name, number + 1, self)
                yield draw_detections(image, found, self.detector.names)

        if self.draw:
            write_frames(target, drawn(), rate)
            self.written += 1
        else:
            for _ in drawn():
                pass
        display.done(path.name, "", self)


def _open(path: Path) -> Any:
    from PIL import Image, ImageOps

    try:
        image = Image.open(path)
        image.load()
        return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise CommandError(f"cannot read picture {path}: {error or type(error).__name__}") from None


def _image_id(path: Path) -> int | str:
    """COCO's number where the file has one for a name (000000000139.jpg), else the name."""
    return int(path.stem) if path.stem.isascii() and path.stem.isdigit() else path.stem


def _category_ids(names: list[str]) -> list[int]:
    """COCO's own numbers for its 80 classes; 1, 2, 3, ... for others."""
    if names == coco_names():
        return [number for number in range(1, 91) if number not in _COCO_GAPS]
    return list(range(1, len(names) + 1))


def _summary(found: Detections, names: list[str]) -> str:
    best = list(zip(found.classes.tolist(), found.scores.tolist()))
    parts = [f"{names[number]} {score:.2f}" for number, score in best[:_LONGEST_LINE]]
    more = len(best) - _LONGEST_LINE
    return (", ".join(parts) or "nothing") + (f" and {more} more" if more > 0 else "")


class _Display:
    """One line for each picture; on a terminal a bar with pictures per second below them."""

    def __init__(self, total: int):
        self.progress: Any = None
        if sys.stdout.isatty():
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self.progress = Progress(
                BarColumn(bar_width=None), MofNCompleteColumn(),
                TextColumn("[cyan]{task.fields[rate]} pictures/s[/]"), TimeRemainingColumn(),
                transient=True, expand=True,
            )  # fmt: skip
            self.task = self.progress.add_task("", total=total, rate="-")

    def __enter__(self) -> _Display:
        if self.progress is not None:
            self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.progress is not None:
            self.progress.stop()

    def frame(self, name: str, number: int, job: _Job) -> None:
        """Report a frame of a video: on the bar, and every hundredth as a line."""
        if self.progress is not None:
            self.progress.update(self.task, rate=f"{job.count / job.seconds:.1f}")
        elif number % 100 == 0:
            print(f"{name}: frame {number}, {job.count / job.seconds:.1f} frames/s", flush=True)

    def done(self, name: str, summary: str, job: _Job) -> None:
        """Report a picture, or a whole video."""
        text = f"{name}: {summary}" if summary else f"{name}: done"
        if self.progress is None:
            print(text, flush=True)
            return
        self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        self.progress.update(self.task, advance=1, rate=f"{job.count / job.seconds:.1f}")
