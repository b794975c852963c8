"""An issuer's keys: fetched seldom, found when they change, kept while it cannot be reached."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey

from gateway.machines.issuer_keys import IssuerKeys, UnknownKey
from gateway.machines.issuers import Ages
from gateway.upstream.issuers import Documents, IssuerError, check_address
from tests.support.issuer import DISCOVERY, KEYS, Issuer

AGES = Ages(refresh=600.0, keep=3600.0, retry=30.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> IssuerKeys:
    return IssuerKeys(Documents(timeout=2).fetch, issuer.url, ages=AGES, clock=clock)


async def find(keys: IssuerKeys, issuer: Issuer) -> bool:
    """Whether the key that the issuer signs with is known."""
    try:
        await keys.find(issuer.keys[-1].kid, "ES256")
    except UnknownKey:
        return False
    return True


async def test_they_are_fetched_once_by_many(keys: IssuerKeys, issuer: Issuer) -> None:
    assert all(await asyncio.gather(*(find(keys, issuer) for _ in range(10))))
    assert issuer.asked == {DISCOVERY: 1, KEYS: 1}


async def test_and_again_after_a_while(keys: IssuerKeys, issuer: Issuer, clock: Clock) -> None:
    await find(keys, issuer)
    clock.now += AGES.refresh - 1
    await find(keys, issuer)
    assert issuer.asked[KEYS] == 1
    before = issuer.keys[-1]
    issuer.rotate()
    clock.now += 1
    with pytest.raises(UnknownKey):
        await keys.find(before.kid, "ES256")
    assert issuer.asked[KEYS] == 2


async def test_a_new_key_is_found_at_once(keys: IssuerKeys, issuer: Issuer, clock: Clock) -> None:
    await find(keys, issuer)
    issuer.rotate()
    clock.now += AGES.retry
    assert await find(keys, issuer)


async def test_unknown_keys_make_it_ask_once_in_a_while(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    await find(keys, issuer)
    clock.now += AGES.retry
    for number in range(50):
        with pytest.raises(UnknownKey):
            await keys.find(f"forged-{number}", "ES256")
    assert issuer.asked[KEYS] == 2


async def test_an_outage(keys: IssuerKeys, issuer: Issuer, clock: Clock) -> None:
    await find(keys, issuer)
    issuer.down = True
    clock.now += AGES.keep - 1
    assert await find(keys, issuer)
    assert await find(keys, issuer)
    assert issuer.asked[DISCOVERY] == 2
    clock.now += AGES.retry
    with pytest.raises(IssuerError, match="503"):
        await find(keys, issuer)
    issuer.down = False
    with pytest.raises(IssuerError):
        await find(keys, issuer)
    clock.now += AGES.retry
    assert await find(keys, issuer)


async def test_an_issuer_that_was_never_reached(
    issuer: Issuer, keys: IssuerKeys, clock: Clock
) -> None:
    issuer.down = True
    for _ in range(3):
        with pytest.raises(IssuerError):
            await find(keys, issuer)
    assert issuer.asked == {DISCOVERY: 1}


async def test_nobody_listens(clock: Clock) -> None:
    keys = IssuerKeys(Documents().fetch, "http://127.0.0.1:9", ages=AGES, clock=clock)
    with pytest.raises(IssuerError, match="ConnectError"):
        await keys.find("a", "ES256")


async def test_a_caller_that_leaves_takes_nothing_from_the_others(clock: Clock) -> None:
    key = ECKey.generate_key("P-256", auto_kid=True)
    may_answer = asyncio.Event()

    async def fetch(url: str) -> Mapping[str, object]:
        await may_answer.wait()
        return {"keys": [key.as_dict(private=False)]}

    keys = IssuerKeys(fetch, "https://a.example", "https://a.example/k", ages=AGES, clock=clock)
    first = asyncio.create_task(keys.find(key.kid, "ES256"))
    second = asyncio.create_task(keys.find(key.kid, "ES256"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    may_answer.set()
    assert (await second).kid == key.kid


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (DISCOVERY, {"issuer": "https://another.example", "jwks_uri": "https://a.example"}),
        (DISCOVERY, {}),
        (DISCOVERY, []),
        (DISCOVERY, {"issuer": "{url}"}),
        (DISCOVERY, {"issuer": "{url}", "jwks_uri": "http://169.254.169.254/keys"}),
        (DISCOVERY, {"issuer": "{url}", "jwks_uri": "file:///etc/passwd"}),
        (DISCOVERY, {"issuer": "{url}", "jwks_uri": 7}),
        (KEYS, {}),
        (KEYS, {"keys": {}}),
        (KEYS, {"keys": []}),
        (KEYS, {"keys": ["a", 1, None, {}, {"kty": "EC"}, {"kty": "RSA", "n": "!", "e": "AQAB"}]}),
        (KEYS, {"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}] * 3}),
        (KEYS, {"keys": [{}] * 101}),
        (KEYS, {"keys": [], "filling": "x" * 600_000}),
    ],
)
async def test_documents_that_do_not_do(
    path: str, document: object, issuer: Issuer, keys: IssuerKeys
) -> None:
    if isinstance(document, dict) and document.get("issuer") == "{url}":
        document["issuer"] = issuer.url
    issuer.documents[path] = document
    with pytest.raises(IssuerError):
        await find(keys, issuer)


async def test_a_key_that_its_owner_should_have_kept(keys: IssuerKeys, issuer: Issuer) -> None:
    """Everybody can sign with it."""
    issuer.documents[KEYS] = {"keys": [issuer.keys[0].as_dict(private=True)]}
    with pytest.raises(IssuerError, match="no key"):
        await find(keys, issuer)


async def test_keys_that_are_for_one_algorithm(keys: IssuerKeys, issuer: Issuer) -> None:
    key = RSAKey.generate_key(2048, auto_kid=True)
    issuer.documents[KEYS] = {"keys": [{**key.as_dict(private=False), "alg": "RS256"}]}
    assert (await keys.find(key.kid, "RS256")).kid == key.kid
    for other in ("PS256", "ES256", "RS512"):
        with pytest.raises(UnknownKey):
            await keys.find(key.kid, other)


async def test_without_an_id_one_has_to_fit(keys: IssuerKeys, issuer: Issuer) -> None:
    issuer.keys.append(RSAKey.generate_key(2048, auto_kid=True))
    assert (await keys.find(None, "RS256")).kid == issuer.keys[1].kid
    issuer.rotate()
    issuer.keys.append(ECKey.generate_key("P-256", auto_kid=True))
    fresh = IssuerKeys(Documents().fetch, issuer.url, ages=AGES)
    with pytest.raises(UnknownKey):
        await fresh.find(None, "ES256")


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example",
        "http://10.0.0.1",
        "http://localhost",
        "ftp://issuer.example",
        "https://",
        "https://user:password@issuer.example",
        "https://issuer.example/#a",
        "issuer.example",
        "",
    ],
)
def test_addresses_that_do_not_do(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - one of two sentences
        check_address(url)


def test_a_file_without_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(OSError):  # noqa: PT011 - ssl.SSLError is one
        Documents(str(tmp_path / "ca.pem"))


async def test_an_issuer_that_never_comes_to_an_end(issuer: Issuer) -> None:
    issuer.dripping = True
    with pytest.raises(IssuerError, match="it took longer than"):
        await Documents(timeout=0.2).fetch(issuer.url + KEYS)
