"""`rushlight run --examine`: what a program uses that is missing, found without running it."""

import subprocess
import sys
import textwrap

import pytest

from rushlight.compat.usage import UsageFinder


def names_in(source):
    return {use.name for use in UsageFinder(textwrap.dedent(source)).uses}


def guarded_in(source):
    return {use.name for use in UsageFinder(textwrap.dedent(source)).uses if use.guarded}


def examine(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "rushlight", "run", "--examine", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import torch\ntorch.relu(x)", {"torch", "torch.relu"}),
        ("import torch.nn.functional as F\nF.gelu(x)",
         {"torch.nn.functional", "torch.nn.functional.gelu"}),
        ("from torch import nn\nnn.Linear(1, 2).weight", {"torch", "torch.nn", "torch.nn.Linear"}),
        ("from torch.optim import SGD as S\nS([])", {"torch.optim", "torch.optim.SGD"}),
        ("import torch as t\nc = t.nn.Conv2d\nc.forward",
         {"torch", "torch.nn.Conv2d", "torch.nn.Conv2d.forward"}),
        ("import torchvision.models as m\nm.vgg16()",
         {"torchvision.models", "torchvision.models.vgg16"}),
        ("import numpy as torch_like\ntorch_like.zeros(1)", set()),
        ("from .torch import relu\nrelu(1)", set()),
        ("import torch\ndef f(torch):\n    return torch.anything", {"torch"}),
        ("from torch import nn\ndef f():\n    nn = 3\n    return nn.real", {"torch", "torch.nn"}),
        ("def f():\n    import torch\n    return lambda x: torch.abs(x)", {"torch", "torch.abs"}),
        ("import torch\nclass A(torch.nn.Module):\n    def f(self, x: torch.Tensor): ...",
         {"torch", "torch.nn.Module", "torch.Tensor"}),
        ("import torch\n@torch.no_grad()\ndef f(x=torch.pi): ...",
         {"torch", "torch.no_grad", "torch.pi"}),
        ("import torch\ngetattr(torch, 'cos')(1)", {"torch", "torch.cos"}),
    ],
)  # fmt: skip
def test_names_used(source, expected):
    assert names_in(source) == expected


def test_what_a_program_expects_to_be_absent_is_optional():
    source = """
        import torch
        try:
            from torch import special_thing
        except ImportError:
            special_thing = None
        if hasattr(torch, "compile"):
            model = torch.compile(model)
        try:
            torch.exotic()
        except ValueError:
            pass
        """
    assert guarded_in(source) == {"torch", "torch.special_thing", "torch.compile"}


def test_missing_names_are_listed_with_their_places(tmp_path):
    (tmp_path / "program.py").write_text(
        "import torch\nfrom helpers import layers\nprint('ran')\ntorch.no_such_function(1)\n"
        "torch.no_such_function(2)\n"
    )
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "__init__.py").write_text("")
    (tmp_path / "helpers" / "layers.py").write_text("import torch.no_such_module as m\n")
    done = examine("program.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "missing   torch.no_such_function  (program.py:4, program.py:5)" in done.stdout
    assert "missing   torch.no_such_module  (helpers/layers.py:1)" in done.stdout
    assert "ran" not in done.stdout


def test_nothing_missing(tmp_path):
    (tmp_path / "program.py").write_text("import torch\nprint(torch.ones(2).sum())\n")
    done = examine("program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("nothing missing: 2 names of PyTorch used in 1 file")


def test_code_and_module(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text("from .work import f\n")
    (tmp_path / "package" / "work.py").write_text("import torch\nf = torch.no_such_function\n")
    done = examine("-m", "package", cwd=tmp_path)
    assert done.returncode == 1 and "package/work.py:2" in done.stdout
    done = examine("-c", "import torch; torch.zeros(1)", cwd=tmp_path)
    assert done.returncode == 0


def test_unreadable_programs(tmp_path):
    done = examine("nowhere.py", cwd=tmp_path)
    assert done.returncode == 2 and "nowhere.py" in done.stderr
    (tmp_path / "broken.py").write_text("def f(:\n")
    done = examine("broken.py", cwd=tmp_path)
    assert done.returncode == 1 and "broken.py" in done.stdout
