"""Credentials, tokens, addresses of documents and personal data are in no file, log or message of a pull."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from healthkit.ingest.amazon_api.credentials import (
    APP_ID,
    APP_SECRET,
    TOKEN,
    Credentials,
    CredentialsError,
    find_credentials,
)
from healthkit.schema.accounts_file import AccountsFileError, AmazonAccess, read_accounts
from tests.builders import pull_process
from tests.builders.amazon_pull import START, write_accounts
from tests.builders.amazon_server import faults, reports
from tests.builders.amazon_server.scenario import SECRET, Seller
from tests.builders.amazon_server.service import CREATE_REPORT, Service
from tests.builders.amazon_server.sockets import listening
from tests.builders.raw_files import MARK
from tests.builders.written_texts import texts

SELLERS = (
    Seller("acme", ("US",), a_day=2), Seller("bolt", ("DE",), a_day=2), Seller("cove", ("UK",), a_day=2)
)  # fmt: skip


@pytest.fixture(scope="module")
def pulled(tmp_path_factory) -> tuple[Path, str, str]:
    """A pull with everything logged, and the commands around it: the folder, what was written there, what was said."""
    folder = tmp_path_factory.mktemp("secrets")
    file = write_accounts(folder, SELLERS)
    said = ""
    with listening(Service(SELLERS, clock=lambda: START.timestamp(), rates={})) as service:
        told = f"It failed for {SELLERS[1].refresh_token} at https://documents.example/x?sign={SECRET}"
        service.plant(faults.FATAL, account="bolt", report_type=reports.RETURNED, value=told)
        service.plant(
            faults.ERROR_SENTENCE, account="bolt", report_type=reports.SHIPPED, value=f"Atza|{SECRET} is bad\n"
        )
        service.plant(faults.ROLE_MISSING, account="bolt", operation=CREATE_REPORT, report_type=reports.FEEDBACK)
        service.plant(faults.REVOKED, account="cove")
        service.plant(faults.URL_EXPIRED, account="acme", report_type=reports.RETURNED, times=1)
        for words in (
            ("pull", "--check"), ("pull", "--dry-run"), ("pull", "--since", "2026-10-01"), ("accounts",),
            ("accounts", "--format", "json"),
        ):  # fmt: skip
            how = ("--accounts", file, "--data", folder / "out" / "store")
            ran = pull_process.run(service, folder / "out", "--log", "debug", *words, *how)
            assert "Traceback" not in ran.stderr, ran.stderr[-3000:]
            said += ran.stdout + ran.stderr
    return folder / "out", "\n".join(text for _, text in texts(folder / "out")), said


def test_the_pull_did_its_work_and_said_so(pulled):
    folder, written, said = pulled
    assert (folder / "store" / "orders").is_dir()
    assert "createReport" in said
    assert "acme (US), all-orders file" in said
    assert "bolt (DE), returns file" in said
    assert "no longer accepts the refresh token" in said
    assert "[credential]" in said
    assert "getReportDocument" in said
    assert '"open_reports"' in written


def test_no_credential_is_written(pulled):
    _, written, _ = pulled
    assert SECRET not in written


def test_no_credential_or_address_is_said(pulled):
    _, _, said = pulled
    assert SECRET not in said
    assert "Atza|" not in said
    assert "http://127.0.0.1" not in said.replace("load_ssl", "")


def test_report_ids_are_logged(pulled):
    _, _, said = pulled
    assert "asked for" in said
    assert "healthkit.ingest.amazon_api" in said


def test_nothing_personal_is_written_or_said(pulled):
    _, written, said = pulled
    assert MARK not in written
    assert MARK not in said


def test_credentials_are_in_no_representation():
    credentials = Credentials("token-1", "app-2", "secret-3", "the environment")
    for text in (repr(credentials), str(credentials), f"{credentials!r:>30}"):
        assert not any(value in text for value in ("token-1", "app-2", "secret-3"))
    with pytest.raises(TypeError):
        pickle.dumps(credentials)
    with pytest.raises(TypeError):
        copy.copy(credentials)


def access(**more) -> AmazonAccess:
    return AmazonAccess(
        **{"account": "my shop", "region": "na", "marketplaces": ("US",), "credentials": "my-shop"} | more
    )


def test_a_refresh_token_is_taken_only_under_its_own_name(tmp_path):
    shared = {"SP_API_REFRESH_TOKEN": "t", "LWA_APP_ID": "i", "LWA_CLIENT_SECRET": "s"}
    lacking = access(credentials_from="environment")
    with pytest.raises(CredentialsError, match="no refresh token 'my-shop' found in the environment"):
        find_credentials(lacking, shared)
    found = find_credentials(lacking, shared | {"SP_API_REFRESH_TOKEN_MY_SHOP": "own"})
    assert found.login_form()["refresh_token"] == "own"
    assert found.login_form()["client_id"] == "i"


def test_the_file_of_the_client_is_read(tmp_path):
    path = tmp_path / "credentials.yml"
    path.write_text("default: {lwa_app_id: i, lwa_client_secret: s}\nmy-shop: {refresh_token: t}\n", encoding="utf-8")
    found = find_credentials(access(credentials_file=path, credentials_from="file"), {})
    assert found.login_form() == {
        "grant_type": "refresh_token", "refresh_token": "t", "client_id": "i", "client_secret": "s",
    }  # fmt: skip
    assert repr(found) == f"Credentials(from {path})"


def test_a_file_of_credentials_that_is_broken_is_not_quoted(tmp_path):
    path = tmp_path / "credentials.yml"
    path.write_text(f"my-shop: [refresh_token: {SECRET}", encoding="utf-8")
    with pytest.raises(CredentialsError) as raised:
        find_credentials(access(credentials_file=path), {})
    assert SECRET not in str(raised.value)


def test_the_keyring_is_asked_last_and_under_the_name_of_the_authorisation(monkeypatch, tmp_path):
    asked = []

    def get_password(service: str, name: str) -> str | None:
        asked.append((service, name))
        return {"my-shop/refresh_token": "t", f"default/{APP_ID}": "i", f"default/{APP_SECRET}": "s"}.get(name)

    keyring = pytest.importorskip("keyring")
    monkeypatch.setattr(keyring, "get_password", get_password)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    found = find_credentials(access(), {})
    assert repr(found) == "Credentials(from the keyring)"
    assert asked[0] == ("healthkit", f"my-shop/{TOKEN}")


def test_a_keyring_that_is_locked_counts_as_empty(monkeypatch):
    keyring = pytest.importorskip("keyring")

    def locked(service: str, name: str) -> str:
        raise keyring.errors.KeyringLocked(f"locked with {SECRET}")

    monkeypatch.setattr(keyring, "get_password", locked)
    with pytest.raises(CredentialsError) as raised:
        find_credentials(access(credentials_from="keyring"), {})
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (f"refresh_token: Atzr|{SECRET}", "refresh_token"),
        (f"display_name: Atzr|{SECRET}", "display_name"),
        (f"amazon: {{region: na, marketplaces: [US], lwa_client_secret: '{SECRET}'}}", "amazon.lwa_client_secret"),
        (f"amazon: {{region: na, marketplaces: [US], credentials: amzn1.oa2-cs.v1.{SECRET}}}", "amazon.credentials"),
    ],
)
def test_a_credential_in_the_accounts_file_is_refused_and_not_repeated(tmp_path, row, field):
    path = tmp_path / "accounts.yaml"
    path.write_text(f"accounts:\n  - name: acme\n    {row}\n", encoding="utf-8")
    with pytest.raises(AccountsFileError) as raised:
        read_accounts(path)
    assert SECRET not in str(raised.value)
    assert str(raised.value).startswith("accounts.yaml, line ")
    assert f"field {field}:" in str(raised.value)
