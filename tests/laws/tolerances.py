"""The tolerances of the registry's laws, all in one place.

A body and its NumPy form agree within the op's own `bound` (units in the last place, in the dtype
they compute in); everything that only moves data or repeats the same computation agrees exactly.
What is here is the rest, each with its reason.
"""

# Default of `bound` where the record names none.
BODY_ULPS = 2

# First derivatives against central differences in float64. With step h the formula's own error is
# h^2 f'''/6 and its rounding eps/h: at h = 1e-5 both are near 1e-10; operands of size 2 and sums of
# a dozen cotangents leave 1e-6.
STEP = 1e-5
FIRST_RELATIVE, FIRST_ABSOLUTE = 1e-6, 1e-7

# Second derivatives are central differences of first derivatives, so the same holds of them; the
# third derivatives of poles (log at 0.05, tan near 1.5) are larger.
SECOND_RELATIVE, SECOND_ABSOLUTE = 1e-5, 1e-6

# How far generated operands stay from kinks and from the ends of a domain.
MARGIN = 0.05

# Bodies whose result is a sum that cancels near zero: the unit is that of the terms, of size 1.
TERMS_OF_SIZE_ONE = {"logaddexp", "logaddexp2"}
