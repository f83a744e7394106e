"""What this build is: `rushlight.version.cuda` is None, as in a CPU build of PyTorch."""

from __future__ import annotations

import rushlight

__version__ = rushlight.__version__
debug = False
cuda = None
hip = None
xpu = None
git_version = None
