"""The pytest plugin as its users have it: test files of theirs, run by pytest in a process of its own."""

import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from araneus import pytest_plugin
from tests.conftest import CHECKOUT
from tests.live import BYTECODE, jobs_under

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
PLUGIN = ("-p", "araneus.pytest_plugin")
SLEEPER = """
import time

APP = {
    "class": "CommandLineTool", "cwlVersion": "v1.2", "inputs": {}, "outputs": {}, "baseCommand": ["sleep", "300"],
    "requirements": {"ResourceRequirement": {"coresMin": 1, "ramMin": 32}},
}

def sleeping(api):
    project = api.projects.create(name="p")
    api.apps.install_app(f"{project.id}/sleep", APP)
    task = api.tasks.create("sleep", project, f"{project.id}/sleep", run=True)
    while not [job for job in task.get_execution_details().jobs if job.status == "RUNNING"]:
        time.sleep(0.05)
"""
pytestmark = pytest.mark.xdist_group("plugin")


def is_installed() -> bool:
    points = importlib.metadata.entry_points(group="pytest11")
    return any(point.value == "araneus.pytest_plugin" for point in points)


def line(directory: Path, *arguments: str) -> list[str]:
    """Without the entry point (an older installation of the checkout) the plugin is named."""
    return [*PYTEST, *(() if is_installed() else PLUGIN), "--basetemp", str(directory.parent / "base"), *arguments]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SB_", "ARANEUS_"))}
    return {**kept, **BYTECODE, "ARANEUS__SERVER__PORT": "no port", "ARANEUS__DATABASE__URL": "nowhere"}


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line(directory, *arguments),
        cwd=directory, env=environment(), capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


def outcome(done: subprocess.CompletedProcess[str]) -> str:
    return re.sub(r" in [0-9.]+s.*", "", done.stdout.splitlines()[-1]).strip("= ")


def servers_under(directory: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(directory) in " ".join(process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def gone(directory: Path, patience: float = 30.0) -> bool:
    deadline = time.monotonic() + patience
    while servers_under(directory) or jobs_under(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where the test files lie."""
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


def test_the_checkout_declares_the_plugin() -> None:
    assert 'araneus = "araneus.pytest_plugin"' in (CHECKOUT / "pyproject.toml").read_text()
    if not is_installed():
        pytest.skip("the checkout was installed before it had the plugin: install it again")


def test_the_example_of_the_page_runs(work: Path) -> None:
    page = (CHECKOUT / "docs" / "testing.md").read_text()
    script, tests = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2]
    (work / "count.py").write_text(script)
    (work / "test_count.py").write_text(tests)
    done = run(work, "-W", "error", "-q")
    assert outcome(done) == "4 passed", done.stdout + done.stderr
    assert gone(work.parent)


def test_what_the_page_says_of_settings(work: Path) -> None:
    page = (CHECKOUT / "docs" / "testing.md").read_text()
    settings = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[2].replace('"docker"', '"none"')
    (work / "conftest.py").write_text(f"import pytest\n\n{settings}")
    (work / "test_it.py").write_text(
        "import os\n"
        "def test_limit(araneus):\n"
        "    assert araneus.api.rate_limit.get().rate.limit == 100\n"
        "    assert os.environ['SB_API_ENDPOINT'] == araneus.endpoint\n"
        "    assert os.environ['SB_AUTH_TOKEN'] == araneus.token\n"
        "def test_after():\n"
        "    assert 'SB_API_ENDPOINT' not in os.environ\n"
        "    assert 'SB_AUTH_TOKEN' not in os.environ\n"
    )
    done = run(work, "-q")
    assert outcome(done) == "2 passed", done.stdout + done.stderr


def test_the_example_with_the_address_of_the_platform_runs(work: Path) -> None:
    page = (CHECKOUT / "docs" / "testing.md").read_text()
    script, tests = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[3:]
    (work / "names.py").write_text(script)
    (work / "test_names.py").write_text(
        tests + "\n\ndef test_after():\n    import os, socket\n    assert 'ARANEUS_REDIRECT' not in os.environ\n"
        "    assert socket.getaddrinfo.__module__ == 'socket'\n"
    )
    done = run(work, "-W", "error", "-q")
    assert outcome(done) == "3 passed", done.stdout + done.stderr


def test_another_sitecustomize_has_its_turn_and_other_names_their_addresses(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('theirs')\n")
    script = (
        "import asyncio, socket\n"
        "ask = lambda name: socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)[0][4][:2]\n"
        "print(ask('api.example.org'), ask('API.example.org.'), ask(b'api.example.org'), ask('127.0.0.1'))\n"
        "loop = asyncio.new_event_loop()\n"
        "print(loop.run_until_complete(loop.getaddrinfo('api.example.org', 443))[0][4][:2])\n"
        "loop.close()\n"
    )
    redirect = Path(pytest_plugin.__file__).parent / "redirect"
    kept = environment() | {
        "PYTHONPATH": os.pathsep.join([str(redirect), str(tmp_path)]),
        "ARANEUS_REDIRECT": "api.example.org,b.example.org=127.0.0.7:8443",
    }
    done = subprocess.run([sys.executable, "-c", script], env=kept, capture_output=True, text=True, check=True)
    to = "('127.0.0.7', 8443)"
    assert done.stdout.splitlines() == ["theirs", f"{to} {to} {to} ('127.0.0.1', 443)", to]


def test_a_server_with_tls_is_trusted_by_what_the_test_starts(work: Path) -> None:
    (work / "conftest.py").write_text(
        "import pytest\n@pytest.fixture(scope='session')\ndef araneus_settings():\n    return {'server.tls': True}\n"
    )
    (work / "test_it.py").write_text(
        "import os, subprocess, sys\n"
        "SCRIPT = 'import sevenbridges; print(sevenbridges.Api().users.me().href)'\n"
        "def test_it(araneus):\n"
        "    assert araneus.endpoint.startswith('https://')\n"
        "    assert araneus.api.users.me().href.startswith(araneus.endpoint)\n"
        "    said = subprocess.run([sys.executable, '-c', SCRIPT], capture_output=True, text=True, check=True).stdout\n"
        "    assert said.startswith(araneus.endpoint)\n"
        "def test_after():\n"
        "    assert not os.environ.get('REQUESTS_CA_BUNDLE', '').endswith('tls/ca.pem')\n"
    )
    done = run(work, "-q")
    assert outcome(done) == "2 passed", done.stdout + done.stderr


def test_two_workers_have_servers_of_their_own(work: Path) -> None:
    (work / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_alone(araneus, number):\n"
        "    assert araneus.api.projects.query().total == 0\n"
        "    assert araneus.api.projects.create(name='mine').id.endswith('/mine')\n"
        "    with open(f'token-{number}', 'w') as stream:\n"
        "        stream.write(araneus.token)\n"
    )
    done = run(work, "-q", "-n", "2")
    assert outcome(done) == "4 passed", done.stdout + done.stderr
    assert len({file.read_text() for file in work.glob("token-*")}) == 4
    assert gone(work.parent)


def test_a_failed_test_shows_the_log_and_leaves_no_tool_behind(work: Path) -> None:
    (work / "test_it.py").write_text(
        SLEEPER + "def test_fails(araneus):\n    sleeping(araneus.api)\n    assert False, 'as it should'\n"
        "def test_passes(araneus):\n    pass\n"
    )
    done = run(work, "-q")
    assert outcome(done) == "1 failed, 1 passed", done.stdout + done.stderr
    assert done.stdout.count("Araneus server log") == 1
    shown = done.stdout.split("Araneus server log")[1]
    assert "--- scheduler.log" in shown
    assert "task_taken" in shown
    assert gone(work.parent)


def test_a_server_that_cannot_start_says_why(work: Path) -> None:
    (work / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def araneus_settings():\n"
        "    return {'server.colour': 'red'}\n"
        "def test_it(araneus):\n    pass\n"
    )
    done = run(work, "-q")
    assert outcome(done) == "1 error"
    assert "Unknown setting server.colour" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_killed_takes_server_and_tools_with_it(work: Path, number: signal.Signals) -> None:
    (work / "test_it.py").write_text(
        SLEEPER
        + "def test_it(araneus):\n    sleeping(araneus.api)\n    open('ready', 'w').close()\n    time.sleep(300)\n"
    )
    # Whatever started this test in the background may have had it ignore SIGINT.
    command = ["/usr/bin/env", "--default-signal=INT", *line(work)]
    process = subprocess.Popen(command, cwd=work, env=environment(), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        # A job is said to run a moment before its process is what it will be.
        while not ((work / "ready").exists() and jobs_under(work.parent)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    assert gone(work.parent)


def test_it_costs_nothing_when_it_is_not_used(work: Path) -> None:
    (work / "test_it.py").write_text(
        "import sys\n"
        "def test_it(request):\n"
        "    assert request.config.pluginmanager.has_plugin('araneus.pytest_plugin')\n"
        "    ours = {name for name in sys.modules if name.partition('.')[0] == 'araneus'}\n"
        "    assert ours == {'araneus', 'araneus.pytest_plugin'}\n"
        "    assert not {'sqlalchemy', 'uvicorn', 'sevenbridges', 'requests'} & set(sys.modules)\n"
    )
    base = work.parent / "base"
    done = subprocess.run(
        [*PYTEST, *PLUGIN, "--basetemp", str(base), "-q"], cwd=work, capture_output=True, text=True, check=False,
        env=environment() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, timeout=60,
    )  # fmt: skip
    assert outcome(done) == "1 passed", done.stdout + done.stderr
    assert not list(base.glob("araneus*"))
