"""Room 3: runs a trace with NumPy, at once. It knows scalar words and families, not the ops."""
