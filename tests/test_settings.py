"""Settings: read once from the environment, with one sentence for each problem."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.endpoints import ATTACHMENTS, RULES, Rule
from gateway.settings import (
    PREFIX,
    AllSettings,
    Settings,
    SettingsError,
    default_state_folder,
    described,
    described_rules,
    load,
    shown_value,
    size_setting,
    split_address,
    types_setting,
)

URL = "http://mattermost:8065"


def loaded(**given: str) -> Settings:
    """The settings with ``given`` in the environment; the upstream is there unless given."""
    given = {"upstream_url": URL, **given}
    return load({f"GATEWAY_{name.upper()}": value for name, value in given.items()})


def problems(**given: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        loaded(**given)
    return error.value.problems


def test_one_setting_is_enough() -> None:
    settings = loaded()
    assert settings.upstream_url == URL
    assert (settings.listen, settings.admin_listen) == ("0.0.0.0:8066", "127.0.0.1:8067")
    assert settings.max_file_size == 100 * 2**20
    assert (settings.allowed_types, settings.denied_types) == ("*", "executables")
    assert (settings.workers, settings.quotas, settings.trusted_proxies) == (1, "", ())
    assert (settings.log_format, settings.log_level) == ("json", "info")
    assert settings.session_negative_ttl < settings.session_ttl


def test_one_setting_is_required() -> None:
    with pytest.raises(SettingsError) as error:
        load({})
    (problem,) = error.value.problems
    assert problem.startswith("GATEWAY_UPSTREAM_URL is required")


def test_the_rest_of_the_environment_does_not_matter() -> None:
    assert load({"PATH": "/bin", "gateway_listen": "x", "GATEWAY_UPSTREAM_URL": URL}).workers == 1


def test_all_problems_are_told_at_once() -> None:
    told = problems(upstream_url="ftp://x", workers="many", listen="x", colour="red")
    assert len(told) == 4
    for name in ("UPSTREAM_URL", "WORKERS", "LISTEN", "COLOUR"):
        assert sum(problem.startswith(f"{PREFIX}{name}") for problem in told) == 1


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("max_filesize", "MAX_FILE_SIZE"),
        ("worker", "WORKERS"),
        ("upstream", "UPSTREAM_URL"),
        ("emojis_max_file_size", "EMOJI_MAX_FILE_SIZE"),
    ],
)
def test_a_name_that_is_nearly_one(name: str, meant: str) -> None:
    (problem,) = problems(**{name: "1"})
    assert problem.endswith(f"is not a setting; did you mean GATEWAY_{meant}?")


def test_a_name_that_is_none() -> None:
    assert problems(zzz="1") == ["GATEWAY_ZZZ is not a setting"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_file_size", "512KiB", 512 * 1024),
        ("max_file_size", "1", 1),
        ("spool_limit", "1.5GB", 1_500_000_000),
        ("plugins_max_file_size", "1GiB", 2**30),
        ("emoji_allowed_types", "image/png", "image/png"),
        ("mode", "uploads", "uploads"),
        ("remote_cluster", "on", "on"),
        ("ledger_lease", "500ms", 0.5),
        ("session_ttl", "5m", 300.0),
        ("client_timeout", "30", 30.0),
        ("workers", "8", 8),
        ("session_cache_size", "10", 10),
        ("listen", "[::1]:80", "[::1]:80"),
        ("listen", "localhost:0", "localhost:0"),
        ("allowed_types", "images,application/pdf", "images,application/pdf"),
        ("extension_agreement", "off", "off"),
        ("extension_agreement", "strict", "strict"),
        ("policy_file", "/etc/policy.toml", Path("/etc/policy.toml")),
        ("enforce", "off", "off"),
        ("log_format", "console", "console"),
        ("traces_url", "http://collector:4318", "http://collector:4318/v1/traces"),
        ("traces_url", "https://collector/", "https://collector/v1/traces"),
        ("traces_url", "http://collector/otlp", "http://collector/otlp"),
        ("traces_sample", "0.25", 0.25),
        ("traces_sample", "0", 0.0),
        ("log_level", "error", "error"),
        ("spool_dir", "/tmp", Path("/tmp")),
        ("upstream_ca_file", "/etc/ca.pem", Path("/etc/ca.pem")),
        ("scanner_url", "tcp://clamav:3310", "tcp://clamav:3310"),
        ("scanner_url", "tcp://[::1]:3310/", "tcp://[::1]:3310"),
        ("scanner_url", "unix:///run/clamav/clamd.ctl", "unix:///run/clamav/clamd.ctl"),
        ("scanner_timeout", "2m", 120.0),
        ("scanner_largest", "100MiB", 100 * 2**20),
        ("scanner_too_large", "allow", "allow"),
        ("scanner_unreachable", "allow", "allow"),
        ("trusted_proxies", "", ()),
        ("trusted_proxies", "10.0.0.1", (ip_network("10.0.0.1"),)),
        (
            "trusted_proxies",
            "10.1.2.3/8, fd00::/8 ,",
            (ip_network("10.0.0.0/8"), ip_network("fd00::/8")),
        ),
    ],
)
def test_a_value(name: str, value: str, expected: object) -> None:
    assert getattr(loaded(**{name: value}), name) == expected


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("max_file_size", "large", "a size such as"),
        ("max_file_size", "0", "greater than or equal to 1"),
        ("max_file_size", "-1", "a size such as"),
        ("max_file_size", "", "a size such as"),
        ("spool_limit", "1XB", "a size such as"),
        ("emoji_max_file_size", "0", "greater than or equal to 1"),
        ("bot_icon_max_file_size", "large", "a size such as"),
        ("mode", "sidecar", "'proxy' or 'uploads'"),
        ("remote_cluster", "yes", "'on' or 'off'"),
        ("session_ttl", "soon", "a duration such as"),
        ("session_ttl", "0s", "greater than 0"),
        ("workers", "0", "greater than or equal to 1"),
        ("workers", "65", "less than or equal to 64"),
        ("workers", "two", "whole number"),
        ("workers", "1.5", "whole number"),
        ("session_cache_size", "0", "greater than or equal to 1"),
        ("listen", "8066", "expected HOST:PORT"),
        ("listen", ":8066", "expected HOST:PORT"),
        ("listen", "localhost:", "expected HOST:PORT"),
        ("listen", "localhost:http", "expected HOST:PORT"),
        ("listen", "localhost:65536", "expected HOST:PORT"),
        ("listen", "localhost:٣", "expected HOST:PORT"),
        ("admin_listen", "::1:80", "brackets"),
        ("upstream_url", "mattermost:8065", "expected Mattermost's address"),
        ("upstream_url", "ftp://mattermost", "expected Mattermost's address"),
        ("upstream_url", "http://", "expected Mattermost's address"),
        ("upstream_url", "", "expected Mattermost's address"),
        ("upstream_url", "http://mattermost:x", "port"),
        ("upstream_url", "http://mattermost:99999", "port"),
        ("upstream_url", "http://mattermost?a=b", "no query"),
        ("upstream_url", "http://mattermost/#a", "no fragment"),
        ("upstream_url", "http://alice:secret@mattermost", "no user name"),
        ("ledger_url", "/var/lib/ledger", "expected sqlite:///"),
        ("ledger_url", "sqlite:///", "expected sqlite:///"),
        ("ledger_url", "postgres://x", "expected sqlite:///"),
        ("extension_agreement", "on", "'strict', 'dangerous' or 'off'"),
        *(
            ("scanner_url", url, "expected ClamAV's address, tcp://host:3310 or unix:///")
            for url in (
                "",
                "clamav:3310",
                "http://clamav:3310",
                "tcp://clamav",
                "tcp://clamav:0",
                "tcp://:3310",
                "tcp://clamav:3310/scan",
                "tcp://clamav:3310?a",
                "tcp://alice:secret@clamav:3310",
                "unix://run/clamav/clamd.ctl",
                "unix:///",
                "unix:///run/clamd.ctl#a",
                "/run/clamav/clamd.ctl",
            )
        ),
        ("scanner_url", "tcp://clamav:99999", "port"),
        ("scanner_timeout", "0", "greater than 0"),
        ("scanner_largest", "0", "greater than or equal to 1"),
        ("scanner_too_large", "pass", "'deny' or 'allow'"),
        ("scanner_unreachable", "off", "'deny' or 'allow'"),
        ("enforce", "no", "'on' or 'off'"),
        ("traces_url", "collector:4318", "expected a collector's address"),
        ("traces_url", "grpc://collector:4317", "expected a collector's address"),
        ("traces_url", "http://a:b@collector:4318", "expected a collector's address"),
        ("traces_url", "http://collector:99999", "port"),
        ("traces_url", "http://collector?a=b", "no query"),
        ("traces_sample", "1.1", "less than or equal to 1"),
        ("traces_sample", "-1", "greater than or equal to 0"),
        ("traces_sample", "nan", "finite"),
        ("traces_sample", "half", "valid number"),
        ("log_format", "xml", "'combined' or 'console'"),
        ("log_level", "INFO", "'debug', 'info', 'warning' or 'error'"),
        ("trusted_proxies", "10.0.0.0/33", "10.0.0.0/33"),
        ("trusted_proxies", "proxy.example", "proxy.example"),
    ],
)
def test_a_value_that_cannot_be_used(name: str, value: str, hint: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"GATEWAY_{name.upper()}=")
    assert hint in problem


@pytest.mark.parametrize("name", AllSettings.model_fields)
def test_an_empty_value_is_an_empty_list_or_a_mistake(name: str) -> None:
    """And never the default: a limit that somebody meant to set is not silently another one."""
    is_list = name.endswith("_types") or name in ("denied_extensions", "quotas", "trusted_proxies")
    if is_list:
        assert not getattr(loaded(**{name: ""}), name)
    else:
        (problem,) = problems(**{name: ""})
        assert problem.startswith(f"GATEWAY_{name.upper()}=''")


@pytest.mark.parametrize(
    ("url", "origin", "subpath"),
    [
        ("http://mattermost:8065", "http://mattermost:8065", ""),
        ("http://mattermost:8065/", "http://mattermost:8065", ""),
        ("http://mattermost/chat", "http://mattermost", "/chat"),
        ("https://mattermost/team/chat/", "https://mattermost", "/team/chat"),
        ("http://[::1]:8065/chat", "http://[::1]:8065", "/chat"),
        ("HTTP://mattermost", "http://mattermost", ""),
    ],
)
def test_where_mattermost_is(url: str, origin: str, subpath: str) -> None:
    settings = loaded(upstream_url=url)
    assert (settings.upstream_origin, settings.subpath) == (origin, subpath)


def test_a_password_in_the_address_is_not_shown() -> None:
    """It is refused, and the sentence about it goes to the log of whoever started the gateway."""
    (problem,) = problems(upstream_url="http://alice:secret@mattermost")
    assert "secret" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////var/lib/x.db",
        "sqlite:///x.db",
        "redis://localhost",
        "rediss://:secret@redis.example:6380/1",
        "valkey://127.0.0.1:6379/0",
        "redis+sentinel://a:26379,b:26379/main/0",
        "rediss+cluster://a:7000,b:7000,c:7000",
    ],
)
def test_where_the_ledger_is(url: str) -> None:
    assert loaded(ledger_url=url).ledger_url == url


def test_a_password_of_the_ledger_is_not_shown() -> None:
    shown = shown_value("ledger_url", "redis://gateway:secret@localhost:6379/0")
    assert shown == "redis://gateway:…@localhost:6379/0"
    (problem,) = problems(ledger_url="redis+magic://gateway:secret@localhost")
    assert "secret" not in problem


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/gateway"}, "/var/lib/gateway"),
        ({"STATE_DIRECTORY": "/a:/b", "XDG_STATE_HOME": "/c"}, "/a"),
        ({"XDG_STATE_HOME": "/c"}, "/c/mattermost-upload-gateway"),
    ],
)
def test_where_state_lives(environ: dict[str, str], folder: str) -> None:
    assert default_state_folder(environ) == Path(folder)


def test_where_state_lives_without_being_told() -> None:
    folder = default_state_folder({})
    assert folder == Path.home() / ".local/state/mattermost-upload-gateway"


@pytest.mark.parametrize(
    ("address", "parts"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::]:80", ("::", 80)), ("a.b:0", ("a.b", 0))],
)
def test_an_address_in_parts(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded().workers = 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("max_file_size", "100MiB"),
        ("session_ttl", "60s"),
        ("session_negative_ttl", "5s"),
        ("upload_session_ttl", "24h"),
        ("workers", "1"),
        ("listen", "0.0.0.0:8066"),
        ("trusted_proxies", ""),
        ("spool_dir", ""),
        ("scanner_url", ""),
        ("scanner_largest", "25MiB"),
    ],
)
def test_a_value_as_one_would_write_it(name: str, shown: str) -> None:
    settings = loaded()
    assert shown_value(name, getattr(settings, name)) == shown


def test_what_is_shown_can_be_set() -> None:
    """Each shown value means what it was shown for."""
    settings = loaded(trusted_proxies="10.0.0.0/8,fd00::/8", max_file_size="1536KiB")
    shown = {name: shown_value(name, getattr(settings, name)) for name in AllSettings.model_fields}
    again = loaded(**{name: value for name, value in shown.items() if value})
    assert again == settings


def test_every_setting_is_described() -> None:
    rows = described()
    assert [name for name, _, _ in rows] == [
        f"GATEWAY_{name.upper()}" for name in Settings.model_fields
    ]
    for name, default, meaning in rows:
        assert default, name
        assert meaning.endswith("."), name
        assert meaning[0].isupper() or meaning[0] == "`", name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_has_settings_of_its_own(rule: Rule) -> None:
    settings = loaded()
    assert getattr(settings, types_setting(rule)) == rule.types
    assert settings.largest(rule) == (rule.largest or 100 * 2**20)
    settings = loaded(**{types_setting(rule): "video/*", size_setting(rule): "7MiB"})
    assert (getattr(settings, types_setting(rule)), settings.largest(rule)) == (
        "video/*",
        7 * 2**20,
    )
    others = [other for other in RULES if other is not rule]
    assert all(getattr(settings, types_setting(other)) == other.types for other in others)


def test_a_rule_without_a_size_has_that_of_attachments() -> None:
    settings = loaded(max_file_size="3MiB", team_image_max_file_size="1MiB")
    sizes = {rule.name: settings.largest(rule) // 2**20 for rule in RULES if not rule.largest}
    assert sizes == {
        "attachments": 3,
        "brand_image": 3,
        "user_image": 3,
        "team_image": 1,
        "bot_icon": 3,
    }


def test_a_size_that_cannot_be_used_is_told_once() -> None:
    """Though several rules would have the same."""
    assert len(problems(max_file_size="large")) == 1


def test_every_setting_of_a_rule_is_described() -> None:
    """In the order of the rules, after all others."""
    names = [name for row in described_rules() for name in (row[0], row[2])]
    rest = list(AllSettings.model_fields)[len(Settings.model_fields) :]
    assert names == [f"{PREFIX}{name.upper()}" for name in rest]
    assert (types_setting(ATTACHMENTS), size_setting(ATTACHMENTS)) == (
        "allowed_types",
        "max_file_size",
    )
