"""`rushlight run`: the names torch and torchvision, and who sees them."""

import importlib.util
import subprocess
import sys
import textwrap

import pytest


def run_code(code, *arguments, cwd, check=True, options=()):
    program = cwd / "program.py"
    program.write_text(textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "run", *options, str(program), *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if check:
        assert done.returncode == 0, done.stderr
    return done


def test_modules_are_rushlights_own(tmp_path):
    code = """
        import torch, torch.nn as nn, torch.nn.functional as F, torch.optim.lr_scheduler
        from torch.utils.data import DataLoader
        from torch import Tensor
        import rushlight, sys
        assert torch is rushlight
        assert nn is rushlight.nn and torch.nn is nn
        assert F is rushlight.nn.functional and sys.modules["torch.nn.functional"] is F
        assert torch.optim.lr_scheduler is rushlight.optim.lr_scheduler
        assert DataLoader is rushlight.utils.data.DataLoader
        assert Tensor is rushlight.Tensor
        # Loading under the second name leaves the module as it was.
        assert F.__name__ == "rushlight.nn.functional" == F.__spec__.name
        import rushlight.nn.functional
        assert rushlight.nn.functional is F
        """
    run_code(code, cwd=tmp_path)


def test_torchvision_is_rushlight_vision(tmp_path):
    code = """
        import torchvision
        from torchvision import transforms, datasets
        import torchvision.transforms as T
        import rushlight.vision
        assert torchvision is rushlight.vision
        assert T is transforms is rushlight.vision.transforms
        assert torchvision.__version__.endswith("+rushlight")
        """
    run_code(code, cwd=tmp_path)


def test_versions_as_libraries_probe_them(tmp_path):
    code = """
        import importlib.util, importlib.metadata
        assert importlib.util.find_spec("torch") is not None
        assert importlib.metadata.version("torch") == "2.13.0+rushlight"
        import torch
        assert str(torch.__version__) == "2.13.0+rushlight"
        assert tuple(int(p) for p in torch.__version__.split("+")[0].split(".")[:2]) == (2, 13)
        assert importlib.util.find_spec("torch.nn") is not None
        assert importlib.util.find_spec("torch.no_such_module") is None
        assert importlib.metadata.version("numpy")
        """
    run_code(code, cwd=tmp_path)


@pytest.mark.parametrize(
    ("code", "error", "name"),
    [
        ("import torch.no_such_module", "ModuleNotFoundError", "torch.no_such_module"),
        ("import torch.nn.missing.deep", "ModuleNotFoundError", "torch.nn.missing"),
        ("import torch\ntorch.no_such_function(1)", "AttributeError", "torch.no_such_function"),
        ("import torch.nn as nn\nnn.Conv9d(1)", "AttributeError", "torch.nn.Conv9d"),
        ("from torch.nn import Conv9d", "ImportError", "torch.nn.Conv9d"),
        ("from torch import no_such_name", "ImportError", "torch.no_such_name"),
    ],
)
def test_missing_names_raise_one_clear_error(tmp_path, code, error, name):
    done = run_code(code, cwd=tmp_path, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    expected = f"rushlight has no {name} yet; see docs/differences-from-pytorch.md"
    assert last.partition(". Did you mean")[0] == f"{error}: {expected}"  # Python's own guess
    assert "compat" not in done.stderr and "During handling" not in done.stderr


def test_probing_for_what_is_missing_is_quiet(tmp_path):
    code = """
        import torch
        assert not hasattr(torch, "no_such_function")
        assert getattr(torch.nn, "Conv9d", None) is None
        try:
            from torch.nn import Conv9d
        except ImportError:
            Conv9d = None
        try:
            import torch.no_such_module
        except ImportError as error:
            assert error.name == "torch.no_such_module"
        """
    assert run_code(code, cwd=tmp_path).stderr == ""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_processes_see_torch(tmp_path, method):
    if sys.platform == "win32" and method != "spawn":
        pytest.skip("only spawn exists on Windows")
    code = """
        import multiprocessing, sys
        import torch

        def work(queue):
            import torch.nn
            queue.put((torch.__version__, torch.__name__, torch.zeros(2).tolist(), sys.argv[1:]))

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            queue = context.Queue()
            worker = context.Process(target=work, args=(queue,))
            worker.start()
            print(queue.get(timeout=30))
            worker.join()
            sys.exit(worker.exitcode)
        """
    done = run_code(code, method, cwd=tmp_path)
    assert done.stdout.strip() == f"('2.13.0+rushlight', 'rushlight', [0.0, 0.0], [{method!r}])"


def test_other_programs_do_not_see_it(tmp_path):
    code = """
        import subprocess, sys
        import torch
        probe = "import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\\n" \\
            "import importlib.util; print(importlib.util.find_spec('torch'))"
        print(subprocess.run([sys.executable, "-S", "-c", probe], capture_output=True,
                             text=True, check=True).stdout.strip())
        """
    assert run_code(code, cwd=tmp_path).stdout.strip() == "None"


def test_importing_rushlight_leaves_torch_alone(tmp_path):
    code = "import rushlight, rushlight.compat, sys; print('torch' in sys.modules, sys.meta_path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False") and "TorchFinder" not in done.stdout
    if importlib.util.find_spec("torch") is None:
        with pytest.raises(ModuleNotFoundError):
            __import__("torch")
