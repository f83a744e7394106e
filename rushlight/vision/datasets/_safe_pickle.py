"""CIFAR's pickles, read without running anything they name.

A pickle is a program; this reader executes only the instructions that build plain values, and in
place of NumPy's constructors it uses its own, which do nothing but keep bytes.
"""

import io
import pickle

import numpy

_PLAIN_OPCODES = (
    "MARK STOP POP POP_MARK DUP BININT BININT1 BININT2 INT LONG LONG1 NONE NEWTRUE NEWFALSE "
    "FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE "
    "BINBYTES SHORT_BINBYTES APPEND APPENDS EMPTY_LIST LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 "
    "TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT "
    "MEMOIZE PROTO FRAME GLOBAL STACK_GLOBAL REDUCE BUILD"
).split()


class _Array:
    """A pickled array before its bytes are known."""

    array = None

    def __setstate__(self, state):
        _version, shape, dtype, fortran_order, content = state
        if not isinstance(dtype, _Dtype) or dtype.name != "u1":
            raise pickle.UnpicklingError("only arrays of bytes are read from this file")
        if isinstance(content, str):  # a Python 2 string, read as Latin-1
            content = content.encode("latin1")
        flat = numpy.frombuffer(content, dtype=numpy.uint8)
        self.array = flat.reshape(shape, order="F" if fortran_order else "C")


class _Dtype:
    """A pickled dtype: its name alone."""

    def __init__(self, name, *_flags):
        self.name = name

    def __setstate__(self, state):
        pass


def _reconstruct(*_arguments):
    return _Array()


def _encode(text, encoding):
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"unexpected encoding {encoding!r}")
    return text.encode("latin1")


_SUBSTITUTES = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): None,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _encode,  # how Python 3 writes bytes in Python 2's protocols
}


class _Reader(pickle._Unpickler):
    # In Python, not C: its memo is a dictionary, which a file cannot make arbitrarily large.
    dispatch = {
        code: handler
        for name in _PLAIN_OPCODES
        for code, handler in pickle._Unpickler.dispatch.items()
        if code == getattr(pickle, name)[0]
    }

    def find_class(self, module, name):
        if (module, name) not in _SUBSTITUTES:
            raise pickle.UnpicklingError(f"this file names {module}.{name}, which is not data")
        return _SUBSTITUTES[module, name]


def _unwrapped(value):
    """`value` with arrays in place of what stands for them."""
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {_text(key): _unwrapped(item) for key, item in value.items()}
    return value


def _text(key):
    return key.decode("latin1") if isinstance(key, bytes) else key


def load_plain(path):
    """The dictionary of arrays, lists, numbers and strings that a pickle file holds.

    Raises:
        pickle.UnpicklingError: the file is damaged, holds something else, or would run code.
    """
    with open(path, "rb") as file:
        content = io.BytesIO(file.read())
    try:
        value = _Reader(content, encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise pickle.UnpicklingError(f"{path}: {error}") from error
    except KeyError as error:
        raise pickle.UnpicklingError(f"{path}: instruction {error} is not plain data") from error
    except Exception as error:  # a damaged program fails in as many ways as there are instructions
        raise pickle.UnpicklingError(f"{path}: damaged pickle ({error})") from error
    if not isinstance(value, dict):
        raise pickle.UnpicklingError(f"{path}: expected a dictionary, found {type(value)}")
    return _unwrapped(value)
