"""Room 1: pending values, the trace, walking and printing it. Imports `base` only."""
