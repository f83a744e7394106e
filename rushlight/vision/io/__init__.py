"""Picture files to uint8 tensors (C, H, W) and back, by Pillow.

Example:
    >>> import rushlight
    >>> from rushlight.vision import io
    >>> io.decode_png(io.encode_png(rushlight.zeros(3, 4, 5, dtype=rushlight.uint8))).shape
    torch.Size([3, 4, 5])
"""

from rushlight.vision._suggest import lazy_attributes

_TABLE = dict.fromkeys(
    (
        "ImageReadMode",
        "decode_gif",
        "decode_image",
        "decode_jpeg",
        "decode_png",
        "decode_webp",
        "encode_jpeg",
        "encode_png",
        "read_file",
        "read_image",
        "write_file",
        "write_jpeg",
        "write_png",
    ),
    "image",
)
_TABLE["image"] = "image"

_MISSING = (
    "VideoReader",
    "decode_avif",
    "decode_heic",
    "read_video",
    "read_video_timestamps",
    "write_video",
)

__getattr__, __dir__ = lazy_attributes(__name__, _TABLE, missing=_MISSING)
