"""Room 0: dtypes, promotion, shapes and strides, devices, errors, knobs. Imports no other room."""
