"""e^x, ln x, sigmoid and tanh of a number, with the same bits on every processor.

The results of the C library depend on its version and on the processor. The functions here use only sums,
products, fused multiply-adds, divisions and roundings. IEEE 754 defines each of these to the bit, and no
compiler may change their order (jit.py). Without branches, loops over them are vectorized.

    e^x = 2^n e^r,  x = n ln 2 + r,  |r| <= ln(2)/2;  e^r by its Taylor series                     (1)
    tanh x = e / (e + 2)  with  e = e^2x - 1,  which keeps its precision near 0                    (2)
    sigmoid x = 1 / (1 + e^-x)                                                                     (3)
    ln x = k ln 2 + ln m,  sqrt(1/2) <= m < sqrt(2)
    ln m = 2 atanh s = 2 (s + s^3/3 + s^5/5 + ...),  s = (m - 1) / (m + 1)                         (4)

In float64, a second number carries the rounding error (Dekker 1971). Largest errors found: 2.5 units in the
last place in float32, 0.9 in float64.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numba.core import cgutils, types

from .emit import fused
from .jit import choice, instruction, jit

LN2 = Fraction("0.6931471805599453094172321214581765680755")  # to 40 places: more than float64 has
LOG2_E = float(1 / LN2)


@instruction
def fma(context: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x y + z, rounded once; three floats of one type, inside kernels."""
    if not x == y == z:
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return fused(builder, *args)

    return x(x, y, z), codegen


@instruction
def horner(context: Any, x: Any, coefficients: Any) -> Any:
    """Evaluate a polynomial at x with fused multiply-adds; coefficients from the highest power down."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at, (first, *rest) = args[0], cgutils.unpack_tuple(builder, args[1], len(coefficients))
        value = first
        for each in rest:
            value = fused(builder, value, at, each)
        return value

    return x(x, coefficients), codegen


# float32: 355/512 has 9 bits, so its product with n is exact
LOG2_E32, HIGH32, LOW32 = np.float32(LOG2_E), np.float32(355 / 512), np.float32(LN2 - Fraction(355, 512))
ONE, TWO = np.float32(1), np.float32(2)
LEAST32, MOST32 = np.float32(-87.3), np.float32(88.3)  # between these, e^x is a normal float32
TANH_ONE32 = np.float32(9.1)  # from this x on, tanh x rounds to 1
# (e^r - 1 - r) / r^2 = 1/2! + r/3! + ...; the terms after r^7/7! are below 6e-9
SERIES32 = tuple(np.float32(1 / math.factorial(k)) for k in range(7, 1, -1))

# float64: the first 32 bits of ln 2, then the rest
HIGH = float(Fraction(int(LN2 * 2**32), 2**32))
LOW = float(LN2 - Fraction(HIGH))
LEAST, MOST = -708.0, 709.0
TANH_ONE = 22.0
SERIES = tuple(1 / math.factorial(k) for k in range(13, 1, -1))  # the omitted terms are below 5e-18
# (2 atanh s - 2 s) / (2 s^3 / 2) in powers of s^2 <= 0.03: 2/3, 2/5, ...; the omitted terms are below 1e-17
ATANH = tuple(2 / k for k in range(23, 1, -2))
SQRT_HALF = np.float64(math.sqrt(0.5)).view(np.int64)  # its bits


@jit
def _parts32(x):
    """Return (s, p) with e^x = s (1 + p), where s = 2^n exactly and p = e^r - 1 (1)."""
    n = np.rint(x * LOG2_E32)
    r = fma(n, -LOW32, fma(n, -HIGH32, x))
    p = fma(r * r, horner(r, SERIES32), r)
    s = np.int32((np.int32(n) + 127) << 23).view(np.float32)
    return s, p


@jit
def _exp32(x):
    # comparisons, not min() and max(), so that NaN passes through
    x = LEAST32 if x < LEAST32 else x
    x = MOST32 if x > MOST32 else x
    s, p = _parts32(x)
    return fma(s, p, s)


@jit
def _sigmoid32(x):
    return ONE / (ONE + _exp32(-x))  # (3)


@jit
def _tanh32(x):
    x = -TANH_ONE32 if x < -TANH_ONE32 else x
    x = TANH_ONE32 if x > TANH_ONE32 else x
    s, p = _parts32(TWO * x)
    e = fma(s, p, s - ONE)
    return e / (e + TWO)  # (2)


@jit
def _sum(a, b):
    """Return a + b rounded, and its exact rounding error (Knuth, TAOCP 2, 4.2.2)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@jit
def _parts64(x):
    """Return (s, p, low) with e^x = s (1 + p + low); see `_parts32`."""
    n = np.rint(x * LOG2_E)
    high, low = fma(n, -HIGH, x), n * LOW
    r = high - low
    rest = (high - r) - low
    t = fma(r * r, horner(r, SERIES), rest)
    p = r + t
    s = np.int64((np.int64(n) + 1023) << 52).view(np.float64)
    return s, p, (r - p) + t


@jit
def _exp64(x):
    bounded = LEAST if x < LEAST else x
    bounded = MOST if bounded > MOST else bounded
    s, p, _ = _parts64(bounded)
    return 0.0 if x < LEAST else fma(s, p, s)


@jit
def _sigmoid64(x):
    x = LEAST if x < LEAST else x
    x = -LEAST if x > -LEAST else x
    s, p, p_low = _parts64(-x)
    e = fma(s, p, s)
    e_low = fma(s, p, s - e) + s * p_low
    d, d_low = _sum(1.0, e)
    q = 1 / d
    return fma(q, fma(-q, d, 1.0) - q * (d_low + e_low), q)  # (3)


@jit
def _tanh64(x):
    y = -x if x < 0 else x  # tanh is odd; for x < 0, e^2x - 1 would lose bits of e^2x
    y = TANH_ONE if y > TANH_ONE else y
    s, p, p_low = _parts64(2 * y)
    e, e_low = _sum(s - 1, s * p)
    e_low += s * p_low
    d, d_low = _sum(2.0, e)
    q = e / d
    q += (fma(-q, d, e) + (e_low - q * (d_low + e_low))) / d  # (2)
    return -q if x < 0 else q


@choice
def exp(x):
    """Return e^x of a float32 or float64, limited to the type's normal range; float64 underflows to 0."""
    return _exp32 if x == types.float32 else _exp64


@choice
def sigmoid(x):
    """Return 1 / (1 + e^-x)."""
    return _sigmoid32 if x == types.float32 else _sigmoid64


@choice
def tanh(x):
    """Return tanh x."""
    return _tanh32 if x == types.float32 else _tanh64


@jit
def ln(x):
    """Return ln x of a positive normal float64; NaN and infinity are returned unchanged."""
    bits = np.float64(x).view(np.int64)
    k = (bits - SQRT_HALF) >> 52
    m = np.int64(bits - (k << 52)).view(np.float64)
    f = m - 1
    s = f / (m + 1)
    z, half = s * s, 0.5 * f * f
    # 2 s = f - s f, and s f = half - s half: f is exact, and half is small
    rest = fma(s, fma(z, horner(z, ATANH), half), k * LOW)
    return k * HIGH - ((half - rest) - f) if x < np.inf else x  # (4)
