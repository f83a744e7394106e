"""Derive the polynomials of `rushlight/core/codegen/vector_coefficients.py`.

Each line of `WANTED` is a function on an interval with a weight: Remez's exchange finds the
polynomial of least weighted error, of the lowest degree that reaches the wanted error.
Needs mpmath.

    python tools/derive_polynomials.py > rushlight/core/codegen/vector_coefficients.py

E. Ya. Remez, 1934; a description: N. Brisebarre and S. Chevillard, "Efficient polynomial
L-infinity approximations", 2007.
"""

from __future__ import annotations

import struct
import sys

from mpmath import mp, mpf

mp.prec = 240
GRID = 1200


def remez(function, weight, low, high, degree):
    """(coefficients from the constant up, the largest weighted error)."""
    count = degree + 2
    middle, half = (low + high) / 2, (high - low) / 2
    nodes = [middle - half * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]
    grid = [middle - half * mp.cos(mp.pi * i / GRID) for i in range(GRID + 1)]
    values, weights = [function(x) for x in grid], [weight(x) for x in grid]
    best = None
    for _ in range(12):
        a = mp.matrix(count, count)
        right = mp.matrix(count, 1)
        for i, x in enumerate(nodes):
            t = (x - middle) / half
            for j in range(degree + 1):
                a[i, j] = t ** j
            w = weight(x)
            a[i, degree + 1] = (-1) ** i / (w if w else mpf(10) ** -40)
            right[i] = function(x)
        solution = list(mp.lu_solve(a, right))[:-1]
        errors = [w * (v - mp.polyval(solution[::-1], (x - middle) / half))
                  for x, v, w in zip(grid, values, weights)]
        largest = max(abs(e) for e in errors)
        if best is None or largest < best[1]:
            best = (solution, largest)
        # One extremum from each run of one sign.
        peaks, last = [], 0
        for x, e in zip(grid, errors):
            sign = 1 if e > 0 else -1
            if sign != last:
                peaks.append((abs(e), x))
                last = sign
            elif abs(e) > peaks[-1][0]:
                peaks[-1] = (abs(e), x)
        while len(peaks) > count:
            peaks.pop(0 if peaks[0][0] < peaks[-1][0] else -1)
        if len(peaks) < count or max(p[0] for p in peaks) < 1.02 * min(p[0] for p in peaks):
            break
        nodes = [x for _, x in peaks]
    solution, largest = best
    # From t = (x - middle) / half to powers of x.
    powers, base = [mpf(0)] * (degree + 1), [mpf(1)]
    for c in solution:
        for j, value in enumerate(base):
            powers[j] += c * value
        shifted = [-middle / half * v for v in base] + [mpf(0)]
        for j, value in enumerate(base):
            shifted[j + 1] += value / half
        base = shifted
    return powers, largest


def of_lowest_degree(function, weight, low, high, wanted):
    """The first polynomial that reaches the error."""
    for degree in range(2, 40):
        found, error = remez(function, weight, mpf(low), mpf(high), degree)
        if error < wanted:
            return found, error
    raise ValueError("no degree is enough")


def near_zero(function, series):
    """`function`, by the first terms of its `series` (from the constant up) next to zero."""
    def evaluate(x):
        return mp.polyval(series[::-1], x) if abs(x) < mpf(10) ** -12 else function(x)
    return evaluate


def odd_part(function, cubic, fifth):
    """(f(x) - x) / x**3 as a function of z = x*x."""
    return near_zero(lambda z: (function(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3,
                     [mpf(cubic), mpf(fifth)])


LOG2 = mp.log(2)
FLOAT, DOUBLE = mpf(2) ** -28, mpf(2) ** -57
ERFC_MIDDLE = 2


def _erfc_scaled(t):
    x = ERFC_MIDDLE * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def _inverse_erf(x, complement):
    """erfinv near one, by Newton's method on log(erfc)."""
    y = mp.sqrt(-mp.log(complement)) if complement < 0.1 else mpf(x)
    for _ in range(60):
        e = mp.erfc(y)
        step = (mp.log(e) - mp.log(complement)) * e / (2 / mp.sqrt(mp.pi) * mp.exp(-y * y))
        y += step
        if abs(step) < mpf(10) ** -50:
            break
    return y


def _erfinv_of_w(w):
    """erfinv(x) / x where w = -log(1 - x*x)."""
    if w < mpf(10) ** -10:
        return mp.sqrt(mp.pi) / 2 * (1 + mp.pi * w / 12)
    x = mp.sqrt(-mp.expm1(-w))
    return _inverse_erf(x, mp.exp(-w) / (1 + x)) / x


def _lgamma_reduced(u):
    """lgamma(2 + u) / (u (1 + u)), without its zeros at 1 and 2."""
    if abs(u) < mpf(10) ** -15:
        return 1 - mp.euler
    if abs(u + 1) < mpf(10) ** -15:
        return mp.euler
    return mp.loggamma(2 + u) / (u * (1 + u))


ONE = mpf(1)
HALF_LOG2 = LOG2 / 2 * mpf("1.01")
WANTED = {
    # name: (function, weight, low, high, note)
    "EXP": (near_zero(lambda r: (mp.exp(r) - 1 - r) / r ** 2, [ONE / 2, ONE / 6]),
            lambda r: abs(r), -HALF_LOG2, HALF_LOG2, "(e**r - 1 - r) / r**2"),
    "EXP2": (near_zero(lambda r: (mp.mpf(2) ** r - 1) / r, [LOG2, LOG2 ** 2 / 2]),
             lambda r: abs(r), mpf("-0.51"), mpf("0.51"), "(2**r - 1) / r"),
    "LOG": (near_zero(lambda z: (mp.log((1 + mp.sqrt(z)) / (1 - mp.sqrt(z))) - 2 * mp.sqrt(z))
                      / mp.sqrt(z) / z, [mpf(2) / 3, mpf(2) / 5]),
            lambda z: z / 2, 0, mpf("0.02953"), "(log((1+s)/(1-s)) - 2s) / s**3, z = s*s"),
    "LOG_MORE": (near_zero(lambda z: (mp.log((1 + mp.sqrt(z)) / (1 - mp.sqrt(z))) - 2 * mp.sqrt(z)
                                      - 2 * mp.sqrt(z) ** 3 / 3) / mp.sqrt(z) / z ** 2,
                           [mpf(2) / 5, mpf(2) / 7]),
                 lambda z: z * z / 2, 0, mpf("0.02953"),
                 "(log((1+s)/(1-s)) - 2s - 2/3 s**3) / s**5, z = s*s"),
    "LOG_SMALL": (near_zero(lambda f: (mp.log(1 + f) - f + f * f / 2) / f ** 3,
                            [ONE / 3, -ONE / 4]),
                  lambda f: f * f, mpf("-0.2930"), mpf("0.4143"),
                  "(log(1+f) - f + f*f/2) / f**3"),
    "SIN": (odd_part(mp.sin, -ONE / 6, ONE / 120), lambda z: z, 0, mpf("0.6178"),
            "(sin(r) - r) / r**3, z = r*r"),
    "COS": (near_zero(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z ** 2,
                      [ONE / 24, -ONE / 720]),
            lambda z: z * z * mpf("1.3"), 0, mpf("0.6178"), "(cos(r) - 1 + z/2) / z**2, z = r*r"),
    "ASIN": (odd_part(mp.asin, ONE / 6, mpf(3) / 40), lambda z: z, 0, mpf("0.2501"),
             "(asin(x) - x) / x**3, z = x*x"),
    "ATAN": (odd_part(mp.atan, -ONE / 3, ONE / 5), lambda z: z, 0, mpf("0.17158"),
             "(atan(x) - x) / x**3, z = x*x"),
    "ERF": (near_zero(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
                      [2 / mp.sqrt(mp.pi) - 1, -2 / mp.sqrt(mp.pi) / 3]),
            lambda z: ONE, 0, mpf("1.001"), "erf(x)/x - 1, z = x*x"),
    "ERF_TAIL": (lambda t: -mp.log(mp.erfc(t)), lambda t: mp.erfc(t), ONE, mpf("4.0"),
                 "-log(erfc(t))"),
    "ERFC": (_erfc_scaled, lambda t: ONE, -1, mpf("0.88"),
             f"(1 + 2x) * exp(x*x) * erfc(x), t = (x - {ERFC_MIDDLE}) / (x + {ERFC_MIDDLE})"),
    "ERFINV": (lambda t: _erfinv_of_w(t + mpf("3.125")), lambda t: ONE, mpf("-3.125"),
               mpf("3.126"), "erfinv(x)/x, t = w - 3.125, w = -log(1 - x*x)"),
    "ERFINV_TAIL": (lambda t: _erfinv_of_w((t + mpf("3.25")) ** 2), lambda t: ONE / 2,
                    mpf("-0.76"), mpf("0.76"), "erfinv(x)/x, t = sqrt(w) - 3.25"),
    "ERFINV_FAR": (lambda t: _erfinv_of_w((t + mpf("5.0")) ** 2), lambda t: ONE / 4,
                   mpf("-1.01"), mpf("1.2"), "erfinv(x)/x, t = sqrt(w) - 5"),
    "LGAMMA": (lambda t: _lgamma_reduced(t - ONE / 2), lambda t: ONE, -ONE / 2, ONE / 2,
               "lgamma(x) / ((x-1) (x-2)), t = x - 1.5"),
}
ONLY = {"LOG_MORE": ("double",), "LOG_SMALL": ("float",), "ERF_TAIL": ("float",),
        "ERFC": ("double",), "ERFINV": ("double",), "ERFINV_TAIL": ("double",),
        "LGAMMA": ("double",),
        "ERFINV_FAR": ("double",), "ERF": ("float", "double")}

ERROR = {"LOG_MORE": mpf(2) ** -69}

HEADER = '''"""Polynomials of least error, written by `tools/derive_polynomials.py`; do not edit.

Name, then LLVM's element type: coefficients with the highest power first.
"""

'''


def rounded(kind, number):
    """The nearest number of the type, as a Python float."""
    number = float(number)
    return struct.unpack("f", struct.pack("f", number))[0] if kind == "float" else number


def main(names):
    """Print the module, or only the named polynomials."""
    if not names:
        sys.stdout.write(HEADER)
    for name in names or WANTED:
        function, weight, low, high, note = WANTED[name]
        sys.stdout.write(f"{name} = {{       # {note}\n")
        for kind in ONLY.get(name, ("float", "double")):
            powers, error = of_lowest_degree(function, weight, low, high,
                                             ERROR.get(name, DOUBLE) if kind == "double"
                                             else FLOAT)
            sys.stdout.write(f"    # on [{float(low):.6g}, {float(high):.6g}], "
                             f"error 2**{float(mp.log(error, 2)):.1f}\n")
            sys.stdout.write(f'    "{kind}": (\n')
            numbers = [repr(rounded(kind, c)) for c in powers[::-1]]
            for i in range(0, len(numbers), 3):
                sys.stdout.write("        " + ", ".join(numbers[i:i + 3]) + ",\n")
            sys.stdout.write("    ),\n")
        sys.stdout.write("}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
