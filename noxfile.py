"""Every check of the project, behind one door: `nox` runs the default ones, `nox -s tests` one, `nox --list` names them.

Sessions share two environments, which are kept between runs: `run`, with the package installed as a user gets it and
what the tests need, and `check`, with the tools that read the source. Nox fills them before the session that asks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")


def _use(session: nox.Session, environment: str, *command: str, **env: str) -> None:
    """Run a program of a shared environment, with that environment first on the path."""
    programs = session.env_dir.with_name(environment) / ("Scripts" if sys.platform == "win32" else "bin")
    path = os.pathsep.join([str(programs), os.environ.get("PATH", "")])
    session.run(str(programs / command[0]), *command[1:], env={"PATH": path, **env}, external=True)


def _pytest(session: nox.Session, *args: str) -> None:
    """Run pytest against the installed package: without the safe path the checkout would shadow it."""
    _use(session, "run", "python", "-m", "pytest", *args, PYTHONSAFEPATH="1")


@nox.session(default=False)
def run(session: nox.Session) -> None:
    """Install the package, as a user would, and the tests' tools (other sessions ask for it)."""
    session.install(".[aws,azure,gcp]", *nox.project.dependency_groups(PROJECT, "test"))


@nox.session(default=False)
def check(session: nox.Session) -> None:
    """Install the tools that read the source (other sessions ask for it)."""
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, "lint", "types", "docs", "news"))


@nox.session(venv_backend="none", requires=["run"])
def tests(session: nox.Session) -> None:
    """Run the tests with branch coverage; arguments after `--` go to pytest."""
    _pytest(session, "-n", "2", "--ignore=tests/typing", "--cov", "--cov-report=term", *session.posargs)


@nox.session(venv_backend="none", requires=["run"], default=False)
def stress(session: nox.Session) -> None:
    """Run the long and heavy tests; arguments after `--` go to pytest."""
    _pytest(session, "-m", "stress", "--timeout=1800", "--ignore=tests/typing", *session.posargs)


@nox.session(venv_backend="none", requires=["run"])
def demo(session: nox.Session) -> None:
    """Show a whole life cycle against a simulated AWS on this machine."""
    _use(session, "run", "python", "examples/quickstart.py", *session.posargs)


@nox.session(venv_backend="none", requires=["run"])
def examples(session: nox.Session) -> None:
    """Run every example; each fails by itself if it doesn't do what it says."""
    for example in sorted(set(Path("examples").glob("*.py")) - set(Path("examples").glob("test_*.py"))):
        _use(session, "run", "python", str(example))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure speed beside other tools, in an environment of its own; arguments after `--` go to the benchmark."""
    compiled = {"UV_COMPILE_BYTECODE": "1"}  # as pip does
    session.install(".[aws]", *nox.project.dependency_groups(PROJECT, "bench"), env=compiled)
    session.run("python", "benchmarks/bench.py", *session.posargs)
    session.run("python", "benchmarks/breadth.py")


@nox.session(venv_backend="none", requires=["check"])
def lint(session: nox.Session) -> None:
    """Check style, formatting and spelling; `-- --fix` repairs what can be repaired."""
    if session.posargs == ["--fix"]:
        _use(session, "check", "ruff", "check", "--fix", ".")
        _use(session, "check", "ruff", "format", ".")
        _use(session, "check", "typos", "--write-changes")
        return
    _use(session, "check", "ruff", "check", ".")
    _use(session, "check", "ruff", "format", "--check", ".")
    _use(session, "check", "typos")


@nox.session(venv_backend="none", requires=["check"])
def types(session: nox.Session) -> None:
    """Check the library's types with mypy, and with mypy and pyright how users' programs are understood."""
    _use(session, "check", "mypy")
    _use(
        session,
        "check",
        "python",
        "-m",
        "pytest",
        "--override-ini=pythonpath=",
        "--confcutdir=tests/typing",  # the other tests' tools aren't installed here
        "-p",
        "no:cacheprovider",
        "tests/typing",
    )


@nox.session(venv_backend="none", requires=["check"])
def imports(session: nox.Session) -> None:
    """Check that modules import only what their layer allows."""
    _use(session, "check", "lint-imports", "--no-logo")


@nox.session(venv_backend="none", requires=["check"])
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning or a dead reference fails it."""
    _use(session, "check", "sphinx-build", "-n", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


SERVICE_SPEC = "@aws-cdk/aws-service-spec@0.1.216"


@nox.session(default=False)
def schemas(session: nox.Session) -> None:
    """Regenerate the packs of types; with `-- npm` also what is taken from npm (node is needed for that alone)."""
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, "schemas"))
    database: list[str] = []
    if session.posargs == ["npm"]:
        folder = Path(session.create_tmp())
        session.run(
            "npm",
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
            SERVICE_SPEC,
            external=True,
        )
        database = [str(folder / "node_modules/@aws-cdk/aws-service-spec/db.json.gz")]
    session.run("python", "-m", "iaclib.schema.build", *database)


@nox.session(venv_backend="none", requires=["check"], default=False)
def news(session: nox.Session) -> None:
    """Show what the changelog will say about the coming release."""
    _use(session, "check", "towncrier", "build", "--draft", "--version", PROJECT["project"]["version"])
