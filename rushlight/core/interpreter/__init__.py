"""Room 3: runs a trace with NumPy, at once. Knows the scalar words and the families, not the ops."""
