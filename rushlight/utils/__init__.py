"""Helpers around training: `data`, and more."""
