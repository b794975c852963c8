"""Pictures of the status page, of a gateway under traffic: ``./scripts/screenshots``.

The charts show the last hour, so the traffic should have gone on for some time; what a folder has
of an earlier run is shown, too.
"""

import argparse
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from gateway.standin.process import StandInProcess
from tests.status.browser import launched
from tests.status.traffic import QUOTAS, RULES, Traffic
from tests.support.gateway import GatewayProcess

IMAGES = Path(__file__).parent.parent.parent / "docs" / "img"
SHOTS = {
    "status-light": ("light", 1200, 1500),
    "status-dark": ("dark", 1200, 1500),
    "status-phone": ("light", 390, 1800),
}
"""Names: colour scheme, width and height."""


def shoot(browser: Browser, url: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    for name, (scheme, width, height) in SHOTS.items():
        page = browser.new_page(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": height},
            device_scale_factor=1,
        )
        page.goto(url)
        page.wait_for_selector(".live-now")
        time.sleep(3)  # so that bars have come to rest
        page.screenshot(path=IMAGES / f"{name}.png")
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="of traffic before (60)")
    parser.add_argument("--pace", type=float, default=1.2, help="small uploads a second (1.2)")
    parser.add_argument("--folder", type=Path, help="where the ledger is kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        kept = options.folder or folder
        rules = folder / "policy.toml"
        rules.write_text(RULES, encoding="utf-8")
        kept.mkdir(parents=True, exist_ok=True)
        with (
            StandInProcess(folder / "mattermost") as stand_in,
            GatewayProcess(
                stand_in.url,
                folder / "gateway",
                workers="2",
                quotas=QUOTAS,
                policy_file=str(rules),
                ledger_url=f"sqlite:///{kept / 'ledger.sqlite3'}",
            ) as gateway,
            Traffic(stand_in, gateway, pace=options.pace),
            sync_playwright() as playwright,
            launched(playwright) as browser,
        ):
            print(f"Traffic for {options.minutes:g} minutes; see {gateway.admin_url}", flush=True)
            time.sleep(60 * options.minutes)
            shoot(browser, gateway.admin_url)


if __name__ == "__main__":
    main()
