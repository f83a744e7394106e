"""Run the programs on PyTorch and keep what they print, in `programs/printed.json`.

    python tests/compat/record_programs.py        # needs PyTorch
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"


def main():
    import torch

    printed = {}
    for program in sorted(PROGRAMS.glob("*.py")):
        done = subprocess.run(
            [sys.executable, str(program)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        printed[program.stem] = done.stdout.splitlines()
        print(program.stem, len(printed[program.stem]), "lines")
    content = {"torch": torch.__version__, "programs": printed}
    (PROGRAMS / "printed.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
