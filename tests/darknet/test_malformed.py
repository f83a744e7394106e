"""Malformed cfg files: each is refused with the file's name, the line, and what is wrong.

And a short fuzz of cfg and weights files on every run; `python -m tests.darknet.fuzz MINUTES` is
the long one.
"""

import warnings

import pytest

from rushlight.darknet import CfgError, Darknet, UnsupportedInCfg, parse_cfg, plan_network
from tests.darknet import fuzz

HEAD = "[net]\nwidth=32\nheight=32\nchannels=3\n"  # lines 1 to 4
CONV = "[convolutional]\nfilters=8\nsize=3\npad=1\nactivation=leaky\n"  # 5 lines
RAW = "[convolutional]\nfilters=16\nsize=1\nactivation=linear\n"  # for two anchors, three classes
YOLO = "[yolo]\nclasses=3\nnum=2\nanchors=1,2,3,4\n"
# Each row: the file, the line that the message names, what it says.
MALFORMED = {
    # the format
    "nothing": ("", 1, "no section"),
    "white space alone": ("  \n\t\n\n", 1, "no section"),
    "comments alone": ("# a\n; b\n", 1, "no section"),
    "a zero byte": ("[net]\nwid\0th=32\n", 2, "zero byte"),
    "an option first": ("width=32\n[net]\n", 1, "'width' before the first section"),
    "an open bracket": ("[net\nwidth=32\n", 1, r"is no section"),
    "no name in brackets": ("[]\n", 1, r"'\[\]' is no section"),
    "text behind brackets": ("[net]x\n", 1, "is no section"),
    "a name with a space of another kind": ("[net\u00a0]\n", 1, "is no section"),
    "two brackets": ("[[net]]\n", 1, "is no section"),
    "a very long name": ("[" + "a" * 50 + "]\n", 1, "is no section"),
    "no equals sign": (HEAD + "momentum 0.9\n", 5, "'momentum0.9' is neither"),
    "no name": (HEAD + "=3\n", 5, "neither"),
    "no value": (HEAD + "decay=\n", 5, "'decay=' is neither"),
    "a value that is a comment": (HEAD + "decay=# none\n", 5, "neither"),
    "a stray word": (HEAD + CONV + "what\n", 10, "'what' is neither"),
    "a picture": ("\x89PNG\r\n\x1a\n", 1, "neither"),
    "no [net]": (CONV, 1, r"first section must be \[net\]"),
    "[net] later": (CONV + HEAD, 1, r"first section must be \[net\]"),
    "[net] twice": (HEAD + HEAD, 5, r"second \[net\]; the first is in line 1"),
    # [net]
    "no width": ("[net]\nheight=32\n", 1, "needs width= and height="),
    "no size at all": ("[net]\nbatch=1\n" + CONV, 1, "needs width= and height="),
    "width in words": ("[net]\nwidth=wide\nheight=32\n", 2, "width=wide: a whole number"),
    "width zero": ("[net]\nwidth=0\nheight=32\n", 2, "at least 1"),
    "width negative": ("[net]\nwidth=-32\nheight=32\n", 2, "at least 1"),
    "width broken": ("[net]\nwidth=32.5\nheight=32\n", 2, "whole number"),
    "width beyond all": ("[net]\nheight=32\nwidth=99999999999999999999\n", 3, "whole number"),
    "width too large": ("[net]\nheight=32\nwidth=70000\n", 3, "at most 65536"),
    "a picture of 4 gigabytes": ("[net]\nheight=65536\nwidth=65536\n", 1, "more than 268435456"),
    "width twice as list": ("[net]\nheight=32\nwidth=32,32\n", 3, "whole number"),
    "hexadecimal": ("[net]\nheight=32\nwidth=0x20\n", 3, "whole number"),
    "channels zero": ("[net]\nheight=32\nwidth=32\nchannels=0\n", 4, "at least 1"),
    "inputs zero": ("[net]\ninputs=0\n", 2, "at least 1"),
    # sections
    "unknown section": (HEAD + "[convolutionl]\n", 5, "did you mean 'convolutional'"),
    "section of another case": (HEAD + "[Convolutional]\n", 5, "did you mean 'convolutional'"),
    "Darknet's rnn": (HEAD + "[rnn]\nhidden=4\n", 5, "not implemented"),
    "Gaussian YOLO": (HEAD + "[Gaussian_yolo]\n", 5, "not implemented"),
    # convolutional
    "filters zero": (HEAD + CONV.replace("=8", "=0"), 6, "filters=0: must be at least 1"),
    "filters negative": (HEAD + CONV.replace("=8", "=-8"), 6, "at least 1"),
    "filters of a billion": (HEAD + CONV.replace("=8", "=1000000000"), 6, "at most 16777216"),
    "too many weights": (HEAD + CONV.replace("=8", "=100000") + CONV.replace("=8", "=100000"), 10,
                         "more than 536870912"),
    "too large a map": ("[net]\nwidth=4096\nheight=4096\n" + CONV.replace("=8", "=17"), 4,
                        "more than 268435456"),
    "size zero": (HEAD + CONV.replace("=3", "=0"), 7, "at least 1"),
    "window beyond the map": (HEAD + CONV.replace("=3", "=99").replace("pad=1", "pad=0"), 5,
                              "8 x -66 x -66: nothing is left"),
    "stride zero": (HEAD + CONV + "stride=0\n", 10, "at least 1"),
    "stride negative": (HEAD + CONV + "stride_x=-2\n", 10, "at least 1"),
    "padding negative": (HEAD + "[convolutional]\npadding=-1\n", 6, "at least 0"),
    "padding of a billion": (HEAD + "[convolutional]\npadding=1000000000\n", 6, "at most"),
    "dilation zero": (HEAD + CONV + "dilation=0\n", 10, "at least 1"),
    "groups do not divide": (HEAD + CONV + "groups=2\n", 10, "divides not both the 3 channels"),
    "groups zero": (HEAD + CONV + "groups=0\n", 10, "at least 1"),
    "groups that divide the input alone": (HEAD + CONV + "groups=3\n", 10, "filters=8"),
    "unknown activation": (HEAD + CONV.replace("leaky", "leeky"), 9, "did you mean 'leaky'"),
    "an empty activation": (HEAD + CONV.replace("leaky", ""), 9, "'activation=' is neither"),
    "xnor": (HEAD + CONV + "xnor=1\n", 10, "xnor=1 is not implemented"),
    "antialiasing": (HEAD + CONV + "antialiasing=1\n", 10, "not implemented"),
    "shared weights": (HEAD + CONV + "share_index=0\n", 10, "share_index=0 is not implemented"),
    # connected, pools, dropout, softmax, crop, reorg, upsample
    "output zero": (HEAD + "[connected]\noutput=0\n", 6, "at least 1"),
    "a matrix of a terabyte": (HEAD + "[connected]\noutput=10000000\n", 5, "more than 536870912"),
    "pool of nothing": (HEAD + "[maxpool]\nsize=0\n", 6, "at least 1"),
    "pool window too large": (HEAD + "[maxpool]\nsize=64\npadding=0\n", 5, "nothing is left"),
    "pool padding beyond its window": (HEAD + "[maxpool]\nsize=2\npadding=8\n", 7, "outside"),
    "pool over channels": (HEAD + "[maxpool]\nsize=2\nmaxpool_depth=1\n", 7, "not implemented"),
    "dropout above one": (HEAD + "[dropout]\nprobability=1.5\n", 6, "at most 1.0"),
    "dropout not a number": (HEAD + "[dropout]\nprobability=nan\n", 6, "a number is needed"),
    "temperature zero": (HEAD + "[softmax]\ntemperature=0\n", 6, "divided by it"),
    "softmax groups": (HEAD + "[softmax]\ngroups=5\n", 6, "does not divide the 3072"),
    "softmax tree": (HEAD + "[softmax]\ntree=9k.tree\n", 6, "not implemented"),
    "unknown cost": (HEAD + "[cost]\ntype=mean\n", 6, "unknown cost_type=mean"),
    "crop larger than the map": (HEAD + "[crop]\ncrop_height=33\ncrop_width=3\n", 6, "33 x 3 of"),
    "reorg does not divide": (HEAD + CONV + "[reorg]\nstride=3\n", 10, "no multiple of 9"),
    "reorg of an odd map": ("[net]\nwidth=31\nheight=32\n" + CONV + "[reorg]\nstride=2\n", 9,
                            "stride=2 does not divide the map of 32 x 31"),
    "upsample without end": (HEAD + "[upsample]\nstride=100000\n", 5, "more than 268435456"),
    "upsample down": (HEAD + "[upsample]\nstride=-2\n", 6, "at least 1"),
    # route, shortcut, scale_channels, sam
    "route to nowhere": (HEAD + CONV + "[route]\n", 10, "needs layers="),
    "route to itself": (HEAD + CONV + "[route]\nlayers=1\n", 11, "layer 1, and this is layer 1"),
    "route forward": (HEAD + CONV + "[route]\nlayers=-1,5\n", 11, "names layer 5"),
    "route before the start": (HEAD + CONV + "[route]\nlayers=-2\n", 11, "names layer -1"),
    "route in words": (HEAD + CONV + "[route]\nlayers=-1,first\n", 11, "layers=first: a whole"),
    "route with a hole": (HEAD + CONV + "[route]\nlayers=-1,,0\n", 11, "layers=: a whole number"),
    "route of two sizes": (HEAD + CONV + "[maxpool]\nstride=2\n[route]\nlayers=-1,0\n", 13,
                           "layer 0 is 8 x 32 x 32 and layer 1 is 8 x 16 x 16"),
    "route groups": (HEAD + CONV + "[route]\nlayers=-1\ngroups=3\n", 12, "does not divide the 8"),
    "route group too high": (HEAD + CONV + "[route]\nlayers=-1\ngroups=2\ngroup_id=2\n", 13,
                             "at most 1"),
    "route that doubles without end": (
        HEAD + CONV + "[route]\nlayers=" + ",".join(["-1"] * 64) + "\n"
        + ("[route]\nlayers=" + ",".join(["-1"] * 64) + "\n") * 3, 14, "more than 268435456"),
    "shortcut from nowhere": (HEAD + CONV + "[shortcut]\n", 10, "needs from="),
    "shortcut first": (HEAD + "[shortcut]\nfrom=-1\n", 5, "cannot be the first layer"),
    "shortcut forward": (HEAD + CONV + "[shortcut]\nfrom=7\n", 11, "names layer 7"),
    "shortcut of two sizes": (HEAD + CONV + "[maxpool]\nstride=2\n[shortcut]\nfrom=-2\n", 13,
                              "layer 0 is 8 x 32 x 32 and the map to add it to 8 x 16 x 16"),
    "shortcut weights": (HEAD + CONV + CONV + "[shortcut]\nfrom=-2\nweights_type=per_picture\n",
                         17, "unknown weights_type=per_picture"),
    "scale_channels from two": (HEAD + CONV + "[scale_channels]\nfrom=0,0\n", 11, "one layer"),
    "scale_channels of a map": (HEAD + CONV + CONV + "[scale_channels]\nfrom=0\n", 16,
                                "factors of 8 x 32 x 32 do not fit"),
    "sam of another shape": (HEAD + CONV + "[avgpool]\n[sam]\nfrom=0\n", 12, "its factors"),
    # heads
    "yolo without anchors": (HEAD + RAW + "[yolo]\nclasses=3\nnum=2\n", 9, "num=2 needs 4"),
    "yolo with too few anchors": (HEAD + RAW + YOLO.replace(",4", ""), 12, "num=2 needs 4"),
    "yolo with anchors in words": (HEAD + RAW + YOLO.replace("2,3", "2,x"), 12, "anchors=x"),
    "yolo with a negative anchor": (HEAD + RAW + YOLO.replace("2,3", "2,-3"), 12, "at least 0"),
    "yolo mask beyond num": (HEAD + RAW + YOLO + "mask=0,2\n", 13, "mask=2: must be at most 1"),
    "yolo filters": (HEAD + RAW.replace("16", "18") + YOLO, 9, "need filters=16"),
    "yolo mask and filters": (HEAD + RAW + YOLO + "mask=0\n", 9, "1 anchors with 3 classes need"),
    "yolo classes zero": (HEAD + RAW + YOLO.replace("=3", "=0"), 10, "at least 1"),
    "yolo num of a million": (HEAD + RAW + YOLO.replace("=2", "=1000000"), 11, "at most 1024"),
    "yolo loss": (HEAD + RAW + YOLO + "iou_loss=l2\n", 13, "unknown iou_loss=l2"),
    "yolo suppression": (HEAD + RAW + YOLO + "nms_kind=fast\n", 13, "unknown nms_kind=fast"),
    "yolo counters": (HEAD + RAW + YOLO + "counters_per_class=1,2\n", 13, "one per class"),
    "yolo threshold": (HEAD + RAW + YOLO + "ignore_thresh=.5.5\n", 13, "a number is needed"),
    "yolo scale infinite": (HEAD + RAW + YOLO + "scale_x_y=1e999\n", 13, "a number is needed"),
    "region tree": (HEAD + RAW + YOLO.replace("yolo", "region") + "tree=9k.tree\n", 13,
                    "not implemented"),
    "region coords": (HEAD + RAW + YOLO.replace("yolo", "region") + "coords=5\n", 13,
                      "coords=5 is not implemented"),
    "region filters": (HEAD + CONV + YOLO.replace("yolo", "region"), 10, "need filters=16"),
}  # fmt: skip


def test_the_corpus_is_large_enough():
    assert len(MALFORMED) >= 60


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name, tmp_path):
    text, line, says = MALFORMED[name]
    path = tmp_path / "bad.cfg"
    path.write_bytes(text.encode("utf-8"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with pytest.raises(CfgError, match=says) as raised:
            Darknet(str(path))
    assert str(raised.value).startswith(f"bad.cfg, line {line}: "), str(raised.value)
    expected = "not implemented" in str(raised.value)
    assert isinstance(raised.value, UnsupportedInCfg) is expected
    assert isinstance(raised.value, NotImplementedError) is expected


def test_heads_of_different_classes(tmp_path):
    path = tmp_path / "bad.cfg"
    path.write_text(HEAD + RAW + YOLO + RAW.replace("16", "18") + YOLO.replace("=3", "=4"))
    with pytest.raises(CfgError, match=r"line 18.*different numbers of classes: \[3, 4\]"):
        Darknet(str(path))


@pytest.mark.parametrize(
    "content, says",
    [
        (b"[net]\n" + b"#" * (1 << 20), "at most 1048576 bytes"),
        (b"[net]\n" + b"[dropout]\n" * 5000, "line 4097: more than 4096 sections"),
        (b"[net]\nsteps=" + b"1," * 5000 + b"1\n", "line 2: .*more than 4096 values"),
    ],
)
def test_sizes_are_bounded(content, says, tmp_path):
    path = tmp_path / "large.cfg"
    path.write_bytes(content)
    with pytest.raises(CfgError, match=says):
        parse_cfg(str(path))[0].integers("steps")


def test_nothing_is_allocated_for_a_file_that_is_refused(monkeypatch):
    from rushlight import nn

    monkeypatch.setattr(nn.Conv2d, "__init__", lambda *a, **k: pytest.fail("it was built"))
    text = HEAD + CONV * 50 + "[shortcut]\nfrom=99\n"
    from rushlight.darknet import parse_cfg_text

    with pytest.raises(CfgError, match="names layer 99"):
        plan_network(parse_cfg_text(text))


@pytest.mark.parametrize(
    "text, says",
    [
        (HEAD + CONV.replace("filters", "fliters"), "line 6: .convolutional. has no option "
         "'fliters' .did you mean 'filters'"),
        (HEAD + "learning_rat=1\n", "line 5: .net. has no option 'learning_rat' .did you mean"),
        (HEAD + RAW + YOLO + "ignore_tresh=.5\n", "line 13.*did you mean 'ignore_thresh'"),
    ],
)  # fmt: skip
def test_options_that_darknet_would_ignore_make_a_warning(text, says):
    from rushlight.darknet import parse_cfg_text

    with pytest.warns(UserWarning, match=says):
        plan_network(parse_cfg_text(text))


def test_a_short_fuzz():
    """Damaged files are read or refused with CfgError and WeightsError, and nothing else."""
    counts = fuzz.run(seconds=None, rounds=400, seed=20240229)
    assert counts["read"] > 10 and counts["refused"] > 100
