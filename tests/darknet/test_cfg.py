"""The cfg format: what Darknet reads, read the same way, and values converted with checks."""

import io

import pytest

from rushlight.darknet import CfgError, cfg_path, parse_cfg, parse_cfg_text

TEXT = """
# comment
; another
 [net]
width = 4 16
 height\t=416   # the side
channels=3

[convolutional]
filters=32
[route]
layers = -1, -4
[convolutional]
activation=mish
"""


def test_sections_options_comments_and_spacing():
    blocks = parse_cfg_text(TEXT)
    assert [block["type"] for block in blocks] == [
        "net", "convolutional", "route", "convolutional"]  # fmt: skip
    assert dict(blocks[0]) == {"type": "net", "width": "416", "height": "416", "channels": "3"}
    assert blocks[2]["layers"] == "-1,-4"
    assert blocks[2].integers("layers") == (-1, -4)
    assert (blocks[0].line, blocks[0].lines["height"], blocks[2].lines["layers"]) == (4, 6, 12)


def test_windows_lines_byte_order_mark_and_foreign_comments():
    text = "\ufeff# gr\u00f6\u00dfe\r\n[net]\r\nwidth=8\r\n".encode()
    assert dict(parse_cfg(io.BytesIO(text))[0]) == {"type": "net", "width": "8"}
    latin = "# gr\u00f6\u00dfe\n[net]\nwidth=8".encode("latin-1")
    assert parse_cfg(io.BytesIO(latin))[0]["width"] == "8"


def test_paths_open_files_and_text_files():
    path = cfg_path("yolov3")
    with open(path) as text, open(path, "rb") as binary:
        assert parse_cfg(path) == parse_cfg(text) == parse_cfg(binary)


def test_the_first_of_two_values_counts():
    with pytest.warns(UserWarning, match="line 3: 'width' was given in line 2"):
        assert parse_cfg_text("[net]\nwidth=8\nwidth=9")[0]["width"] == "8"


def test_conversion_and_defaults():
    block = parse_cfg_text("[net]\nwidth=8.0\nsaturation=.75\nscales=.1,.1,\nhue=-1e-1")[0]
    assert block.integer("width", 0) == 8 and block.integer("height", 7) == 7
    assert block.number("saturation", 1.0) == 0.75 and block.number("hue", 0.0) == -0.1
    assert block.numbers("scales") == (0.1, 0.1) and block.numbers("steps") == ()


@pytest.mark.parametrize("text", ["x", "1e400", "nan", "inf", "0x10", "1_0", "", "--1", "1.2.3"])
def test_no_number(text):
    block = parse_cfg_text("[net]\nwidth=8")[0]
    block["width"] = text
    with pytest.raises(CfgError, match=r"cfg, line 2: \[net\] width="):
        block.number("width", 0.0)
    with pytest.raises(CfgError, match="a whole number is needed"):
        block.integer("width", 0)


def test_the_notes_type_of_a_block_is_not_an_option():
    blocks = parse_cfg_text("[net]\nwidth=8\n[cost]\ntype=sse")
    assert blocks[1]["type"] == "cost" and blocks[1]["cost_type"] == "sse"
