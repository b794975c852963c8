"""People read refusals in their own language: that of their account, else of their app."""

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from gateway.languages.catalogue import TAGS
from gateway.standin.process import StandInProcess
from tests.machines.support import accounts, create
from tests.support.gateway import GatewayProcess
from tests.support.server import call, join, login, send
from tests.support.wire import Client, WireResponse, field, file_part

PROGRAM = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + bytes(200)
NOT_UPLOADED = {
    "en": "“a.exe” was not uploaded: files ending in .exe are not allowed here.",
    "de": "„a.exe“ wurde nicht hochgeladen: Dateien mit der Endung .exe sind hier nicht erlaubt.",
    "es": "«a.exe» no se subió: aquí no se permiten archivos que terminen en .exe.",
    "it": "“a.exe” non è stato caricato: qui non sono ammessi file che terminano in .exe.",
    "nl": "“a.exe” is niet geüpload: bestanden die eindigen op .exe zijn hier niet toegestaan.",
    "pt-BR": "“a.exe” não foi enviado: arquivos que terminam em .exe não são permitidos aqui.",
    "fr": "«\N{NO-BREAK SPACE}a.exe\N{NO-BREAK SPACE}» n’a pas été envoyé\N{NO-BREAK SPACE}: "
    "les fichiers se terminant par .exe ne sont pas autorisés ici.",
}
EXPIRED = {
    "en": "Invalid or expired session, please login again.",
    "de": "Ungültige oder abgelaufene Sitzung. Bitte melden Sie sich erneut an.",
}


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("languages")
    key = create(folder / "keys.toml", "ci", "--account", "ci")
    (folder / "key").write_text(key)
    machine = member(stand_in, "fr")
    with GatewayProcess(
        stand_in.url,
        folder,
        max_file_size="2KiB",
        session_ttl="500ms",
        failed_attempts="3",
        trusted_proxies="127.0.0.1",
        auth="mattermost,api-key",
        api_keys_file=str(folder / "keys.toml"),
        accounts_dir=str(accounts(folder / "accounts", ci=machine["token"])),
        quotas="user 1 file/week",
    ) as running:
        yield running


def member(stand_in: StandInProcess, locale: str) -> dict[str, Any]:
    """A user of the channel with that language."""
    url, name, password = stand_in.url, f"user{secrets.token_hex(6)}", secrets.token_hex(8)
    account = {"username": name, "email": f"{name}@example.test", "password": password}
    user = call(url, stand_in.admin_token, "users", {**account, "locale": locale})
    join(url, stand_in.admin_token, user["id"], stand_in.team_id, stand_in.channel_id)
    return {**user, "token": login(url, name, password)}


def client(gateway: GatewayProcess, stand_in: StandInProcess, locale: str) -> Client:
    return Client(gateway.address, member(stand_in, locale)["token"], stand_in.channel_id)


def put(stand_in: StandInProcess, user: dict[str, Any], path: str, document: object) -> None:
    body = json.dumps(document).encode()
    send(stand_in.url, user["token"], f"users/{user['id']}/{path}", body, method="PUT")


def language_of(response: WireResponse) -> str | None:
    return response.header("content-language")


@pytest.mark.parametrize("locale", NOT_UPLOADED)
def test_users_are_refused_in_their_language(
    locale: str, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    answer = client(gateway, mattermost, locale).raw(
        "a.exe", b"hello", ("Accept-Language", "tlh, es;q=0.5")
    )
    refusal = answer.json()
    assert (answer.status, refusal["id"]) == (403, "gateway.extension_denied")
    assert refusal["message"].startswith(NOT_UPLOADED[locale])
    assert language_of(answer) == locale
    line = gateway.wait_for_log("request", request_id=refusal["request_id"])
    assert line["reason"] == "extension_denied"
    assert not set("„«") & set(json.dumps(line, ensure_ascii=False))


@pytest.mark.parametrize(
    ("locale", "accept", "language"),
    [("de-AT", "fr", "de"), ("ko", "fr-CA,fr;q=0.8", "fr"), ("ko", "tlh", "en"), ("ko", "", "en")],
)
def test_languages_that_there_are_not(
    locale: str, accept: str, language: str, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    headers = [("Accept-Language", accept)] if accept else []
    answer = client(gateway, mattermost, locale).raw("a.exe", b"hello", *headers)
    assert answer.json()["message"].startswith(NOT_UPLOADED[language])
    assert language_of(answer) == language


def test_sizes_and_names_of_content(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    german = client(gateway, mattermost, "de")
    large = german.raw("film.mp4", bytes(2560)).json()
    assert large["message"].startswith("„film.mp4“ ist zu groß (2,5 KiB). ")
    assert "hat 2 KiB." in large["message"]
    mismatch = german.raw("rechnung.pdf", PROGRAM).json()
    assert mismatch["message"].startswith(
        "„rechnung.pdf“ wurde nicht hochgeladen: Der Dateiname endet auf .pdf, aber der Inhalt ist "
        "ein Windows-Programm (application/x-dosexec). "
    )


def test_quotas(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    german = client(gateway, mattermost, "de")
    assert german.raw("a.txt", b"hello").status == 201
    assert re.fullmatch(
        "Diese Datei passt nicht in Ihr Upload-Kontingent: Sie haben schon 1 Datei verbraucht, von "
        r"insgesamt 1 Datei für diese Woche\. Ab [0-9]{1,2}\. [A-Zä][a-zä]+, 00:00 UTC können Sie "
        r"wieder mehr hochladen\.",
        german.raw("b.txt", b"hello").json()["message"],
    )


@pytest.mark.parametrize("name", ["{0}.exe", "%s.exe", "{name}.exe", "{name.__class__}.exe"])
def test_hostile_names(name: str, mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    german = client(gateway, mattermost, "de")
    answer = german.form(field("channel_id", german.channel_id), file_part(name, b"hello"))
    assert answer.json()["message"].startswith(f"„{name}“ wurde nicht hochgeladen: ")


def test_who_is_unknown_is_answered_as_their_app_asks(
    mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    stranger = Client(gateway.address, "", mattermost.channel_id)
    for header, language in [("de-CH, en;q=0.5", "de"), ("tlh", "en"), ("en, de", "en")]:
        answer = stranger.raw("a.txt", b"hello", ("Accept-Language", header))
        refusal = answer.json()
        assert (answer.status, refusal["id"]) == (401, "api.context.session_expired.app_error")
        assert refusal["message"] == EXPIRED[language]
        assert language_of(answer) == language


def test_too_many_attempts(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    headers = [("Accept-Language", "de"), ("X-Forwarded-For", "10.9.9.9")]
    answers = [
        Client(gateway.address, f"x{number:025}", mattermost.channel_id).raw("a", b"b", *headers)
        for number in range(5)
    ]
    assert answers[-1].status == 429
    assert answers[-1].json()["message"].startswith("Von Ihrer Adresse kamen zu viele Anfragen")
    # What Mattermost said itself is passed on as it said it.
    assert language_of(answers[0]) is None


def test_machines_are_answered_in_their_accounts_language(
    mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    key = next(Path(gateway.folder).glob("key")).read_text()
    answer = Client(gateway.address, key, mattermost.channel_id).raw("a.exe", b"hello")
    assert answer.json()["message"].startswith(NOT_UPLOADED["fr"])


def test_a_changed_language_is_believed_soon(
    mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    user = member(mattermost, "en")
    uploading = Client(gateway.address, user["token"], mattermost.channel_id)
    assert language_of(uploading.raw("a.exe", b"hello")) == "en"
    put(mattermost, user, "patch", {"locale": "es"})
    gateway.wait_for(lambda: language_of(uploading.raw("a.exe", b"hello")) == "es")


def test_mattermost_takes_no_other_locales(mattermost: StandInProcess) -> None:
    for locale in ("klingon", "!!"):
        with pytest.raises(HTTPError) as refused:
            member(mattermost, locale)
        refused.value.close()
        assert refused.value.code == 400


def test_every_language_can_be_the_default(stand_in: StandInProcess, tmp_path: Path) -> None:
    """One process speaks for all: what differs is chosen for each request."""
    with GatewayProcess(stand_in.url, tmp_path, default_locale="de") as gateway:
        answer = Client(gateway.address, "", stand_in.channel_id).raw("a.txt", b"hello")
        assert answer.json()["message"] == EXPIRED["de"]
        assert language_of(answer) == "de"
    assert "de" in TAGS
