"""Darknet's cfg format, read as Darknet reads it, with errors that name the file and the line.

    # a comment; spaces and tabs do not matter anywhere in a line
    [net]
    width=416
    [convolutional]
    filters=32

A file is a list of sections; the first, `[net]`, describes the network and each other one a layer.
An option that is given twice has its first value, as in Darknet. What Darknet would take for zero
(`size=three`) is an error here.

Source of the format: src/parser.c, src/option_list.c and src/utils.c of Darknet.
"""

import difflib
import math
import os
import re
import warnings

__all__ = ["Block", "CfgError", "UnsupportedInCfg", "parse_cfg", "parse_cfg_text"]

# Yolov4's file has 12 kB and 162 sections. The bounds keep a hostile file from costing more than
# a moment; nothing is built before they are checked.
MAXIMUM_BYTES = 1 << 20
MAXIMUM_SECTIONS = 4096
MAXIMUM_LIST = 4096

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?\Z")
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?\Z")
_SPACE = re.compile(r"[ \t\r\n\v\f]+")


class CfgError(ValueError):
    """A cfg file that cannot be read or makes no network; the text starts with file and line."""


class UnsupportedInCfg(CfgError, NotImplementedError):
    """A section or option that Darknet has and this package does not."""


class Block(dict):
    """One section: a dict of strings with the key "type", and where each of them was written.

    `line` is the line of the section's head, `lines` that of each option, `file` the name to use
    in messages. The methods return an option converted and checked; `default` is what Darknet
    takes where the option is missing.
    """

    def __init__(self, kind, line=0, file="cfg"):
        super().__init__(type=kind)
        self.line = line
        self.lines = {}
        self.file = file

    def error(self, message, option=None, kind=CfgError):
        """The exception to raise about this section, or about one of its options."""
        line = self.lines.get(option, self.line)
        return kind(f"{self.file}, line {line}: [{self['type']}] {message}")

    def unsupported(self, option, neutral=("0",)):
        """Raise UnsupportedInCfg when `option` is given and not one of the `neutral` values."""
        if option in self and self[option] not in neutral:
            raise self.error(
                f"{option}={self[option]} is not implemented", option, UnsupportedInCfg
            )

    def integer(self, option, default, minimum=None, maximum=None):
        """An int; CfgError where it is no whole number or outside [minimum, maximum]."""
        if option not in self:
            return default
        return self._integer(self[option], option, minimum, maximum)

    def _integer(self, text, option, minimum, maximum):
        if not _INTEGER.match(text):
            raise self.error(f"{option}={_short(text)}: a whole number is needed", option)
        return self._within(int(text.partition(".")[0]), option, minimum, maximum)

    def number(self, option, default, minimum=None, maximum=None):
        """A finite float within [minimum, maximum]."""
        if option not in self:
            return default
        return self._number(self[option], option, minimum, maximum)

    def _number(self, text, option, minimum, maximum):
        value = float(text) if _NUMBER.match(text) else math.nan
        if not math.isfinite(value):
            raise self.error(f"{option}={_short(text)}: a number is needed", option)
        return self._within(value, option, minimum, maximum)

    def _within(self, value, option, minimum, maximum):
        if minimum is not None and value < minimum:
            raise self.error(f"{option}={value}: must be at least {minimum}", option)
        if maximum is not None and value > maximum:
            raise self.error(f"{option}={value}: must be at most {maximum}", option)
        return value

    def integers(self, option, minimum=None, maximum=None):
        """A tuple of ints, the empty one where the option is missing."""
        return tuple(self._integer(t, option, minimum, maximum) for t in self._list(option))

    def numbers(self, option, minimum=None, maximum=None):
        """A tuple of finite floats, the empty one where the option is missing."""
        return tuple(self._number(t, option, minimum, maximum) for t in self._list(option))

    def _list(self, option):
        if option not in self:
            return []
        parts = self[option].rstrip(",").split(",", MAXIMUM_LIST)
        if len(parts) > MAXIMUM_LIST:
            raise self.error(f"{option} has more than {MAXIMUM_LIST} values", option)
        return parts

    def choice(self, option, default, names):
        """One of `names`; CfgError with the nearest name where it is another."""
        value = self.get(option, default)
        if value not in names:
            raise self.error(f"unknown {option}={_short(value)}{_nearest(value, names)}", option)
        return value

    def warn_of_unknown(self, known):
        """Warn of options whose names Darknet does not know; it ignores them, and so do we."""
        for option, line in self.lines.items():
            if option not in known:
                warnings.warn(
                    f"{self.file}, line {line}: [{self['type']}] has no option "
                    f"{_short(option)!r}{_nearest(option, known)}; it is ignored",
                    stacklevel=2,
                )


def _short(text, length=40):
    return text if len(text) <= length else text[:length] + "..."


def _nearest(name, names):
    close = difflib.get_close_matches(name[:40], list(names), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def parse_cfg(cfgfile):
    """Return the sections of a Darknet cfg file as a list of dicts, `[net]` first.

    Each dict has the key "type" (the section's name without brackets); all other values are the
    strings of the file without white space, keyed by option. The dicts are `Block`s, so that what
    is built from them can name lines.

    Args:
        cfgfile: a path, or a file open for reading (bytes or text).

    Raises:
        CfgError: the file is not Darknet's format; the text names the file and the line.
        OSError: the file cannot be opened.

    Example:
        >>> blocks = parse_cfg(cfg_path("yolov3"))
        >>> blocks[0]["width"], blocks[1]["type"], blocks[1]["filters"]
        ('416', 'convolutional', '32')
    """
    if hasattr(cfgfile, "read"):
        name = os.path.basename(str(getattr(cfgfile, "name", "cfg")))
        content = cfgfile.read(MAXIMUM_BYTES + 1)
    else:
        name = os.path.basename(os.fspath(cfgfile))
        with open(cfgfile, "rb") as file:
            content = file.read(MAXIMUM_BYTES + 1)
    if len(content) > MAXIMUM_BYTES:
        raise CfgError(f"{name}: a cfg file has at most {MAXIMUM_BYTES} bytes")
    if isinstance(content, bytes):
        # Comments are in any encoding; names and numbers are ASCII in all of them.
        content = content.decode("utf-8-sig", errors="replace")
    return parse_cfg_text(content, name)


def parse_cfg_text(text, name="cfg"):
    """`parse_cfg` of the text itself; `name` stands for the file in messages."""
    blocks = []
    for number, line in enumerate(text.split("\n"), 1):
        line = _SPACE.sub("", line)
        if not line or line[0] in "#;":
            continue
        if "\0" in line:
            raise CfgError(f"{name}, line {number}: a zero byte; this is no text file")
        if line[0] == "[":
            blocks.append(Block(_section_name(line, number, name), number, name))
            if len(blocks) > MAXIMUM_SECTIONS:
                raise CfgError(f"{name}, line {number}: more than {MAXIMUM_SECTIONS} sections")
        else:
            _read_option(blocks, line, number, name)
    if not blocks:
        raise CfgError(f"{name}, line 1: no section; a cfg file starts with [net]")
    if blocks[0]["type"] not in ("net", "network"):
        raise blocks[0].error("the first section must be [net]")
    for block in blocks[1:]:
        if block["type"] in ("net", "network"):
            raise block.error(f"a second [net]; the first is in line {blocks[0].line}")
    return blocks


def _section_name(line, number, name):
    head = line.partition("#")[0].partition(";")[0]
    if not re.fullmatch(r"\[[A-Za-z0-9_]{1,40}\]", head):
        raise CfgError(
            f"{name}, line {number}: {_short(line)!r} is no section; write [convolutional]"
        )
    return head[1:-1]


def _read_option(blocks, line, number, name):
    option, equals, value = line.partition("=")
    value = value.partition("#")[0].partition(";")[0]
    if not (option and equals and value):
        raise CfgError(
            f"{name}, line {number}: {_short(line)!r} is neither a [section] nor option=value"
        )
    if not blocks:
        raise CfgError(f"{name}, line {number}: {_short(option)!r} before the first section")
    block = blocks[-1]
    if option == "type":
        # The key "type" is the section's own name; only [cost] has an option of that name.
        option = "cost_type"
    if option in block.lines:
        warnings.warn(
            f"{name}, line {number}: {_short(option)!r} was given in line "
            f"{block.lines[option]} already; the first value counts",
            stacklevel=3,
        )
        return
    block[option] = value
    block.lines[option] = number
