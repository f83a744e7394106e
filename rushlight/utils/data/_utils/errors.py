"""Exceptions that cross from a worker to the loop."""

from __future__ import annotations

import sys
import traceback
from typing import Any


class KeyErrorMessage(str):
    """A string whose repr is itself: KeyError shows its argument's repr."""

    def __repr__(self):
        return str(self)


class ExceptionWrapper:
    """The exception being handled, as its type and its printed traceback, so it can be pickled.

    `where` says where it happened: "in DataLoader worker process 0".
    """

    def __init__(self, exc_info=None, where="in background"):
        kind, error, trace = sys.exc_info() if exc_info is None else exc_info
        self.exc_type: Any = kind
        self.exc_msg = "".join(traceback.format_exception(kind, error, trace))
        self.where = where

    def reraise(self):
        """Raise an exception of the same type that holds the original traceback.

        A type that cannot be made from one text gives a RuntimeError.
        """
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            raise KeyError(KeyErrorMessage(text))
        if getattr(self.exc_type, "message", None):
            raise self.exc_type(message=text)
        try:
            error = self.exc_type(text)
        except Exception:
            raise RuntimeError(text) from None
        raise error
