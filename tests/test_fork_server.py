"""The fork server: nothing leaks from one notebook to the next, and each end is told as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import papermill
import pytest

from healthkit import batch
from healthkit.batch import fork_client, fork_server
from healthkit.batch.fork_client import ForkServer
from tests.builders.notebooks import write_notebook
from tests.builders.processes import is_running, wait_until

if not fork_client.CAN_FORK:
    pytest.skip("this machine cannot fork: papermill's own engine is used", allow_module_level=True)


@pytest.fixture(scope="module")
def server():
    fork_client.set_warmup(None)  # A batch that was stopped earlier in this process starts no server.
    held = ForkServer({"modules": ["pandas", "altair"]})
    yield held
    held.close()


def code(*sources: str) -> list[tuple[int, str]]:
    return list(enumerate(sources))


def text(ran, place: int = 0) -> str:
    return "".join(out.get("text", "") for out in ran.cell_outputs[place]["outputs"])


LEAKS = {
    "a name": ("leak = 1", "print('leak' in globals())"),
    "the environment": ("import os\nos.environ['LEAK'] = '1'", "import os\nprint('LEAK' in os.environ)"),
    "pandas options": (
        "import pandas as pd\npd.set_option('display.max_rows', 7)",
        "import pandas as pd\nprint(pd.get_option('display.max_rows') == 7)",
    ),
    "altair's state": (
        "import altair as alt\nalt.renderers.enable('html')\nalt.data_transformers.enable('json')",
        "import altair as alt\nprint(alt.data_transformers.active == 'json')",
    ),
    "a module": (
        "import sys, types\nsys.modules['leak'] = types.ModuleType('leak')\nimport json\njson.dumps = None",
        "import sys, json\nprint('leak' in sys.modules or json.dumps is None)",
    ),
    "the folder": ("import os\nos.chdir('/')", "import os\nprint(os.getcwd() == '/')"),
    "sys.path": ("import sys\nsys.path.insert(0, '/leak')", "import sys\nprint('/leak' in sys.path)"),
}


@pytest.mark.parametrize("door", LEAKS)
def test_nothing_leaks_through_a_door(server, door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    leak, seen = LEAKS[door]
    assert server.run(code(leak)).status == "done"
    assert text(server.run(code(seen))) == "False\n"
    # The test can fail: in one notebook the same is seen.
    assert text(server.run(code(leak, seen)), 1).endswith("True\n")


def test_what_a_cell_shows_is_kept_in_its_order(server):
    first = "import sys\nfrom IPython.display import HTML, display\nprint('a')\nprint('b', file=sys.stderr)\n"
    ran = server.run(code(first + "display(HTML('<b>c</b>'))\nprint('d')\n1 + 1"))
    kinds = [(out["output_type"], out.get("text") or out["data"].get("text/html") or out["data"]["text/plain"])
             for out in ran.cell_outputs[0]["outputs"]]  # fmt: skip
    assert kinds == [
        ("stream", "a\n"), ("stream", "b\n"), ("display_data", "<b>c</b>"), ("stream", "d\n"), ("execute_result", "2"),
    ]  # fmt: skip


ENDS = {
    "raises": ("raise ValueError('no luck')", "failed", ""),
    "hangs": ("import time\ntime.sleep(60)", "timed out", "not done after 2 seconds"),
    "hangs in C": ("import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')", "timed out", "not done after 2 seconds"),
    "leaves by sys.exit": ("import sys\nsys.exit(0)", "exited early", ""),
    "leaves at once": ("import os\nos._exit(0)", "exited early", "before the last cell"),
    "segfaults": ("import ctypes\nctypes.string_at(0)", "killed", "signal 11"),
    "is killed": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed", "signal 9"),
    "eats memory": ("held = bytearray(1 << 40)", "failed", ""),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_notebook_that_does_not_end_well_says_how(server, how):
    source, status, says = ENDS[how]
    ran = server.run(code("print('before')", source, "print('never')"), deadline=2, memory=2000)
    assert ran.status == status
    assert says in ran.message
    assert text(ran) == "before\n"
    assert 2 not in ran.cell_outputs
    assert server.run(code("print('next')")).status == "done"


def test_memory_eaten_bit_by_bit_ends_at_the_limit(server):
    ran = server.run(code("held = []\nwhile True:\n    held.append(bytearray(1 << 24))"), deadline=30, memory=300)
    assert ran.status in ("failed", "killed")
    assert ran.peak_mib < 2000


def test_what_a_notebook_started_ends_with_it(server, tmp_path):
    mark = tmp_path / "lives"
    source = f"import subprocess\nsubprocess.Popen(['sh', '-c', 'while true; do date > {mark}; sleep 0.1; done'])"
    assert server.run(code(source, "import time\ntime.sleep(0.5)")).status == "done"
    time.sleep(0.5)
    mark.unlink(missing_ok=True)
    time.sleep(0.5)
    assert not mark.exists()


def test_several_run_at_once_and_each_gets_its_own_answer(server):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda n: text(server.run(code(f"print({n})"))), range(30)))
    assert told == [f"{n}\n" for n in range(30)]


@pytest.mark.slow
def test_a_killed_server_is_started_again_and_its_notebook_run_anew(monkeypatch):
    fork_client.close_server()
    fork_client.set_warmup({"modules": ["json"]})
    try:
        first = fork_client.get_server().process.pid
        from threading import Timer

        Timer(0.5, lambda: os.kill(first, signal.SIGKILL)).start()
        ran = fork_client.run_notebook(code("import time\ntime.sleep(1.5)\nprint('whole')"))
        assert ran.status == "done"
        assert text(ran) == "whole\n"
        assert fork_client.get_server().process.pid != first
    finally:
        fork_client.close_server()
        fork_client.set_warmup(None)


def test_forks_end_when_their_server_is_killed(tmp_path):
    held = ForkServer({"modules": ["json"]})
    mark = tmp_path / "pid"
    from threading import Thread

    source = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    waiting = Thread(target=lambda: held.run(code(source)))
    waiting.start()
    wait_until(lambda: mark.exists() and mark.read_text())
    held.process.kill()
    waiting.join(10)
    pid = int(mark.read_text())
    wait_until(lambda: not is_running(pid), 5)
    held.close()


@pytest.mark.slow
def test_a_client_that_is_killed_leaves_no_process():
    script = (
        "import sys, time\nfrom healthkit.batch.fork_client import ForkServer\n"
        "held = ForkServer({'modules': ['json']})\nprint(held.process.pid, flush=True)\n"
        "held.run([(0, 'import time; time.sleep(60)')])"
    )
    client = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    server = int(client.stdout.readline())
    time.sleep(0.5)
    client.kill()
    client.wait()
    wait_until(lambda: not Path(f"/proc/{server}").exists(), 5)


# -- forks that notebooks share ---------------------------------------------------------------------------------

PID = "import os\nprint(os.getpid())"
LEAVE = "import builtins\nbuiltins.left_over = "
IS_FIRST = "import builtins\nassert not hasattr(builtins, 'left_over')"
IS_LATER = "import builtins, os, time\nif hasattr(builtins, 'left_over'):"


@pytest.fixture
def shared():
    """A server of which no fork waits yet."""
    fork_client.set_warmup(None)
    held = ForkServer({"modules": ["json"]})
    yield held
    held.close()


def run_shared(server: ForkServer, *sources: str, **limits):
    return server.run(code(PID, *sources), is_shared=True, **limits)


def test_shared_notebooks_run_in_one_process_after_another(shared):
    ran = [run_shared(shared, "print(sorted(globals()))\nleak = 1") for _ in range(fork_server.MAX_NOTEBOOKS + 1)]
    pids = [text(one) for one in ran]
    assert len(set(pids[:-1])) == 1
    assert pids[-1] != pids[0]
    assert {one.status for one in ran} == {"done"}
    names = [text(one, 1) for one in ran]
    assert "'leak'" not in "".join(names)
    assert len(set(names)) == 1


def test_a_notebook_that_is_not_shared_has_a_process_of_its_own(shared):
    pids = [text(shared.run(code(PID), is_shared=is_shared)) for is_shared in (True, False, True)]
    assert pids[0] == pids[2] != pids[1]


def test_several_shared_notebooks_at_once_have_a_process_each(shared):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(lambda n: text(run_shared(shared, f"print({n})"), 1), range(40)))
    assert ran == [f"{n}\n" for n in range(40)]


SPOILED = {
    "raises": IS_FIRST,
    "is killed": f"{IS_LATER}\n    os.kill(os.getpid(), 9)",
    "leaves": f"{IS_LATER}\n    os._exit(0)",
    "hangs": f"{IS_LATER}\n    time.sleep(60)",
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_an_earlier_notebook_spoils_is_run_again_alone(shared, how):
    first = run_shared(shared, LEAVE + "1")
    second = run_shared(shared, SPOILED[how], deadline=2)
    assert (first.status, second.status) == ("done", "done")
    assert text(first) != text(second)


@pytest.mark.parametrize("how", ENDS)
def test_a_shared_notebook_that_does_not_end_well_changes_no_other(shared, how):
    source, status, says = ENDS[how]
    before = run_shared(shared)
    ran = run_shared(shared, source, "print('never')", deadline=2, memory=2000)
    assert ran.status == status
    assert says in ran.message
    assert text(ran).strip()
    assert 2 not in ran.cell_outputs
    after = run_shared(shared)
    assert (before.status, after.status) == ("done", "done")
    assert text(after) != text(ran)


def test_a_fork_that_is_killed_while_it_waits_costs_no_notebook(shared):
    pid = int(text(run_shared(shared)))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid), 5)
    ran = run_shared(shared)
    assert ran.status == "done"
    assert int(text(ran)) != pid


def test_a_fork_that_has_grown_takes_no_more_notebooks(shared):
    size = (fork_server.MAX_GROWTH_MIB + 100) << 20
    assert text(run_shared(shared, f"{LEAVE}bytearray({size})")) != text(run_shared(shared))


def test_each_shared_notebook_has_its_own_deadline_and_memory(shared):
    limits = {"deadline": 2, "memory": 2000}
    ran = [run_shared(shared, "import time\ntime.sleep(1.2)", **limits) for _ in range(2)]
    assert [one.status for one in ran] == ["done", "done"]
    large = run_shared(shared, "len(bytes(range(200)) * (1 << 20))", **limits)
    small = run_shared(shared, **limits)
    assert len({text(one) for one in (*ran, large, small)}) == 1
    assert large.peak_mib > 200
    if sys.platform == "linux":
        assert small.peak_mib < large.peak_mib - 150
    assert text(run_shared(shared, deadline=2, memory=1000)) != text(small)


def test_forks_that_wait_end_with_their_server():
    held = ForkServer({"modules": ["json"]})
    pid = int(text(run_shared(held)))
    assert is_running(pid)
    held.close()
    assert not is_running(pid)


# -- the engine -----------------------------------------------------------------------------------------------


def template(folder: Path, *sources: str) -> Path:
    return write_notebook(folder / "t.ipynb", *sources, parameters='account = ""\nmonth = ""')


GIVEN = {"account": "a", "month": "2026-10"}


def test_the_status_stands_in_the_notebook_and_in_the_error(tmp_path):
    path = template(tmp_path, "print('one')", "import time\ntime.sleep(60)", "print('three')")
    with pytest.raises(batch.BatchError, match="not done after 1 seconds") as raised:
        batch.run_template(GIVEN, path, deadline=1)
    assert raised.value.status == "timed out"
    notebook = raised.value.notebook
    assert notebook.metadata["healthkit"]["status"] == "timed out"
    told = [cell.metadata["papermill"]["status"] for cell in notebook.cells if "papermill" in cell.metadata]
    assert told[-3:] == ["completed", "failed", "pending"]
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert ran[-3].outputs[0].text == "one\n"


def test_the_engine_is_found_by_papermill_s_own_command(tmp_path):
    path = template(tmp_path, "print(account)")
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        str(path), str(out), parameters=GIVEN, engine_name="healthkit", progress_bar=False, kernel_name="python3"
    )
    assert nbformat.read(out, as_version=4).cells[-1].outputs[0].text == "a\n"


def masked(notebook) -> list:
    """What the cells of a notebook show, without ids and numbers of runs."""
    return [
        [
            {name: value for name, value in output.items() if name not in ("execution_count", "transient")}
            for output in cell.outputs
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_outputs_are_those_of_papermill_s_own_engine(tmp_path):
    path = template(
        tmp_path, "print('a')\nimport sys\nprint('b')", "import pandas as pd\npd.DataFrame({'x': [1, 2]})",
        "from IPython.display import HTML, display\ndisplay(HTML('<i>x</i>'))\n'last'", "x = 3\nx; None",
    )  # fmt: skip
    ours = batch.run_template(GIVEN, path)
    stock = batch.run_template(GIVEN, path, engine="nbclient")
    assert masked(ours) == masked(stock)


@pytest.mark.long
def test_our_template_shows_the_same_by_both_engines(sample_store):
    given = {"account": "clearbrook-bath", "month": "2026-10", "data": str(sample_store), "stem": "x"}
    ours, stock = (batch.run_template(given, engine=engine) for engine in ("healthkit", "nbclient"))
    assert masked(ours) == masked(stock)
    assert len(masked(ours)) > 8


@pytest.mark.slow
def test_a_server_that_is_started_while_the_batch_is_stopped_is_not_waited_for(monkeypatch):
    """Its warming would take a minute; it is started after the stop looked for servers to end."""
    started, popen = [], fork_client.subprocess.Popen

    def late(*words, **how):
        stopping = threading.Thread(target=fork_client.stop_server)
        stopping.start()
        started.append(stopping)
        while not fork_client.is_stop_requested():
            time.sleep(0.01)
        time.sleep(0.2)
        return popen(*words, **how)

    fork_client.close_server()
    fork_client.set_warmup({"cells": [(0, "import time; time.sleep(60)")]})
    monkeypatch.setattr(fork_client.subprocess, "Popen", late)
    begin = time.monotonic()
    try:
        assert fork_client.run_notebook([(0, "1")]).status == fork_client.STOPPED
        started[0].join(20)
        assert not started[0].is_alive()
        assert time.monotonic() - begin < 20
    finally:
        fork_client.set_warmup(None)
