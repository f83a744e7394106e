"""Most tests of `rushlight train` are not about its pictures: those skip drawing them."""

import pytest

from rushlight.cli.training import figures


@pytest.fixture
def without_pictures(monkeypatch):
    for name in ("curves", "confusion_picture", "predictions_picture"):
        monkeypatch.setattr(figures, name, lambda *arguments: b"")
