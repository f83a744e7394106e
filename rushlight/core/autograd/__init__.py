"""Room 5: nodes, the engine, saved values, modes, hooks. Works on tensors by their attributes."""
