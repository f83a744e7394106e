"""Picture files to tensors and back, and files that are not pictures."""

import io as bytesio
import struct
import zlib

import numpy as np
import pytest

import rushlight
from rushlight.vision import io

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def pixels():
    return rushlight.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 6, 7), np.uint8))


def file_bytes(image, **options):
    file = bytesio.BytesIO()
    image.save(file, **options)
    return rushlight.from_numpy(np.frombuffer(file.getvalue(), dtype=np.uint8).copy())


def test_png_is_lossless(pixels, tmp_path):
    for picture in (pixels, pixels[:1]):
        assert rushlight.equal(io.decode_png(io.encode_png(picture)), picture)
        assert rushlight.equal(io.decode_image(io.encode_png(picture, 0)), picture)
    io.write_png(pixels, tmp_path / "a.png")
    assert rushlight.equal(io.read_image(tmp_path / "a.png"), pixels)
    assert rushlight.equal(io.decode_image(str(tmp_path / "a.png")), pixels)
    assert io.read_image(tmp_path / "a.png", "RGBA").shape == (4, 6, 7)


def test_jpeg_is_what_pillow_writes(tmp_path):
    smooth = rushlight.arange(64, dtype=rushlight.uint8).view(1, 8, 8).expand(3, 8, 8) * 3
    for quality in (30, 90):
        encoded = io.encode_jpeg(smooth, quality)
        image = Image.fromarray(smooth.numpy().transpose(1, 2, 0).copy())
        assert rushlight.equal(encoded, file_bytes(image, format="JPEG", quality=quality))
    decoded = io.decode_jpeg(io.encode_jpeg(smooth, 95))
    assert (decoded.int() - smooth.int()).abs().max().item() <= 6
    gray = io.decode_jpeg(io.encode_jpeg(smooth, 95), io.ImageReadMode.GRAY)
    assert gray.shape == (1, 8, 8)
    io.write_jpeg(smooth, tmp_path / "a.jpg")
    assert len(io.decode_jpeg([io.read_file(tmp_path / "a.jpg")] * 2)) == 2


def test_channels_asked_for():
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert io.decode_image(file_bytes(palette, format="PNG"))[:, 0, 0].tolist() == [10, 20, 30]
    one_bit = file_bytes(Image.new("1", (2, 2), 1), format="PNG")
    assert io.decode_image(one_bit).tolist() == [[[255, 255], [255, 255]]]
    half = file_bytes(Image.new("RGBA", (2, 2), (1, 2, 3, 128)), format="PNG")
    modes = {"UNCHANGED": 4, "GRAY": 1, "GRAY_ALPHA": 2, "RGB": 3, "RGB_ALPHA": 4}
    for name, channels in modes.items():
        assert io.decode_png(half, io.ImageReadMode[name]).shape == (channels, 2, 2)
    with pytest.raises(NotImplementedError, match="more than eight bits"):
        io.decode_png(file_bytes(Image.new("I;16", (2, 2)), format="PNG"))


def test_gif_frames():
    frames = [Image.new("RGB", (3, 2), (value, 0, 0)) for value in (0, 255)]
    single = file_bytes(frames[0], format="GIF")
    assert io.decode_gif(single).shape == (3, 2, 3)
    several = file_bytes(frames[0], format="GIF", save_all=True, append_images=frames[1:])
    assert io.decode_image(several)[:, 0, 0, 0].tolist() == [0, 255]


def test_orientation():
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned
    picture = file_bytes(Image.new("RGB", (4, 2)), format="JPEG", exif=exif)
    assert io.decode_jpeg(picture).shape == (3, 2, 4)
    assert io.decode_image(picture, apply_exif_orientation=True).shape == (3, 4, 2)


def test_wrong_arguments(pixels, tmp_path):
    with pytest.raises(RuntimeError, match="No such file"):
        io.read_image(tmp_path / "none.png")
    with pytest.raises(RuntimeError, match="No such file"):
        io.write_file(tmp_path / "none" / "a", pixels.flatten())
    for bad, why in [
        (pixels, "1-dimensional"),
        (pixels.flatten()[:0], "non empty"),
        (pixels.flatten().float(), "uint8"),
    ]:
        with pytest.raises(RuntimeError, match=why):
            io.decode_image(bad)
    with pytest.raises(RuntimeError, match="dtype should be uint8"):
        io.encode_png(pixels.float())
    with pytest.raises(RuntimeError, match="should be 1 or 3, got: 2"):
        io.encode_png(pixels[:2])
    with pytest.raises(RuntimeError, match="between 0 and 9"):
        io.encode_png(pixels, 10)
    with pytest.raises(ValueError, match="between 1 and 100"):
        io.encode_jpeg(pixels, 0)
    with pytest.raises(NotImplementedError, match="io.read_video"):
        io.read_video  # noqa: B018


def test_damaged_pictures(pixels):
    whole = io.encode_png(pixels)
    for bad in (whole[:40], whole[8:], rushlight.zeros(100, dtype=rushlight.uint8)):
        with pytest.raises(RuntimeError, match="not a|damaged"):
            io.decode_image(bad)
    with pytest.raises(RuntimeError, match="not a JPEG"):
        io.decode_jpeg(whole)
    jpeg = io.encode_jpeg(pixels.repeat(1, 20, 20))
    with pytest.raises(RuntimeError, match="damaged"):
        io.decode_jpeg(jpeg[: len(jpeg) // 2])


def test_pictures_too_large_for_their_bytes():
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    content += struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT" + b"\0" * 8
    data = rushlight.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())
    with pytest.raises(RuntimeError, match="pixels"):
        io.decode_image(data)
