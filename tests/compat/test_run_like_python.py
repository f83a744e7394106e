"""`rushlight run` starts a program as `python` does: the same argv, path, main, exit code."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

PROBE = """
import json, sys, os
import __main__
print(json.dumps({
    "argv": sys.argv, "path": sys.path[0], "name": __name__,
    "file": globals().get("__file__"), "spec": getattr(__spec__, "name", None),
    "main": __main__.__dict__ is globals(), "package": __package__,
    "names": sorted(n for n in globals() if not n.startswith("__")), "doc": __doc__,
}))
"""


def run(*arguments, cwd, stdin=None, ours=True):
    command = [sys.executable, *(["-m", "rushlight", "run"] if ours else []), *arguments]
    return subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=120
    )


def both(*arguments, cwd, stdin=None):
    plain = run(*arguments, cwd=cwd, stdin=stdin, ours=False)
    return plain, run(*arguments, cwd=cwd, stdin=stdin)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text(PROBE)
    (tmp_path / "probe.py").write_text('"""A docstring."""' + PROBE)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "probe.py").write_text(PROBE)
    os.symlink(tmp_path / "elsewhere" / "probe.py", tmp_path / "linked.py")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("probe.py", "--flag", "-m", "x"),
        ("./elsewhere/probe.py",),
        ("linked.py",),
        ("-m", "package", "a", "-c"),
        ("-m", "probe"),
        ("package", "x"),
        ("-c", PROBE, "1", "--two"),
    ],
    ids=["script", "relative", "symlink", "package", "module", "folder", "code"],
)
def test_program_sees_what_python_would_show(folder, arguments):
    plain, ours = both(*arguments, cwd=folder)
    assert ours.returncode == plain.returncode == 0, ours.stderr
    assert json.loads(ours.stdout) == json.loads(plain.stdout)


def test_program_from_standard_input(folder):
    plain, ours = both("-", "x", cwd=folder, stdin=PROBE)
    assert json.loads(ours.stdout) == json.loads(plain.stdout)


@pytest.mark.parametrize(
    "code", ["raise SystemExit(7)", "raise SystemExit('told')", "import os; os._exit(9)",
             "raise SystemExit", "1/0", "raise KeyboardInterrupt", "def f(:\n pass"]
)  # fmt: skip
def test_exit_code_and_error_text(tmp_path, code):
    (tmp_path / "program.py").write_text(code)
    plain, ours = both("program.py", cwd=tmp_path)
    assert ours.returncode == plain.returncode
    assert ours.stderr == plain.stderr


@pytest.mark.parametrize(
    "arguments", [("program.py",), ("-m", "program")], ids=["script", "module"]
)
def test_traceback_shows_the_program_only(tmp_path, arguments):
    program = """
        import helper

        def outer():
            try:
                helper.fail()
            except KeyError:
                raise ValueError("second")

        outer()
        """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    (tmp_path / "helper.py").write_text("def fail():\n    raise KeyError('first')\n")
    plain, ours = both(*arguments, cwd=tmp_path)
    assert ours.stderr == plain.stderr
    assert "KeyError: 'first'" in ours.stderr and "ValueError: second" in ours.stderr


def test_missing_script(tmp_path):
    plain, ours = both("nowhere.py", cwd=tmp_path)
    assert ours.returncode == plain.returncode == 2
    assert "nowhere.py" in ours.stderr and "No such file" in ours.stderr
    assert "Traceback" not in ours.stderr


@pytest.mark.parametrize("arguments", [(), ("--unknown", "x.py"), ("-m",), ("-c",)])
def test_wrong_usage(tmp_path, arguments):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "usage: rushlight run" in done.stderr and "Traceback" not in done.stderr


def test_excepthook_of_the_program_is_called(tmp_path):
    code = """
        import sys, traceback

        def hook(kind, error, trace):
            print("hook", kind.__name__, [f.name for f in traceback.extract_tb(trace)])

        sys.excepthook = hook
        raise RuntimeError("x")
        """
    (tmp_path / "program.py").write_text(textwrap.dedent(code))
    plain, ours = both("program.py", cwd=tmp_path)
    assert (ours.stdout, ours.returncode) == (plain.stdout, plain.returncode)
    assert "hook RuntimeError ['<module>']" in ours.stdout
