"""Mails to clients: .eml files that mail programs open, and sending them once, by TLS, with every failure told."""

from __future__ import annotations

import email
import email.policy
import json
import re
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import date
from io import BytesIO
from types import SimpleNamespace

import pytest

from healthkit.batch import deliveries, mail, output_files, packages, smtp
from healthkit.files import keyring_secrets
from healthkit.report.text.mail import Summary, summary_text
from healthkit.schema.accounts_file import ConfiguredAccount, MailSettings
from tests.builders.smtp_server import own_certificate, smtp_server

OWNER = "owner@harbor.example"
ACCOUNT = ConfiguredAccount("harbor", "Harbor & Söhne <Ltd>", email=(OWNER,))
SETTINGS = MailSettings("The Agency <reports@agency.example>", "127.0.0.1", 0, "none")
LINES = (("What is wrong", "Order Defect Rate is off target at 1.24% (limit 1%) — 7 orders too many; <b>1 < 2</b>."),)
SUMMARIES = [
    Summary("harbor", code, f"Amazon {code}", date(2026, 10, 31), status, LINES)
    for code, status in (("US", "off target"), ("DE", "on target"))
]
PERIOD = "October 2026"


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "packages" / "harbor.zip"
    path.parent.mkdir()
    path.write_bytes(packages.zip_bytes({"harbor_us.html": b"<p>us", "harbor_de.html": b"<p>de"}))
    digest = output_files.sha256_hex(path.read_bytes())
    return packages.Package("harbor", path, digest, {"US": "harbor_us.html", "DE": "harbor_de.html"})


@pytest.fixture
def write(tmp_path, package):
    def write_mail(settings=SETTINGS, account=ACCOUNT):
        return mail.write_mails(tmp_path, [package], SUMMARIES, {"harbor": account}, settings, PERIOD)

    return write_mail


@pytest.fixture(autouse=True)
def no_login(monkeypatch):
    for name in (smtp.USER_VARIABLE, smtp.PASSWORD_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(smtp.keyring_secrets, "read_secret", lambda name: "")


@pytest.fixture
def server():
    with smtp_server() as box:
        yield box


def test_an_eml_file_holds_text_html_and_the_package(write, package):
    [ready] = write().written
    message = email.message_from_bytes(ready.path.read_bytes(), policy=email.policy.default)
    assert message["Subject"] == "Account health of Harbor & Söhne <Ltd>, October 2026"
    assert (message["From"], message["To"], message["X-Unsent"]) == (SETTINGS.sender, OWNER, "1")
    text = message.get_body(("plain",)).get_content().replace("\r\n", "\n")
    for words in ("Amazon US, as displayed on 31 October 2026", "What is wrong\n" + LINES[0][1],
                  "Unpack it, then open harbor_us.html and harbor_de.html"):  # fmt: skip
        assert words in text
    html = message.get_body(("html",)).get_content()
    assert "&lt;b&gt;1 &lt; 2&lt;/b&gt;" in html
    assert "✕ Off target" in html
    assert "✓ On target" in html
    assert re.findall(r"(?:src|href)=", html) == [], "a mail fetches nothing"
    [attached] = message.iter_attachments()
    assert attached.get_filename() == "harbor.zip"
    assert attached.get_content() == package.path.read_bytes()
    assert zipfile.ZipFile(BytesIO(attached.get_content())).namelist() == ["harbor_de.html", "harbor_us.html"]


EARLY = replace(SUMMARIES[0], as_of=date(2026, 10, 18), period_ends=date(2026, 10, 31))


def test_files_that_end_early_are_told_in_the_first_lines(package, tmp_path):
    note = "The files end on 18 October 2026: all figures are as of that day. Days ahead are counted from it too"
    message = mail.build_message(package, [EARLY, SUMMARIES[1]], ACCOUNT, SETTINGS, PERIOD)
    text = message.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert f"Amazon US, as displayed on 18 October 2026\n{note}" in text
    assert "Amazon DE, as displayed on 31 October 2026\nDays ahead are counted from 31 October 2026.\n" in text
    html = message.get_body(("html",)).get_content()
    assert html.index(note) < html.index("What is wrong")
    assert summary_text([EARLY]).splitlines()[1].startswith(f"  As of: {note}")
    assert summary_text([EARLY], html=True).splitlines()[1].startswith(f"<p><b>As of:</b> {note}")


STEPS = "1. Appeal <this> claim.\n2. Ship 7 orders.\nAnd 3 more in the whole list."


def test_what_to_do_is_a_list(package):
    summary = replace(SUMMARIES[0], lines=(("What to do, in order", STEPS),))
    message = mail.build_message(package, [summary], ACCOUNT, SETTINGS, PERIOD)
    assert f"What to do, in order\n{STEPS}\n" in message.get_body(("plain",)).get_content().replace("\r\n", "\n")
    for html in (message.get_body(("html",)).get_content(), summary_text([summary], html=True)):
        assert re.findall(r"<li[^>]*>(.*?)</li>", html) == ["Appeal &lt;this&gt; claim.", "Ship 7 orders."]
        assert html.index("</ol>") < html.index("And 3 more") < html.index("</p>", html.index("And 3 more"))
    assert summary_text([summary]).splitlines()[1:4] == [
        "  What to do, in order:", "    1. Appeal <this> claim.", "    2. Ship 7 orders.",
    ]  # fmt: skip


def test_the_same_inputs_give_the_same_bytes_and_a_file_of_the_user_is_moved_aside(write, tmp_path):
    [ready] = write().written
    first = ready.path.read_bytes()
    assert (write().notes, ready.path.read_bytes()) == ([], first)
    ready.path.write_bytes(b"edited")
    [note] = write().notes
    assert note.endswith("it is now harbor.eml.bak-1.")
    assert ready.path.with_name("harbor.eml.bak-1").read_bytes() == b"edited"
    assert ready.path.read_bytes() == first
    (tmp_path / "deliveries.json").write_text("{")
    with pytest.raises(deliveries.DeliveriesError, match="it is damaged"):
        write()


def test_a_package_too_large_to_attach_is_linked_or_refused(write, tmp_path, monkeypatch):
    monkeypatch.setattr(mail, "MAX_ATTACHMENT", 10)
    refused = write()
    assert refused.written == []
    assert "too large to attach" in refused.problems[0]
    [ready] = write(replace(SETTINGS, link="https://share.agency.example/october/")).written
    message = email.message_from_bytes(ready.path.read_bytes(), policy=email.policy.default)
    assert list(message.iter_attachments()) == []
    # Who knows the address of one account cannot guess that of another: it holds a digest of what is behind it.
    address = f"https://share.agency.example/october/{ready.package.digest[:32]}/harbor.zip"
    put = tmp_path / "links" / ready.package.digest[:32] / "harbor.zip"
    assert put.read_bytes() == ready.package.path.read_bytes()
    assert address in message.get_body(("plain",)).get_content()
    assert f'<a href="{address}"' in message.get_body(("html",)).get_content()


def test_a_mail_without_addressee_is_written_and_not_sent(write, tmp_path, server):
    done = write(account=replace(ACCOUNT, email=()))
    assert done.notes == ["The mail of harbor has no addressee: add email under its name in accounts.yaml."]
    sent = mail.send_mails(tmp_path, done.written, replace(SETTINGS, port=server.port))
    assert (sent.sent, server.mails) == ([], [])


def test_a_mail_is_sent_once_and_again_only_if_asked(write, tmp_path, server, package):
    settings = replace(SETTINGS, port=server.port)
    written = write(settings).written
    first = mail.send_mails(tmp_path, written, settings)
    assert (first.sent, first.problems) == ([f"Sent: harbor to {OWNER}."], [])
    [(addresses, data)] = server.mails
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert addresses == [OWNER]
    assert message["Date"]
    assert message["Message-ID"].endswith("@agency.example>")
    assert message["X-Unsent"] is None
    [attached] = message.iter_attachments()
    assert attached.get_content() == package.path.read_bytes()
    again = mail.send_mails(tmp_path, written, settings)
    assert (again.sent, len(server.mails)) == ([], 1)
    assert "because the same report was sent on" in again.notes[0]
    # A further addressee gets it; who had it does not.
    more = write(settings, replace(ACCOUNT, email=(OWNER, "two@harbor.example"))).written
    assert mail.send_mails(tmp_path, more, settings).sent == ["Sent: harbor to two@harbor.example."]
    assert server.mails[-1][0] == ["two@harbor.example"]
    assert OWNER not in email.message_from_bytes(server.mails[-1][1])["To"]
    result = mail.send_mails(tmp_path, more, settings, resend=True)
    assert result.sent == [f"Sent: harbor to {OWNER} and two@harbor.example."]
    assert [note.split(":")[0] for note in result.notes] == ["Sent again", "Sent again"]


def test_a_failed_send_is_told_and_may_be_tried_again(write, tmp_path, server):
    settings = replace(SETTINGS, port=server.port)
    written = write(settings, replace(ACCOUNT, email=(OWNER, "gone@harbor.example"))).written
    server.refuse = {"gone@harbor.example"}
    partly = mail.send_mails(tmp_path, written, settings)
    assert partly.sent == [f"Sent: harbor to {OWNER}."]
    assert "refused gone@harbor.example (550 no such user)" in partly.problems[0]
    assert written[0].path.is_file()
    server.refuse = set()
    assert mail.send_mails(tmp_path, written, settings).sent == ["Sent: harbor to gone@harbor.example."]


def test_no_server_is_told(write, tmp_path):
    settings = replace(SETTINGS, port=1)
    done = mail.send_mails(tmp_path, write(settings).written, settings)
    assert done.sent == []
    assert done.problems[0].startswith("Not sent: harbor: 127.0.0.1, port 1: ")
    assert json.loads((tmp_path / "deliveries.json").read_text())["sent"] == []


def test_a_connection_that_breaks_after_the_mail_may_have_sent_it(write, tmp_path, server):
    settings = replace(SETTINGS, port=server.port)
    written = write(settings).written
    server.breaks_after_data = True
    assert mail.send_mails(tmp_path, written, settings).problems
    server.breaks_after_data = False
    again = mail.send_mails(tmp_path, written, settings)
    assert (again.sent, len(server.mails)) == ([], 1)
    assert "may have been sent on" in again.notes[0]


@pytest.fixture
def write_many(tmp_path):
    """Write mails of some accounts, each with a package of its own; `addresses` are by account."""

    def write_mails(names, addresses=None, size=0):
        made, accounts = [], {}
        for name in names:
            path = tmp_path / "packages" / f"{name}.zip"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(packages.zip_bytes({f"{name}_us.html": name.encode()}) + b" " * size)
            digest = output_files.sha256_hex(path.read_bytes())
            made.append(packages.Package(name, path, digest, {"US": f"{name}_us.html"}))
            email_of = (addresses or {}).get(name, f"owner@{name}.example")
            accounts[name] = ConfiguredAccount(name, f"{name.title()} Trading", email=(email_of,))
        summaries = [replace(SUMMARIES[0], account=name) for name in names]
        return mail.write_mails(tmp_path, made, summaries, accounts, SETTINGS, PERIOD).written

    return write_mails


NAMES = ["alder", "birch", "cedar", "dogwood"]


def test_no_mail_names_another_account(write_many):
    for ready in write_many(NAMES):
        message = email.message_from_bytes(ready.path.read_bytes(), policy=email.policy.default)
        parts = [str(part.get_content()) for part in message.walk() if part.get_content_maintype() == "text"]
        [attached] = message.iter_attachments()
        inside = zipfile.ZipFile(BytesIO(attached.get_content()))
        whole = " ".join([*parts, *message.values(), *inside.namelist()]).lower()
        assert [name for name in NAMES if name in whole] == [ready.account]


def test_all_mails_go_over_one_connection(write_many, tmp_path, server):
    settings = replace(SETTINGS, port=server.port)
    done = mail.send_mails(tmp_path, write_many(NAMES), settings)
    assert (len(done.sent), done.problems, server.connections) == (4, [], 1)
    assert [addresses for addresses, _ in server.mails] == [[f"owner@{name}.example"] for name in NAMES]


def test_a_server_that_ends_the_connection_after_some_mails_gets_the_rest_over_another(write_many, tmp_path, server):
    server.mails_per_connection = 3
    done = mail.send_mails(tmp_path, write_many(NAMES), replace(SETTINGS, port=server.port))
    assert (len(done.sent), done.problems, server.connections) == (4, [], 2)
    assert len(server.mails) == 4
    server.mails_per_connection = 0
    refused = mail.send_mails(tmp_path, write_many(NAMES), replace(SETTINGS, port=server.port), resend=True)
    assert (refused.sent, len(refused.problems)) == ([], 4)
    assert "127.0.0.1 refused it: 421 enough" in refused.problems[0]


def test_after_a_break_one_mail_is_perhaps_sent_and_the_rest_is_not(write_many, tmp_path, server):
    settings = replace(SETTINGS, port=server.port)
    written = write_many(NAMES)
    server.breaks_after_data = True
    done = mail.send_mails(tmp_path, written, settings)
    perhaps, rest = done.problems
    assert perhaps.startswith("Perhaps sent: alder to owner@alder.example. The connection broke while the server took")
    assert rest.startswith("Not sent either: birch, cedar and dogwood, because there is no connection")
    assert (len(server.mails), server.connections) == (1, 1)
    server.breaks_after_data = False
    again = mail.send_mails(tmp_path, written, settings)
    assert [line.split()[1] for line in again.sent] == ["birch", "cedar", "dogwood"]


def test_an_address_in_other_letters_is_told_where_the_server_does_not_take_it(write_many, tmp_path, server):
    settings = replace(SETTINGS, port=server.port)
    written = write_many(NAMES[:2], {"alder": "büro@alder.example"})
    assert "To: büro@alder.example\r\n".encode() in written[0].path.read_bytes()
    done = mail.send_mails(tmp_path, written, settings)
    assert done.sent == ["Sent: birch to owner@birch.example."]
    assert done.problems == [
        "Not sent: alder: the server refused büro@alder.example (it has letters beyond a to z, and the server does not "
        "take such addresses (SMTPUTF8)). The mail is in mail/alder.eml."
    ]
    server.takes_utf8 = True
    assert mail.send_mails(tmp_path, written, settings).sent == ["Sent: alder to büro@alder.example."]
    assert "To: büro@alder.example\r\n".encode() in server.mails[-1][1]
    server.takes_utf8 = False
    own = replace(settings, sender="büro@agency.example")
    with pytest.raises(smtp.SendError, match=r"mail\.from in accounts.yaml has one"):
        smtp.check_server(own)


def test_a_mail_that_was_changed_after_it_was_written_is_not_sent(write_many, tmp_path, server):
    written = write_many(NAMES[:1])
    written[0].path.write_bytes(b"To: other@harbor.example\r\n\r\n")
    done = mail.send_mails(tmp_path, written, replace(SETTINGS, port=server.port))
    assert "was changed since it was written" in done.problems[0]
    assert server.mails == []


def test_one_mail_at_a_time_is_in_memory(write_many, tmp_path, server):
    """Twelve mails of 2 MiB take no more memory than two of them, when they are written and when they are sent."""
    peaks = []
    for names in (NAMES[:2], [f"shop{number}" for number in range(12)]):
        tracemalloc.start()
        written = write_many(names, size=2 << 20)
        server.refuse = {f"owner@{name}.example" for name in names}  # The server of the test keeps what it takes.
        mail.send_mails(tmp_path, written, replace(SETTINGS, port=server.port))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (4 << 20)


def test_a_mail_of_the_same_inputs_is_not_made_again(write, monkeypatch):
    [ready] = write().written
    monkeypatch.setattr(mail, "build_message", lambda *words: pytest.fail("made again"))
    assert [one.path for one in write().written] == [ready.path]
    monkeypatch.undo()
    ready.path.unlink()
    assert write().written[0].path.is_file()


def test_a_keyring_that_cannot_be_read_is_logged_without_what_it_says(monkeypatch, caplog):
    def locked(service, name):
        raise RuntimeError("s3cret-word")

    monkeypatch.undo()
    monkeypatch.setattr(keyring_secrets, "is_installed", lambda: True)
    monkeypatch.setattr(keyring_secrets, "keyring", SimpleNamespace(get_password=locked))
    with caplog.at_level("INFO", "healthkit.files.keyring_secrets"):
        assert smtp.find_login({}) is None
    assert "the keyring is not read: RuntimeError" in caplog.messages
    assert "s3cret-word" not in caplog.text


def test_mail_goes_by_tls_with_a_certificate_that_is_checked(write, tmp_path, monkeypatch):
    pytest.importorskip("cryptography")
    certificate = own_certificate(tmp_path / "own.pem")
    monkeypatch.setenv(smtp.USER_VARIABLE, "agency")
    monkeypatch.setenv(smtp.PASSWORD_VARIABLE, "s3cret-word")
    with smtp_server(certificate) as server:
        server.password = "s3cret-word"
        settings = replace(SETTINGS, host="localhost", port=server.port, security="starttls")
        written = write(settings).written
        unknown = mail.send_mails(tmp_path, written, settings)
        assert "is not secure (self-signed certificate)" in unknown.problems[0].replace("self signed", "self-signed")
        assert server.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        server.password = "another"
        wrong = mail.send_mails(tmp_path, written, settings)
        assert "refused user or password" in wrong.problems[0]
        assert "s3cret-word" not in wrong.problems[0]
        server.password = "s3cret-word"
        assert mail.send_mails(tmp_path, written, settings).sent == [f"Sent: harbor to {OWNER}."]
        assert server.secure == [True]
    with smtp_server() as plain:
        settings = replace(settings, port=plain.port)
        assert "does not offer what is needed" in mail.send_mails(tmp_path, written, settings, True).problems[0]
        assert plain.mails == []


def test_a_password_without_user_is_told(monkeypatch):
    monkeypatch.setenv(smtp.PASSWORD_VARIABLE, "s3cret-word")
    with pytest.raises(smtp.SendError, match="one is missing") as told:
        smtp.find_login()
    assert "s3cret-word" not in str(told.value)


def test_summaries_have_a_file_each_and_name_the_marketplace(tmp_path):
    assert summary_text(SUMMARIES).startswith("harbor (US)\n  What is wrong: ")
    assert mail.write_summaries(tmp_path, SUMMARIES, html=False) == []
    assert mail.write_summaries(tmp_path, SUMMARIES, html=True) == []
    assert sorted(path.name for path in (tmp_path / "summaries").iterdir()) == [
        "harbor_de.html", "harbor_de.txt", "harbor_us.html", "harbor_us.txt",
    ]  # fmt: skip
    assert (tmp_path / "summaries" / "harbor_us.txt").read_text() == summary_text(SUMMARIES[:1]) + "\n"
