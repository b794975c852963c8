"""The chapters about the policy file: what it says, how it is changed, and what it looks into."""

import json
import os
import signal
import time
from collections.abc import Callable

from gateway.demo import samples
from gateway.demo.curl import Answer, Uploader, ask, send
from gateway.demo.stage import PATIENCE, Stage, expect

_MISTAKE = 'max_file_size = "20 potatoes"'
_MARK_OF_PICTURE = b"\xff\xdb"
"""In a JPEG, where its tables begin: what lies before is about the picture (ITU-T T.81)."""


def rules_for_guests(stage: Stage) -> Uploader:
    """Watched first, then enforced, then mistaken. Returns the guest."""
    terminal = stage.terminal
    terminal.chapter(5, "Rules for some")
    guest = Uploader(
        stage.folder,
        stage.mattermost.ready["guest"]["token"],
        stage.mattermost.channel_id,
        variable="GUEST",
    )
    terminal.say(
        f"Settings are for everybody. GATEWAY_POLICY_FILE names a file of rules for some: here it "
        f"is {samples.RULES}, with one rule for guests, which is only watched so far."
    )
    terminal.gap()
    terminal.block((stage.folder / samples.RULES).read_text(encoding="utf-8").splitlines())
    _watched(stage, guest)
    _enforced(stage, guest)
    _mistaken(stage, guest)
    return guest


def _watched(stage: Stage, guest: Uploader) -> None:
    answer = stage.upload(
        "A guest, whose token is in $GUEST, uploads a script. The rule does not allow that, but it "
        "is only watched.",
        guest.as_form(samples.SCRIPT, "text/plain"),
        samples.SCRIPT,
        guest.token,
    )
    line = stage.gateway.log_line(
        PATIENCE, event="request", request_id=answer.headers["x-request-id"]
    )
    (file,) = line["files"]
    told = [{"rule": "guests", "reason": "type_denied"}]
    expect(f"the log says {told}", holds=file.get("would_refuse") == told, seen=file)
    stage.terminal.fact("It is stored. The log says what would have become of it:")
    stage.terminal.faint(json.dumps(file, separators=(", ", ":")))


def _enforced(stage: Stage, guest: Uploader) -> None:
    stage.terminal.heading("Enforced from now on: one word of the file is changed.")
    stage.terminal.command([f"sed -i 's/enforce = false/enforce = true/' {samples.RULES}"])
    _rewrite(stage, lambda text: text.replace("enforce = false", "enforce = true"))
    began = time.monotonic()
    stage.gateway.log_line(PATIENCE, event="policy_loaded")
    stage.terminal.fact(
        f"The gateway noticed it by itself after {time.monotonic() - began:.1f} seconds, without "
        "a restart."
    )
    stage.refusal(
        "The script again. What the rule has as its message stands behind the reason.",
        guest.as_form(samples.SCRIPT, "text/plain"),
        status=415,
        error_id="gateway.type_denied",
        reason="type_denied",
    )
    stage.terminal.fact("Mattermost received nothing.")


def _mistaken(stage: Stage, guest: Uploader) -> None:
    terminal = stage.terminal
    terminal.heading("A mistake, and a signal, so that the gateway looks at once.")
    terminal.command([f"echo '{_MISTAKE}' >> {samples.RULES}"])
    _rewrite(stage, lambda text: f"{text}{_MISTAKE}\n")
    answer = _reread(stage, lambda answer: "details" in answer.json())
    place = f"{samples.RULES}:9: max_file_size: "
    expect(f"it tells {place}", holds=place in answer.json()["details"]["policy"], seen=answer)
    terminal.faint(answer.body.decode())
    stage.refused_again(
        guest.as_form(samples.SCRIPT, "text/plain"),
        status=415,
        error_id="gateway.type_denied",
        reason="type_denied",
    )
    terminal.fact(
        "The rules before stay in force, and the script is still refused. So it is safe to edit "
        "the file; “check-config” would have found the mistake before."
    )
    terminal.heading("The last line is taken away again.")
    terminal.command([f"sed -i '$d' {samples.RULES}"])
    _rewrite(stage, lambda text: text.removesuffix(f"{_MISTAKE}\n"))
    answer = _reread(stage, lambda answer: answer.json() == {"status": "ready"})
    terminal.faint(answer.body.decode())


def _rewrite(stage: Stage, change: Callable[[str], str]) -> None:
    path = stage.folder / samples.RULES
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def _reread(stage: Stage, until: Callable[[Answer], bool]) -> Answer:
    """Has the gateway read the file now. Returns what it says then of its own state."""
    stage.terminal.command(["kill -HUP $PID"])
    os.kill(stage.gateway.pid, signal.SIGHUP)
    request = ask("$ADMIN", "/readyz")
    stage.terminal.command(request.command)
    deadline = time.monotonic() + PATIENCE
    while not until(answer := send(stage.gateway.admin_url, request)):
        expect("the file is read", holds=time.monotonic() < deadline, seen=answer)
        time.sleep(0.02)
    return answer


def what_is_inside(stage: Stage, guest: Uploader) -> None:
    """Of an archive, and of a photograph."""
    stage.terminal.chapter(6, "What is inside")
    answer = stage.refusal(
        "An archive with a report and a program in it. “archives = true” has the gateway look.",
        guest.raw(samples.ARCHIVE, content_type="application/zip"),
        status=415,
        error_id="gateway.archive_entry_denied",
        reason="archive_entry_denied",
    )
    named = f"“{samples.ENTRY}” in it"
    expect(f"it is {named}", holds=named in answer.json()["message"], seen=answer)
    stage.terminal.fact("Nothing of it reached Mattermost, not the report either.")
    _a_snapshot(stage, guest)


def _a_snapshot(stage: Stage, guest: Uploader) -> None:
    sent = (stage.folder / samples.SNAPSHOT).read_bytes()
    where = samples.BEACH.coordinates
    expect("the photograph tells where it was taken", holds=where in sent, seen=sent[:200])
    stage.upload(
        "A photograph, with the place where it was taken. The rule says “strip_metadata = true”.",
        guest.raw(samples.SNAPSHOT, content_type="image/jpeg"),
        samples.SNAPSHOT,
        guest.token,
        change=lambda content: content[:2] + content[content.index(_MARK_OF_PICTURE) :],
    )
    stored = stage.stored[-1]
    stage.terminal.table(
        [
            ("sent", f"{len(sent):,} bytes", f"taken at {samples.BEACH}"),
            ("stored", f"{stored.size:,} bytes", "tells no place"),
        ],
        right=(1,),
    )
    stage.terminal.fact("Mattermost has the picture itself, byte for byte, and nothing else.")
