"""rushlight: PyTorch's programming model in Python you can read."""
