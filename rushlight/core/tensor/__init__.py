"""Room 6: Tensor, storage, views, in-place, indexing, creation, printing. All mutation is here."""
