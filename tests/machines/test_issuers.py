"""The file of issuers: what it may say, and to whom its rules apply."""

import re

import pytest

from gateway.machines.issuers import parse_issuers
from gateway.machines.watched import FileProblem

HEAD = '[issuers.a]\nurl = "https://a.example"\naudience = ["me"]\n'
RULE = '[[issuers.a.rules]]\nname = "r"\nclaims = { sub = "x" }\n'


def test_a_whole_one() -> None:
    text = (
        HEAD
        + 'algorithms = ["PS256"]\nrequired = ["jti"]\nleeway = "5s"\nkeys_refresh = "1m"\n'
        + RULE
        + 'account = "ci"\nchannels = ["a/b"]\nmax_size = "1KiB"\nquota = "1GiB/day"\n'
    )
    (issuer,) = parse_issuers(text.encode()).values()
    (rule,) = issuer.rules
    assert (issuer.name, issuer.algorithms, issuer.required) == ("a", ("PS256",), ("jti",))
    assert (issuer.leeway, issuer.source.ages.refresh) == (5.0, 60.0)
    assert (rule.account, rule.limits.channels, rule.limits.max_file_size) == (
        "ci",
        frozenset({"a/b"}),
        1024,
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (RULE, "issuers.a: url: is required"),
        (HEAD, "issuers.a: rules: expected tables"),
        (HEAD.replace("https", "http") + RULE, "does not begin with https://"),
        (HEAD.replace('["me"]', "[]") + RULE, "issuers.a: audience"),
        (HEAD + 'algorithms = ["none"]\n' + RULE, "'none' is none of RS256"),
        (HEAD + 'algorithms = ["HS256"]\n' + RULE, "'HS256' is none of RS256"),
        (HEAD + 'leeway = "1h"\n' + RULE, "clocks do not differ by 1h"),
        (HEAD + 'jwks_url = "http://a.example"\n' + RULE, "does not begin with https://"),
        (HEAD + 'ca_file = "/nowhere"\n' + RULE, "holds no certificates"),
        (HEAD + "verify = false\n" + RULE, "issuers.a: verify: this is not known here"),
        (HEAD + RULE.replace('name = "r"\n', ""), "rules[1]: name: is required"),
        (HEAD + RULE.replace('{ sub = "x" }', "{}"), "rules[1]: claims: expected"),
        (HEAD + RULE.replace('{ sub = "x" }', "{ sub = [] }"), "rules[1]: claims: expected"),
        (HEAD + RULE.replace('{ sub = "x" }', "{ sub = {} }"), "rules[1]: claims: expected"),
        (HEAD + RULE.replace('claims = { sub = "x" }', ""), "rules[1]: claims: expected"),
        (HEAD + RULE + "chanels = []\n", "rules[1]: chanels: this is not known here"),
        (HEAD + RULE + HEAD.replace(".a]", ".b]") + RULE.replace("a.r", "b.r"), "another issuer"),
    ],
)
def test_files_that_are_wrong(text: str, problem: str) -> None:
    with pytest.raises(FileProblem, match=re.escape(problem)):
        parse_issuers(text.encode())


@pytest.mark.parametrize(
    ("wanted", "claims", "applies"),
    [
        ('{ sub = "x" }', {"sub": "x"}, True),
        ('{ sub = "x" }', {"sub": "X"}, False),
        ('{ sub = "x" }', {"sub": "xx"}, False),
        ('{ sub = "x" }', {"sub": "x\n"}, False),
        ('{ sub = "x" }', {}, False),
        ('{ sub = "x" }', {"sub": None}, False),
        ('{ sub = "x", ref = "y" }', {"sub": "x"}, False),
        ('{ sub = "acme/*" }', {"sub": "acme/app"}, True),
        ('{ sub = "acme/*" }', {"sub": "acme2/app"}, False),
        ('{ sub = "a.c" }', {"sub": "abc"}, False),
        ('{ sub = "*" }', {"sub": ""}, True),
        ('{ sub = ["x", "y"] }', {"sub": "y"}, True),
        ('{ sub = ["x", "y"] }', {"sub": "z"}, False),
        ('{ groups = "x" }', {"groups": ["w", "x"]}, True),
        ('{ groups = "x" }', {"groups": []}, False),
        ('{ groups = "x" }', {"groups": [["x"]]}, False),
        ("{ ok = true }", {"ok": True}, True),
        ("{ ok = true }", {"ok": 1}, False),
        ("{ ok = true }", {"ok": "true"}, False),
        ('{ ok = "true" }', {"ok": True}, False),
        ("{ n = 1 }", {"n": 1}, True),
        ("{ n = 1 }", {"n": True}, False),
        ('{ "k.io" = { ns = "ci" } }', {"k.io": {"ns": "ci", "pod": {}}}, True),
        ('{ "k.io" = { ns = "ci" } }', {"k.io": "ci"}, False),
        ('{ "k.io" = { ns = "ci" } }', {"k.io": {"ns": "prod"}}, False),
    ],
)
def test_to_whom_a_rule_applies(wanted: str, claims: dict[str, object], applies: bool) -> None:
    (issuer,) = parse_issuers((HEAD + RULE.replace('{ sub = "x" }', wanted)).encode()).values()
    assert (issuer.rule_for(claims) is not None) is applies
