"""Transcendental functions as vector instructions: polynomials and bits, no calls.

Each function takes (builder, target, element type, operands...) and returns an IR value of the
operand's type, "float" or "double". `FUNCTIONS` names what exists.
"""

from __future__ import annotations

from typing import Any

from . import (
    vector_error_functions,
    vector_exponential,
    vector_gamma,
    vector_logarithm,
    vector_trigonometry,
)
from .vector_exponential import exp, expm1, tanh
from .vector_logarithm import log, log1p
from .vector_parts import polynomial

__all__ = ["FUNCTIONS", "exp", "expm1", "log", "log1p", "polynomial", "tanh"]

FUNCTIONS: dict[str, Any] = {**vector_exponential.FUNCTIONS, **vector_logarithm.FUNCTIONS,
                             **vector_trigonometry.FUNCTIONS, **vector_error_functions.FUNCTIONS,
                             **vector_gamma.FUNCTIONS}
