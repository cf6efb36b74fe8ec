"""The commands that give reports to clients and alerts to their reader: report --mail --send, check --notify."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from healthkit.cli import delivery
from tests.builders.notebooks import page_template
from tests.builders.sample import MONTH
from tests.builders.smtp_server import smtp_server

ACCOUNTS = """mail: {{from: reports@agency.example, host: 127.0.0.1, port: {port}, security: none}}
accounts:
  - name: paper-moth
    display_name: Paper Moth & Co
    logo: logo.svg
    email: [owner@moth.example]
"""


@pytest.fixture
def report(run, sample_store, tmp_path):
    template = page_template(tmp_path / "t.ipynb")
    (tmp_path / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>')

    def report_with(*words, text: str = ACCOUNTS, port: int = 25):
        (tmp_path / "accounts.yaml").write_text(text.format(port=port))
        return run(
            "report", "--month", MONTH, "--account", "paper-moth", "--account", "clearbrook-bath", "--template",
            template, "--data", sample_store, "--out", tmp_path, "--accounts", tmp_path / "accounts.yaml", *words,
        )  # fmt: skip

    return report_with


def test_packages_are_written_mailed_and_sent_once(report, tmp_path):
    with smtp_server() as server:
        shown = report("--mail", "--send", "--summary", "text", port=server.port)
        assert shown.exit_code == 0, shown.output
        assert [addresses for addresses, _ in server.mails] == [["owner@moth.example"]]
        folder = tmp_path / MONTH
        for name in ("packages/paper-moth.zip", "packages/clearbrook-bath.zip", "mail/paper-moth.eml",
                     "mail/clearbrook-bath.eml", "summaries/paper-moth_us.txt"):  # fmt: skip
            assert (folder / name).is_file()
        assert "paper-moth (US)\n  What: first" in shown.stdout
        assert "Sent: paper-moth to owner@moth.example." in shown.stdout
        assert "The mail of clearbrook-bath has no addressee" in shown.stderr
        assert b"Paper Moth & Co" in server.mails[0][1]
        again = report("--mail", "--send", "--only-changed", port=server.port)
        assert again.exit_code == 0, again.output
        assert "0 reports, 0 failed, 2 unchanged." in again.stdout
        assert "because the same report was sent on" in again.stderr
        assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accounts: [{{name: paper-moth}}]", "No SMTP server is configured"),
        (ACCOUNTS.replace("logo.svg", "none.png"), "none.png: the logo cannot be read"),
        (ACCOUNTS.replace("security: none", "security: plain"), "field mail.security"),
    ],
)
def test_what_is_wrong_in_the_accounts_file_is_told_before_anything_is_written(report, tmp_path, text, told):
    shown = report("--send", text=text)
    assert shown.exit_code == 1
    assert told in shown.stderr
    assert not (tmp_path / MONTH).exists()


@pytest.fixture
def receiver():
    """A server that keeps what is posted to it."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.got = []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_check_sends_what_it_prints(run, sample_store, receiver):
    pytest.importorskip("apprise")
    command = ("check", "--month", MONTH, "--account", "birchway-crafts", "--data", sample_store)
    plain = run(*command)
    shown = run(*command, "--notify", f"json://127.0.0.1:{receiver.server_port}/")
    assert (shown.exit_code, shown.stdout) == (plain.exit_code, plain.stdout)
    [got] = receiver.got
    assert got["title"] == "Account health, October 2026: 1 account needs a look"
    assert got["message"].split("\n") == plain.stdout.rstrip("\n").split("\n")


@pytest.mark.parametrize("url", ["json://127.0.0.1:1/s3cret", "nosuchservice://s3cret"])
def test_a_notification_that_fails_is_told_and_changes_no_exit_code(run, sample_store, url):
    pytest.importorskip("apprise")
    shown = run("check", "--month", MONTH, "--account", "birchway-crafts", "--data", sample_store, "--notify", url)
    assert shown.exit_code == 1
    kind = url.partition(":")[0]
    assert f"The notification by {kind} was not delivered." in shown.stderr
    assert "s3cret" not in shown.output


def test_without_apprise_check_says_what_to_install(run, sample_store, monkeypatch):
    monkeypatch.setattr(delivery.importlib.util, "find_spec", lambda name: None)
    shown = run("check", "--month", MONTH, "--data", sample_store, "--notify", "json://127.0.0.1:1/")
    assert shown.exit_code == 1
    assert "pip install 'healthkit[notify]'" in shown.stderr
    assert shown.stdout == ""
