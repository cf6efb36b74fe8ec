"""The accounts file: what it may hold, where it is looked for, and what its errors say."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthkit.schema.accounts_file import (
    AccountsFileError,
    AmazonAccess,
    ConfiguredAccount,
    MailSettings,
    find_accounts_file,
    read_accounts,
    read_mail_settings,
)

USUAL = """accounts:
  - name: acme
    display_name: Acme & Sons
    tags: [vip, lighting]
    amazon:
      - region: na
        marketplaces: [US, CA]
      - {region: eu, marketplaces: [DE], credentials: acme-europe, credentials_from: keyring}
  - name: by-hand
  - name: one-region
    amazon: {region: fe, marketplaces: [JP], credentials_file: secrets/amazon.yml}
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text: str) -> list[ConfiguredAccount]:
        path = tmp_path / "accounts.yaml"
        path.write_text(text, encoding="utf-8")
        return read_accounts(path)

    return read_text


def test_accounts_have_names_tags_and_authorisations(read, tmp_path):
    acme, by_hand, one_region = read(USUAL)
    assert acme == ConfiguredAccount(
        "acme", "Acme & Sons", ("vip", "lighting"),
        (
            AmazonAccess("acme", "na", ("US", "CA"), "acme-na"),
            AmazonAccess("acme", "eu", ("DE",), "acme-europe", "keyring"),
        ),
    )  # fmt: skip
    assert by_hand == ConfiguredAccount("by-hand", "by-hand")
    [access] = one_region.amazon
    assert access.credentials == "one-region"
    assert access.credentials_file == tmp_path / "secrets" / "amazon.yml"


def row(fields: str) -> str:
    return f"accounts:\n  - name: acme\n    {fields}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "field accounts: write a list of accounts"),
        ("accounts: acme", "field accounts: write a list of accounts"),
        ("accounts: [acme]", "field accounts: each account is a mapping"),
        ("accounts:\n  - display_name: Acme", "line 2, field name: it is missing"),
        ("accounts:\n  - name: 12", "line 2, field name: write a text; put numbers and words such as NO in quotes"),
        ("accounts:\n  - name: acme\n  - name: Acme", "line 3, field name: 'Acme' is listed already, in line 2"),
        ("accounts:\n  - name: a\n    name: b", "duplicate name"),
        (row("nickname: x"), "line 2, field nickname: there is no such field; there are name, display_name, tags"),
        (row("tags: vip"), "line 2, field tags: write a list, such as [one, two]"),
        (row("tags: [vip, ]x"), "accounts.yaml is not YAML"),
        (row("tags: ['']"), "line 2, field tags: write a text"),
        (row("amazon: na"), "field amazon: write region and marketplaces"),
        (row("amazon: {marketplaces: [US]}"), "line 3, field amazon.region: it is missing; there are na, eu, fe"),
        (row("amazon: {region: us, marketplaces: [US]}"), "field amazon.region: 'us' is no region; there are na, eu"),
        (row("amazon: {region: na}"), "field amazon.marketplaces: list the marketplaces"),
        (row("amazon: {region: na, marketplaces: [USA]}"), "field amazon.marketplaces: 'USA' is none of Amazon's"),
        (row("amazon: {region: na, marketplaces: [ETSY]}"), "field amazon.marketplaces: 'ETSY' is none of Amazon's"),
        (row("amazon: {region: na, marketplaces: [DE]}"), "DE is in region eu, not in na"),
        (row("amazon: {region: na, marketplaces: [US], credentials_from: safe}"), "'safe' is no place"),
        (
            row("amazon: [{region: na, marketplaces: [US]}, {region: na, marketplaces: [CA]}]"),
            "field amazon.region: na is listed twice",
        ),
        (
            row("amazon: {region: na, marketplaces: [US]}")
            + "  - name: bolt\n    amazon: {region: na, marketplaces: [US], credentials: acme}\n",
            "line 4, field amazon.credentials: 'acme' is used by 'acme' (na) already",
        ),
    ],
)  # fmt: skip
def test_an_error_names_the_file_the_line_and_the_field(read, text, message):
    with pytest.raises(AccountsFileError) as raised:
        read(text)
    assert message in str(raised.value)
    assert str(raised.value).startswith("accounts.yaml")


def test_the_file_is_looked_for_beside_the_store_and_then_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "data" / "store"
    assert find_accounts_file(None, store) is None
    (tmp_path / "accounts.yaml").write_text("accounts: []", encoding="utf-8")
    assert find_accounts_file(None, store) == Path("accounts.yaml")
    beside = tmp_path / "data" / "accounts.yaml"
    beside.parent.mkdir()
    beside.write_text("accounts: []", encoding="utf-8")
    assert find_accounts_file(None, store) == beside
    assert find_accounts_file(Path("accounts.yaml"), store) == Path("accounts.yaml")
    with pytest.raises(AccountsFileError, match="there is no such file"):
        find_accounts_file(Path("other.yaml"), store)


def test_a_client_has_a_logo_and_addresses_and_mail_has_a_server(read, tmp_path):
    text = "mail: {from: The Agency <a@b.example>, host: smtp.b.example, security: tls}\n"
    [acme] = read(text + row("logo: logos/acme.png\n    email: [owner@acme.example]"))
    assert (acme.logo, acme.email) == (tmp_path / "logos" / "acme.png", ("owner@acme.example",))
    settings = read_mail_settings(tmp_path / "accounts.yaml")
    assert settings == MailSettings("The Agency <a@b.example>", "smtp.b.example", 465, "tls")
    read(row("tags: []"))
    assert read_mail_settings(tmp_path / "accounts.yaml") == MailSettings()


@pytest.mark.parametrize(
    ("mail", "told"),
    [
        ("[a]", "field mail: write a mapping"),
        ("{from: nobody}", "field mail.from: write an address"),
        ('{from: "a@b.example, c@d.example"}', "field mail.from: write an address"),
        ("{host: smtp.b.example}", "field mail.from: it is missing"),
        ("{from: a@b.example, host: smtp.b.example, security: none}", "without TLS mail is sent only over"),
        ("{from: a@b.example, host: h, security: ssl}", "'ssl' is none of"),
        ("{from: a@b.example, host: h, port: true}", "field mail.port: write a number"),
        ("{from: a@b.example, link: 'http://b.example'}", "begins with https://"),
        ("{from: a@b.example, password: x}", "holds no credentials"),
        ("{from: a@b.example, user: x}", "there is no such field"),
    ],
)
def test_wrong_mail_settings_name_line_and_field(read, tmp_path, mail, told):
    read(f"mail: {mail}\n" + row("tags: []"))
    with pytest.raises(AccountsFileError, match=told):
        read_mail_settings(tmp_path / "accounts.yaml")


def test_an_address_that_is_none_is_refused(read):
    with pytest.raises(AccountsFileError, match="line 2, field email: 'owner' is no address"):
        read(row("email: [owner]"))
