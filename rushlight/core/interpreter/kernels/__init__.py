"""Whole-array NumPy kernels of the op families that are too heavy for one NumPy call.

Every function here takes arrays and plain numbers and returns new arrays; nothing is cached or
written in place, and nothing knows about tensors, traces or gradients.  A forward kernel stands
next to its adjoints, which the derivatives of the ops are made of.  half and bfloat16 never reach
this package: the interpreter widens them to float32 around the call.
"""
