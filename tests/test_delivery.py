"""The commands that give reports to clients and alerts to their reader: report --mail --send, check --notify."""

from __future__ import annotations

import json
import sys
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


MADE = ["mail/clearbrook-bath.eml", "mail/paper-moth.eml", "packages/clearbrook-bath.zip", "packages/paper-moth.zip",
        "summaries/clearbrook-bath_us.txt", "summaries/paper-moth_us.txt"]  # fmt: skip


def names_in(folder):
    """The files of a reports folder that are for clients."""
    paths = [path for name in ("mail", "packages", "summaries") for path in (folder / name).rglob("*")]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def test_what_was_made_of_earlier_pages_does_not_stay_as_if_it_were_current(report, tmp_path):
    folder = tmp_path / MONTH
    first = report("--mail", "--summary", "text")
    assert (first.exit_code, names_in(folder)) == (0, MADE)
    sent = json.loads((folder / "deliveries.json").read_text())["sent"]
    # Nothing changed: all stays, and nothing is said.
    same = report("--package", "--only-changed")
    assert (same.exit_code, names_in(folder), "emoved" in same.output) == (0, MADE, False)
    (folder / "mail" / "paper-moth.eml").write_text("my own words")
    second = page_template(tmp_path / "second.ipynb", "second")
    plain = report("--template", second)
    assert plain.exit_code == 0, plain.output
    assert names_in(folder) == ["mail/paper-moth.eml"]
    told = " ".join(plain.stderr.split())
    assert "2 pages are elsewhere than before, by --separate or --package: " in told
    assert "paper-moth_us/paper-moth_us.html is now paper-moth_us.html" in told
    assert "Removed, because their pages were made anew since: mail/clearbrook-bath.eml, packages/clearbrook" in told
    kept = "Of an earlier run and not current: mail/paper-moth.eml. Do not send it"
    assert kept in told
    assert kept in " ".join((folder / "index.html").read_text().split())
    assert json.loads((folder / "deliveries.json").read_text())["sent"] == sent
    # Made anew in the same run, it is replaced and not told as removed.
    report("--mail", "--summary", "text")
    again = report("--mail", "--summary", "text", "--template", second)
    assert "Removed" not in again.stderr
    assert [name for name in names_in(folder) if ".bak-" not in name] == MADE


def test_what_is_of_an_earlier_run_is_named_where_the_run_of_today_fails(report, tmp_path):
    report("--mail", "--summary", "text")
    bad = page_template(tmp_path / "bad.ipynb", before="if account == 'paper-moth': raise ValueError('not today')")
    failed = report("--mail", "--template", bad)
    assert failed.exit_code == 1
    told = " ".join(failed.stderr.split())
    assert "paper-moth has no package. paper-moth_us/paper-moth_us.html: its run failed (not today)." in told
    assert "mail/paper-moth.eml and packages/paper-moth.zip are of an earlier run and are not current." in told
    assert "Of an earlier run and not current: summaries/paper-moth_us.txt." in told
    named = "not current: mail/paper-moth.eml, packages/paper-moth.zip, summaries/paper-moth_us.txt. Do not send them"
    assert named in " ".join((tmp_path / MONTH / "index.html").read_text().split())


def test_a_wrong_password_is_told_before_any_report_is_made(report, tmp_path, monkeypatch):
    monkeypatch.setenv("HEALTHKIT_SMTP_USER", "agency")
    monkeypatch.setenv("HEALTHKIT_SMTP_PASSWORD", "s3cret-word")
    with smtp_server() as server:
        server.password = "another"
        shown = report("--send", port=server.port)
    assert shown.exit_code == 1
    assert "refused user or password" in shown.stderr
    assert "s3cret-word" not in shown.output
    assert not (tmp_path / MONTH).exists()


def test_a_pdf_stays_with_its_page_and_is_told_when_it_goes(report, tmp_path, monkeypatch):
    program = tmp_path / "chromium"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "made = next(one.partition('=')[2] for one in sys.argv if one.startswith('--print-to-pdf='))\n"
        "open(made, 'w').write('%PDF-1.4')\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(program))
    folder = tmp_path / MONTH
    report("--pdf")
    unchanged = report("--only-changed")
    assert "0 reports, 0 failed, 2 unchanged." in unchanged.stdout
    assert len(list(folder.glob("*.pdf"))) == 2
    gone = report("--made", "today")
    assert list(folder.glob("*.pdf")) == []
    told = "Removed, because they are of earlier pages and this run made no PDF: clearbrook-bath_us.pdf, paper-moth"
    assert told in " ".join(gone.stderr.split())


def test_the_accounts_file_that_is_named_is_obeyed_without_packages_too(report, run, tmp_path, sample_store):
    tagged = ACCOUNTS.replace("    logo:", "    tags: [spring-clients]\n    logo:")
    shown = report(text=tagged)
    assert shown.exit_code == 0, shown.output
    assert "spring-clients" in (tmp_path / MONTH / "index.html").read_text()
    missing = run("report", "--month", MONTH, "--data", sample_store, "--out", tmp_path / "none", "--accounts",
                  tmp_path / "nowhere.yaml")  # fmt: skip
    assert missing.exit_code == 1
    assert "there is no such file. Check the path of --accounts" in " ".join(missing.stderr.split())
    assert not (tmp_path / "none").exists()


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
