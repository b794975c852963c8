"""The status page in a real browser, under traffic: alive, harmless, usable by everybody."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gateway.standin.process import StandInProcess
from tests.rules.support import gateway_with
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client

from .browser import launched, needs_chromium
from .support import TOKEN, SlowUpload, eventually, slow_upload
from .traffic import QUOTAS, RULES

pytestmark = needs_chromium

MIB = 2**20
PATIENCE = 60_000
"""Milliseconds."""
HOSTILE = [
    "<img src=x onerror=hacked()>.exe",
    '"><script>hacked()<script>.exe',
    "'; hacked(); '.exe",
    "{{ 7 * 7 }}${7 * 7}.exe",
    "\u2066\u200fexe.gpj\u2069.exe",
    "<details open ontoggle=hacked()>" + "w" * 180 + ".exe",
    "&lt;b&gt;</td></table><form action=x>.exe".replace("/", "\u2215"),
]
WIDE = "w" * 100


class Watched:
    """A page, and all that it complains of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: self.errors.append(dialog.message))
        page.on("request", lambda request: self._asked(request.url))
        page.add_init_script(
            "window.hacked = () => { window.wasHacked = true; };"
            "addEventListener('securitypolicyviolation', e => console.error(e.violatedDirective));"
        )

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.url + path)
        return self.page

    def open_live(self, path: str = "/") -> Page:
        self.open(path)
        self.page.wait_for_selector(".live-now")
        return self.page

    def is_well(self) -> None:
        """Nothing was complained of, nothing ran that should not, nobody else was asked."""
        assert self.errors == []
        assert self.elsewhere == []
        assert self.page.evaluate("window.wasHacked") is None

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.url).netloc:
            self.elsewhere.append(url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright, launched(playwright) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_with(RULES, stand_in, folder, workers="2", quotas=QUOTAS) as running:
        yield running


@pytest.fixture(scope="module")
def person(gateway: GatewayProcess, stand_in: StandInProcess) -> tuple[Client, str]:
    """Whoever uploads, and the name; some was uploaded, and some refused."""
    user = new_member(stand_in)
    client = Client(gateway.address, user["token"], stand_in.channel_id)
    for number in range(3):
        assert client.raw(f"{number}.txt", b"All is well.").status == 201
    for name in HOSTILE:
        assert client.raw(quote(name, safe=""), b"MZ").status in (400, 403)
    assert (
        client.raw("invoice.pdf", b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0" + bytes(99)).status == 415
    )
    eventually(gateway, "refusals", lambda document: len(document["refusals"]) > len(HOSTILE))
    return client, str(user["username"])


@pytest.fixture
def watched(
    browser: Browser, gateway: GatewayProcess, request: pytest.FixtureRequest
) -> Iterator[Watched]:
    options: dict[str, Any] = getattr(request, "param", {})
    context = browser.new_context(**options)
    page = Watched(context.new_page(), gateway.admin_url)
    yield page
    context.close()


def number_of(page: Page, label: str) -> int:
    tile = page.locator(".tile", has=page.get_by_text(label, exact=True)).locator("dd").first
    return int(tile.inner_text())


def value_of(page: Page, name: str) -> int:
    """Thousandths of an upload's bar."""
    row = page.locator("#running li", has_text=name)
    return int(row.locator("progress").get_attribute("value") or 0)


def wait_until(page: Page, condition: str, argument: object = None) -> None:
    """Until the expression holds in the page, which is not loaded anew."""
    page.wait_for_function(condition, arg=argument)


def test_numbers_move_and_a_bar_advances(watched: Watched, person: tuple[Client, str]) -> None:
    client, username = person
    page = watched.open_live()
    page.evaluate("window.sameDocument = true")
    accepted = number_of(page, "Accepted")
    refused = number_of(page, "Refused")
    with slow_upload(client, "Recording%20of%20today.pdf", 10 * MIB) as upload:
        upload.send(2 * MIB)
        row = page.locator("#running li", has_text="Recording of today.pdf")
        expect(row.locator("progress")).to_have_attribute("value", "200")
        expect(row).to_contain_text(f"@{username}")
        expect(row).to_contain_text("2 MiB of 10 MiB")
        # The row stays the same element, whatever comes and goes around it.
        row.evaluate("element => { element.sameRow = true; }")
        upload.send(3 * MIB)
        expect(row.locator("progress")).to_have_attribute("value", "500")
        assert row.evaluate("element => element.sameRow") is True
        assert client.raw("more.txt", b"more").status == 201
        assert client.raw("more.exe", b"MZ").status == 403
        assert upload.finish().status == 201
    expect(row).to_have_count(0)
    wait_until(
        page,
        "wanted => parseInt(document.querySelector('.tile.accepted dd').textContent) >= wanted",
        accepted + 2,
    )
    wait_until(page, "() => document.querySelector('#refusals').textContent.includes('more.exe')")
    assert number_of(page, "Refused") > refused
    assert page.evaluate("window.sameDocument") is True
    watched.is_well()


def test_hostile_names_stay_text(watched: Watched, person: tuple[Client, str]) -> None:
    client, _ = person
    page = watched.open_live()
    names = page.locator("#refusals td.file bdi").all_inner_texts()
    assert {"<img src=x onerror=hacked()>.exe", '"><script>hacked()<script>.exe'} <= set(names)
    assert "{{ 7 * 7 }}${7 * 7}.exe" in names
    # Once more by way of the events, and in a running upload.
    running = "<img src=y onerror=hacked()> <svg onload=hacked()>.pdf"
    with slow_upload(client, quote(running), MIB) as upload:
        upload.send(1000)
        row = page.locator("#running li .file bdi", has_text="src=y")
        expect(row).to_have_text(running)
        assert client.raw(quote('<iframe src="javascript:hacked()">.exe'), b"MZ").status == 403
        expect(page.locator("#refusals")).to_contain_text('<iframe src="javascript:hacked()">.exe')
    assert page.locator("img").count() == 1  # the gateway's own
    assert page.locator("iframe, #refusals svg, #refusals form, main script").count() == 0
    watched.is_well()


def test_what_is_invisible_is_written_out(watched: Watched, person: tuple[Client, str]) -> None:
    client, _ = person
    page = watched.open_live()
    hidden = client.raw(quote("a\u200b\u200fb.exe"), b"MZ").header("x-request-id")
    row = page.locator(f"#refusal-{hidden}")
    expect(row.locator(".file bdi")).to_have_text("aU+200BU+200Fb.exe")
    # Names that read the other way round are refused as such.
    turned = client.raw(quote("a\u202egpj.exe"), b"MZ").header("x-request-id")
    expect(page.locator(f"#refusal-{turned}")).to_contain_text("file name refused")
    assert "\u202e" not in page.content()
    watched.is_well()


@pytest.mark.parametrize(
    "watched",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    ],
    ids=["light", "dark", "light phone", "dark phone"],
    indirect=True,
)
def test_it_is_accessible(watched: Watched, person: tuple[Client, str]) -> None:
    """As far as axe-core can tell, contrast included; also with everything unfolded."""
    client, _ = person
    with slow_upload(client, "slow.pdf", MIB) as upload:
        upload.send(300_000)
        page = watched.open_live()
        expect(page.locator("#running li", has_text="slow.pdf")).to_be_visible()
        for summary in page.locator("summary").all():
            summary.click()
        results = Axe().run(page, options={"resultTypes": ["violations"]})
    assert results.violations_count == 0, results.generate_report()


PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


@pytest.mark.parametrize("watched", [PHONE], indirect=True)
def test_nothing_sticks_out_on_a_phone(watched: Watched, person: tuple[Client, str]) -> None:
    client, _ = person
    with slow_upload(client, f"{WIDE}{WIDE}.pdf", MIB) as upload:
        upload.send(1000)
        page = watched.open_live()
        expect(page.locator("#running li", has_text=WIDE)).to_be_visible()
        for summary in page.locator("summary").all():
            summary.click()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.evaluate("document.documentElement.clientWidth") == 360
    watched.is_well()


def test_the_keyboard_reaches_everything(watched: Watched, person: tuple[Client, str]) -> None:
    page = watched.open_live()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "() => { const e = document.activeElement;"
                " const ring = e.matches(':focus-visible') && getComputedStyle(e).outlineStyle;"
                " return [e.localName, e.name || e.textContent.trim(), ring]; }"
            )
        )
        if reached[-1][1] == "metrics":
            break
    names = [(kind, name) for kind, name, _ in reached]
    for wanted in (
        ("summary", "The hour as a table"),
        ("select", "reason"),
        ("select", "rule"),
        ("input", "q"),
        ("button", "Filter"),
        ("summary", "Settings"),
        ("a", "metrics"),
    ):
        assert wanted in names
    assert all(ring == "solid" for _, _, ring in reached), reached


def test_details_stay_open_and_the_focus_where_it_is(
    watched: Watched, person: tuple[Client, str]
) -> None:
    client, _ = person
    page = watched.open_live()
    summary = page.locator("#hour summary")
    summary.click()
    rows = page.locator("#hour tbody tr")
    before = page.locator("#hour").inner_text()
    assert client.raw("again.txt", b"again").status == 201
    wait_until(page, "before => document.querySelector('#hour').innerText !== before", before)
    expect(page.locator("#hour details")).to_have_attribute("open", "")
    expect(summary).to_be_focused()
    expect(rows.first).to_be_visible()


def test_refusals_are_filtered(watched: Watched, person: tuple[Client, str]) -> None:
    client, username = person
    page = watched.open_live()
    page.get_by_label("Reason").select_option("content_mismatch")
    page.get_by_label("Contains").fill(username)
    page.get_by_role("button", name="Filter").click()
    page.wait_for_selector(".live-now")
    tags = page.locator("#refusals .tag")
    assert set(tags.all_inner_texts()) == {"content mismatch"}
    # What comes live is filtered, too.
    count = tags.count()
    assert client.raw("other.exe", b"MZ").status == 403
    program = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0" + bytes(99)
    assert client.raw("again.pdf", program).status == 415
    expect(tags).to_have_count(count + 1)
    assert set(tags.all_inner_texts()) == {"content mismatch"}
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("#refusals")).to_contain_text("other.exe")
    watched.is_well()


@pytest.mark.parametrize("watched", [{"java_script_enabled": False}], indirect=True)
def test_it_works_without_scripts(watched: Watched, person: tuple[Client, str]) -> None:
    client, username = person
    page = watched.open()
    before = number_of(page, "Accepted")
    assert client.raw("plain.txt", b"plain").status == 201
    with slow_upload(client, "plain.pdf", MIB) as upload:
        upload.send(MIB // 2)
        for _ in range(40):
            page.reload()
            rows = page.locator("#running li", has_text="plain.pdf")
            if number_of(page, "Accepted") > before and rows.count():
                break
            page.wait_for_timeout(250)
        assert value_of(page, "plain.pdf") == 500
    page.get_by_label("Contains").fill("invoice.pdf")
    page.get_by_role("button", name="Filter").click()
    names = page.locator("#refusals td.file bdi").all_inner_texts()
    assert set(names) == {"invoice.pdf"}
    expect(page.locator("#refusals")).to_contain_text(f"@{username}")
    assert watched.errors == []


def test_what_is_read_out_is_little(watched: Watched, person: tuple[Client, str]) -> None:
    page = watched.open_live()
    live = page.locator("[role=status], [role=alert], [aria-live]")
    expect(live).to_have_count(1)
    expect(live).to_contain_text("In the last hour")
    for role in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("Status of the upload gateway")
    expect(page.get_by_role("img", name="Uploads a minute")).to_have_count(1)


# With a token.


@pytest.fixture
def protected(stand_in: StandInProcess, folder: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        stand_in.url, folder, admin_listen="0.0.0.0:0", admin_token=TOKEN
    ) as running:
        running.admin_url = running.admin_url.replace("0.0.0.0", "127.0.0.1")
        yield running


def test_signing_in_and_out(browser: Browser, protected: GatewayProcess) -> None:
    context = browser.new_context()
    watched = Watched(context.new_page(), protected.admin_url)
    page = watched.open()
    expect(page.get_by_label("Admin token")).to_be_focused()
    results = Axe().run(page, options={"resultTypes": ["violations"]})
    assert results.violations_count == 0, results.generate_report()
    page.keyboard.type("not the token at all")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This is not the admin token.")
    watched.errors.clear()  # the browser tells of the 401
    page.get_by_label("Admin token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector(".live-now")
    assert page.evaluate("document.cookie") == ""
    watched.is_well()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin token")).to_be_visible()
    watched.open()
    expect(page.get_by_label("Admin token")).to_be_visible()
    context.close()


def test_another_site_gets_nothing(
    browser: Browser, gateway: GatewayProcess, person: tuple[Client, str]
) -> None:
    """Another origin of the same machine, in the same browser: it cannot ask, frame or embed."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{gateway.url}/")  # another port is another origin
    answers = page.evaluate(
        """async url => {
            const tried = [];
            for (const mode of ["cors", "no-cors"]) {
                try {
                    const answer = await fetch(url + "/api/v1/uploads", { mode });
                    tried.push(answer.type + " " + answer.status);
                } catch (error) {
                    tried.push("failed");
                }
            }
            return tried;
        }""",
        gateway.admin_url,
    )
    assert answers == ["failed", "failed"]
    frames = page.evaluate(
        """url => new Promise(resolve => {
            const frame = document.createElement("iframe");
            frame.src = url;
            frame.onload = () => resolve(frame.contentDocument === null);
            document.body.append(frame);
        })""",
        gateway.admin_url,
    )
    assert frames is True
    assert "Status of the upload gateway" not in page.frames[-1].content()
    context.close()


def test_it_says_when_it_is_not_live(
    browser: Browser, stand_in: StandInProcess, folder: Path
) -> None:
    """And comes back by itself with the gateway."""
    with GatewayProcess(stand_in.url, folder) as gateway:
        context = browser.new_context()
        watched = Watched(context.new_page(), gateway.admin_url)
        page = watched.open_live()
        gateway.terminate()
        page.wait_for_selector(".not-live")
        gateway.start()
        page.wait_for_selector(".live-now")
        context.close()


def test_uploads_come_and_go(
    watched: Watched, gateway: GatewayProcess, person: tuple[Client, str]
) -> None:
    """Several at once: each bar is that of its own upload."""
    client, _ = person
    page = watched.open_live()
    begun = threading.Barrier(4)
    over = threading.Event()

    def upload(number: int) -> None:
        with slow_upload(client, f"upload-{number}.pdf", MIB) as slow:
            advance(slow, number)
            begun.wait(30)
            if number != 2:
                over.wait(30)
            slow.finish()

    def advance(slow: SlowUpload, number: int) -> None:
        slow.send(MIB * number // 4)

    threads = [threading.Thread(target=upload, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    begun.wait(30)
    try:
        expect(page.locator("#running li", has_text="upload-2.pdf")).to_have_count(0)
        for number in (1, 3):
            bar = page.locator("#running li", has_text=f"upload-{number}.pdf").locator("progress")
            expect(bar).to_have_attribute("value", str(250 * number))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    expect(page.locator("#running li", has_text="upload-")).to_have_count(0)
    watched.is_well()
