"""`python -m rushlight`: the same commands as the `rushlight` program."""

import sys

from rushlight.cli import main

if __name__ == "__main__":
    sys.exit(main())
