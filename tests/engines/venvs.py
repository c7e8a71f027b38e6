"""Where the virtual environments are, and how a script moves into one."""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build"
VENV_DIR = pathlib.Path(os.environ.get("TOKPROF_VENV_DIR", BUILD / "venv"))


def versions():
    """The pinned xllamacpp versions, newest first."""
    prefix = "requirements-xllamacpp-"
    found = [path.stem[len(prefix):] for path in HERE.glob(prefix + "*.txt")]
    return sorted(found, key=lambda v: [int(part) for part in v.split(".")],
                  reverse=True)


def enter(name):
    """Runs this script again with the environment's interpreter.

    exec keeps the process id, so a caller that started the script knows the
    process that does the work, with no wrapper in between.
    """
    venv = VENV_DIR / name
    python = venv / "bin" / "python"
    if pathlib.Path(sys.prefix).resolve() == venv.resolve():
        return
    if not python.exists():
        sys.exit(f"{sys.argv[0]}: no environment {venv}; "
                 f"run {HERE / 'setup_venvs.sh'} {name}")
    os.execv(python, [str(python)] + sys.argv)
