"""Damaged cfg and weights files by the thousand: each is read or refused, fast, in little memory.

    python -m tests.darknet.fuzz 10        # minutes

Every file is a shipped or test network with lines swapped, doubled, cut, numbers replaced by
hostile ones, bytes flipped. A time or memory limit that is passed, or another exception than
CfgError and WeightsError, ends the run with the file's seed.
"""

import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from rushlight.darknet import (
    CfgError,
    WeightsError,
    cfg_path,
    load_network,
    parse_cfg,
    plan_network,
    shipped_cfgs,
)
from tests.darknet.cases import CASES, write_weights

SECONDS_PER_FILE = 10
MEGABYTES = 1500
BUILD_LIMIT = 300_000  # weights of networks that are built and run through the weights reader

NUMBERS = (
    "0 1 -1 2 3 7 255 -255 65535 65536 65537 16777215 16777217 2147483647 2147483648 -2147483648 "
    "9999999999999999 1e9 1e308 1e-308 1e400 nan inf -inf .5 -.5 1. 0.0 -0 +3 00012 0x10 1_000 "
    "1,2 -1,-2,-3 , 1,,2 \u0663 one"
).split()
BYTES = [b"\0", b"\xff\xfe", *(bytes([each]) for each in b"[]=#\n\r,-"), b"9" * 40, b"[net]\n"]
WORDS = "type filters size stride pad layers from groups width height channels mask num".split()


def damaged_text(text, chance):
    """`text` of a cfg file, spoiled in one to six ways."""
    lines = text.split("\n")
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(lines))
        kind = chance.randrange(9)
        if kind < 4 and "=" in lines[place]:
            lines[place] = lines[place].split("=")[0] + "=" + chance.choice(NUMBERS)
        elif kind == 4:
            del lines[place : place + chance.randint(1, 4)]
        elif kind == 5:
            lines[place:place] = lines[place : place + chance.randint(1, 8)]
        elif kind == 6:
            other = chance.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        elif kind == 7:
            lines.insert(place, f"{chance.choice(WORDS)}={chance.choice(NUMBERS)}")
        else:
            lines = lines * chance.randint(1, 3)
        lines = lines or [""]
    return "\n".join(lines)


def damaged_bytes(content, chance):
    """`content` with bytes flipped, inserted, cut or repeated."""
    content = bytearray(content)
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(content) + 1)
        kind = chance.randrange(5)
        if kind == 0 and content:
            content[place % len(content)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            content[place:place] = chance.choice(BYTES)
        elif kind == 2:
            del content[place : place + chance.randint(1, 40)]
        elif kind == 3:
            content = content[:place]
        else:
            content[place:place] = content[place : place + chance.randint(1, 400)]
    return bytes(content)


def texts():
    """The cfg files to start from."""
    shipped = [Path(cfg_path(name)).read_text() for name in shipped_cfgs()]
    return list(CASES.values()) * 2 + shipped


def one_file(seed, sources, folder):
    """Make the damaged file of a seed and read it; return what became of it."""
    chance = random.Random(seed)
    text = damaged_text(chance.choice(sources), chance)
    content = text.encode("utf-8")
    if chance.random() < 0.4:
        content = damaged_bytes(content, chance)
    cfg = folder / "fuzz.cfg"
    cfg.write_bytes(content)
    try:
        layers = plan_network(parse_cfg(cfg))
    except CfgError as error:
        assert str(error).startswith("fuzz.cfg"), f"no file named: {error}"
        return "refused"
    if sum(slot.count for layer in layers for slot in layer.slots) > BUILD_LIMIT:
        return "read, not built"
    return one_weights_file(cfg, layers, chance, folder)


def one_weights_file(cfg, layers, chance, folder):
    weights = folder / "fuzz.weights"
    write_weights(weights, layers, seed=chance.randrange(1000))
    if chance.random() < 0.7:
        weights.write_bytes(damaged_bytes(weights.read_bytes(), chance))
    try:
        load_network(cfg, weights)
    except (CfgError, WeightsError):
        return "refused"
    return "read"


def _too_slow(*_):
    raise TimeoutError(f"more than {SECONDS_PER_FILE} seconds")


def run(seconds=None, rounds=None, seed=None, report=None):
    """Fuzz for so long or so many files; return how many were read and refused."""
    counts = Counter()
    started, first = time.monotonic(), time.time_ns() if seed is None else seed
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sources = texts()
    previous = signal.signal(signal.SIGALRM, _too_slow)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            number = 0
            while (rounds is None or number < rounds) and (
                seconds is None or time.monotonic() - started < seconds
            ):
                signal.alarm(SECONDS_PER_FILE)
                try:
                    counts[one_file(first + number, sources, Path(folder))] += 1
                except BaseException as error:
                    raise AssertionError(f"seed {first + number}: {error!r}") from error
                finally:
                    signal.alarm(0)
                grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
                assert grown < MEGABYTES, f"seed {first + number}: {grown:.0f} MB more than before"
                number += 1
                if report and number % 2000 == 0:
                    report(f"{number} files, {dict(counts)}, {grown:.0f} MB")
    finally:
        signal.signal(signal.SIGALRM, previous)
    return counts


if __name__ == "__main__":
    print(dict(run(seconds=60 * float(sys.argv[1]), report=lambda text: print(text, flush=True))))
