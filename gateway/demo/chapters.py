"""The chapters of the tour, in their order."""

import json
import time
from collections import Counter
from dataclasses import replace

from gateway.demo import samples
from gateway.demo.curl import Uploader, get, login, send
from gateway.demo.metrics import Scrape, Series, scrape
from gateway.demo.rules import rules_for_guests, what_is_inside
from gateway.demo.stage import PATIENCE, Stage, expect
from gateway.units import format_size


def tell(stage: Stage) -> tuple[Uploader, Uploader]:
    """The whole story. Returns Alice and the guest, for who wants to play on."""
    before = scrape(stage.gateway.admin_url)
    _two_servers(stage)
    alice = _login(stage)
    _what_passes(stage, alice)
    _what_does_not(stage, alice)
    guest = rules_for_guests(stage)
    what_is_inside(stage, guest)
    _what_was_counted(stage, before)
    _what_was_logged(stage, alice, guest)
    return alice, guest


def _two_servers(stage: Stage) -> None:
    terminal = stage.terminal
    terminal.chapter(1, "Two servers")
    terminal.say(
        "The gateway stands in front of Mattermost. Here, Mattermost is played by a stand-in "
        "that comes with the gateway."
    )
    terminal.gap()
    terminal.table(
        [
            ("Mattermost", stage.mattermost.url, ""),
            ("the gateway", stage.gateway.url, "$GATEWAY, where clients come in"),
            ("its admin port", stage.gateway.admin_url, "metrics and health"),
        ]
    )
    terminal.say("Settings are environment variables. Two limits are small, to be reached soon:")
    terminal.gap()
    terminal.table(list(stage.settings.items()))


def _login(stage: Stage) -> Uploader:
    terminal = stage.terminal
    terminal.chapter(2, "Alice logs in")
    terminal.say("What carries no file passes through the gateway unchanged.")
    terminal.gap()
    alice = stage.mattermost.ready["user"]
    request = login(alice["username"], alice["password"])
    terminal.command(request.command)
    answer = send(stage.gateway.url, request)
    expect("the login succeeds", holds=answer.status == 200, seen=answer)
    terminal.answer(200, "OK, with a session in the header “Token”")
    token = answer.headers["token"]
    me = get(stage.mattermost.url, "/api/v4/users/me", token).json()
    expect("Mattermost knows the session as Alice's", holds=me.get("id") == alice["id"], seen=me)
    terminal.fact("Mattermost, asked directly, knows the session. It goes into $AUTH.")
    return Uploader(stage.folder, token, stage.mattermost.channel_id)


def _what_passes(stage: Stage, alice: Uploader) -> None:
    terminal = stage.terminal
    terminal.chapter(3, "What may pass")
    stage.upload(
        "A picture, as a form: the way of browsers and apps.",
        alice.as_form(samples.PICTURE, "image/png"),
        samples.PICTURE,
        alice.token,
    )
    stage.upload(
        "A document, as the body of the request: the way of scripts and bots.",
        alice.raw(samples.DOCUMENT, content_type="application/pdf"),
        samples.DOCUMENT,
        alice.token,
    )
    text = alice.raw(samples.TEXT)
    stage.upload(
        "A text, the same way. curl calls it a web form unless told otherwise.",
        text,
        samples.TEXT,
        alice.token,
    )
    directly = stage.stored_by(send(stage.mattermost.url, text), alice.token)
    expect("Mattermost alone stores an empty file", holds=directly.size == 0, seen=directly)
    terminal.fact(
        "The gateway sends it on as what it is. Sent to Mattermost directly, the same request "
        "stores an empty file."
    )
    terminal.heading("Mattermost, asked directly, has now:")
    terminal.table(
        [
            (file.name, file.content_type, format_size(file.size), f"sha256 {file.digest[:12]}…")
            for file in stage.stored
        ],
        right=(2,),
    )
    terminal.fact("Names, sizes and checksums are those of the files that were sent.")


def _what_does_not(stage: Stage, alice: Uploader) -> None:
    stage.terminal.chapter(4, "What may not pass")
    stage.terminal.say(
        "Each answer looks like Mattermost's own errors, so that apps show its text."
    )
    _a_program(stage, alice)
    _a_large_file(stage, alice)
    _a_used_up_quota(stage, alice)
    _no_login(stage, alice)
    _another_spelling(stage, alice)


def _a_program(stage: Stage, alice: Uploader) -> None:
    stage.refusal(
        "A program for Windows that calls itself invoice.pdf. Its content decides, not its "
        "name, nor what the client says it is.",
        alice.as_form(samples.PROGRAM, "application/pdf"),
        status=415,
        error_id="gateway.content_mismatch",
        reason="content_mismatch",
    )
    stage.terminal.fact("Mattermost received nothing: no request, no byte, no half a file.")


def _a_large_file(stage: Stage, alice: Uploader) -> None:
    request = replace(alice.raw(samples.FILM), body_stays_here=True)
    stage.refusal(
        "A film of 3 MiB, where 1 MiB is the limit.",
        request,
        status=413,
        error_id="gateway.file_too_large",
        reason="file_too_large",
    )
    stage.terminal.fact(
        "Nothing reached Mattermost. The film did not even leave Alice's machine: its announced "
        "length was enough."
    )


def _a_used_up_quota(stage: Stage, alice: Uploader) -> None:
    first, second = samples.PHOTOS
    stage.upload("A large photo, which still fits …", alice.raw(first), first, alice.token)
    answer = stage.refusal(
        "… and another one, for which the quota of this day has no room left.",
        alice.raw(second),
        status=429,
        error_id="gateway.quota_exceeded",
        reason="quota_exceeded",
    )
    seconds = int(answer.headers["retry-after"])
    expect("Retry-After is within a day", holds=0 < seconds <= 86_400, seen=seconds)
    stage.terminal.fact(
        f"Nothing reached Mattermost. “Retry-After: {seconds}” tells programs how many seconds "
        "to wait."
    )


def _no_login(stage: Stage, alice: Uploader) -> None:
    request = replace(alice.raw(samples.FILM, logged_in=False), body_stays_here=True)
    stage.refusal(
        "Somebody without a login.",
        request,
        status=401,
        error_id="api.context.session_expired.app_error",
        reason="unauthenticated",
    )
    stage.terminal.fact(
        "Strangers send headers only: the answer came before the first byte of the film."
    )


def _another_spelling(stage: Stage, alice: Uploader) -> None:
    path = "/api/v4/%66iles"
    directly = send(stage.mattermost.url, alice.raw(samples.TEXT, path=path))
    expect("%66iles is files to Mattermost", holds=directly.status == 201, seen=directly)
    stage.refusal(
        "The program again, by another spelling of the address. To Mattermost, %66iles is files.",
        alice.raw(samples.PROGRAM, path=path),
        status=415,
        error_id="gateway.content_mismatch",
        reason="content_mismatch",
    )
    stage.terminal.fact("The rules hold under every spelling; nothing reached Mattermost.")


def _what_was_counted(stage: Stage, before: Scrape) -> None:
    terminal = stage.terminal
    terminal.chapter(7, "What was counted")
    terminal.say("For Prometheus, at the admin port. Some sums, before and after:")
    terminal.gap()
    expected = _growth(stage)
    deadline = time.monotonic() + PATIENCE
    while True:
        after = scrape(stage.gateway.admin_url)
        grown = {series: after.total(series) - before.total(series) for series in expected}
        if grown == expected or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    expect(f"the metrics grow by {expected}", holds=grown == expected, seen=grown)
    terminal.table(
        [
            (str(series), f"{before.total(series):,}", "→", f"{after.total(series):,}")
            for series in expected
        ],
        right=(1, 3),
    )
    terminal.fact("Every request was counted, and none twice.")


def _growth(stage: Stage) -> dict[Series, int]:
    """By how much the metrics must have grown after one login and the tour's uploads."""
    requests, files = "upload_gateway_requests_total", "upload_gateway_files_total"
    growth = {
        Series(requests): 1 + len(stage.stored) + len(stage.refused),
        Series(files, (("outcome", "accepted"),)): len(stage.stored),
        Series("upload_gateway_stored_bytes_total"): sum(file.size for file in stage.stored),
        Series("upload_gateway_would_refuse_total"): 1,
    }
    for reason, count in Counter(stage.refused).items():
        growth[Series(requests, (("reason", reason),))] = count
    return growth


def _what_was_logged(stage: Stage, *people: Uploader) -> None:
    terminal = stage.terminal
    terminal.chapter(8, "What was logged")
    terminal.say("One line for each request, here that of invoice.pdf:")
    terminal.gap()
    line = stage.gateway.log_line(PATIENCE, event="request", reason="content_mismatch")
    terminal.faint(json.dumps(line, ensure_ascii=False, separators=(", ", ":")))
    log = stage.gateway.log_file.read_text(encoding="utf-8")
    secrets = (*(who.token for who in people), stage.mattermost.ready["user"]["password"])
    told = "no secret is in the log"
    expect(told, holds=not any(secret in log for secret in secrets), seen="one is")
    terminal.fact("No password and no token is in the log.")
