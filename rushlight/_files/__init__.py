"""Reading and writing files: atomic writes, the .pt container, a pickle reader that runs no code."""
