"""The chart, by a real Helm: it lints, and what it renders is valid, restricted and complete."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import redis
import yaml

from gateway.endpoints import ENDPOINTS
from gateway.settings import PREFIX, AllSettings, load
from gateway.units import parse_duration
from tests.deploy.proxies import DEPLOY
from tests.support import chart_schema
from tests.support.clamd import Clamd
from tests.support.node import ready_to_run
from tests.support.valkey import ValkeyServer

CHART = DEPLOY.parent / "helm" / "mattermost-upload-gateway"
EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))
KUBERNETES = ("1.31", "1.37")
NOT_KUBERNETES = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")
"""Groups that others define: there is no schema of theirs here."""
WARNING = 2
"""Helm's number for it."""
UPSTREAM = {"upstreamUrl": "http://mattermost:8065"}
STATE = "/var/lib/mattermost-upload-gateway"

Values = dict[str, Any]
Manifest = dict[str, Any]


def render(values: Values) -> list[Manifest]:
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        texts = chart.render(values, name="uploads", namespace="chat")
    return [
        document
        for name, text in texts.items()
        if name.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]


def one(manifests: list[Manifest], kind: str, suffix: str = "") -> Manifest:
    (found,) = (
        manifest
        for manifest in manifests
        if manifest["kind"] == kind
        and manifest["metadata"]["name"] == f"uploads-mattermost-upload-gateway{suffix}"
    )
    return found


def validate(manifests: list[Manifest]) -> None:
    names = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(names) == len(set(names))
    for manifest in manifests:
        if not manifest["apiVersion"].startswith(NOT_KUBERNETES):
            for version in KUBERNETES:
                kubernetes_validate.validate(manifest, version, strict=True)


def pod_templates(manifests: list[Manifest]) -> Iterator[Manifest]:
    """The metadata and spec of each pod that the manifests make."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield manifest
        elif manifest["kind"] in ("Deployment", "StatefulSet"):
            claims = manifest["spec"].get("volumeClaimTemplates", ())
            template = deepcopy(manifest["spec"]["template"])
            template["spec"].setdefault("volumes", []).extend(c["metadata"] for c in claims)
            yield template


def sidecar_pods(manifests: list[Manifest]) -> list[Manifest]:
    """What becomes of a pod in each of the ways that the ConfigMap "-sidecar" is for."""
    data = one(manifests, "ConfigMap", "-sidecar")["data"]
    mattermost = {"name": "mattermost", "image": "x"}
    team_edition = yaml.safe_load(data["mattermost-team-edition.yaml"])
    operator = yaml.safe_load(data["mattermost-operator.yaml"])["spec"]
    (patch,) = json.loads(operator["resourcePatch"]["deployment"]["patch"])
    assert patch["path"] == "/spec/template/spec/terminationGracePeriodSeconds"
    return [
        {
            "initContainers": team_edition["extraInitContainers"],
            "containers": [mattermost],
            "volumes": team_edition["extraVolumes"],
            "terminationGracePeriodSeconds": 30,
        },
        {
            "containers": [mattermost, *operator["podExtensions"]["sidecarContainers"]],
            "volumes": operator["volumes"],
            "terminationGracePeriodSeconds": patch["value"],
        },
        {
            "containers": [mattermost, yaml.safe_load(data["container.yaml"])],
            "volumes": yaml.safe_load(data["volumes.yaml"]),
            "terminationGracePeriodSeconds": int(data["terminationGracePeriodSeconds"]),
        },
    ]


def check(manifests: list[Manifest]) -> None:
    """What holds whatever the values are."""
    validate(manifests)
    for template in pod_templates(manifests):
        assert is_restricted(template["spec"])
        has_its_volumes(template["spec"])
    chosen_by_services(manifests)
    if any(manifest["metadata"]["name"].endswith("-sidecar") for manifest in manifests):
        pods = sidecar_pods(manifests)
        for pod in pods:
            named: Manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
            validate([{**named, "spec": pod}])
            has_its_volumes(pod)
        has_room_to_end = pods[1:]
    else:
        pods = has_room_to_end = [one(manifests, "Deployment")["spec"]["template"]["spec"]]
    for pod in pods:
        (container,) = (c for c in containers(pod) if c["name"] == "upload-gateway")
        settings = load(environment(manifests, container))
        if pod in has_room_to_end:
            assert pod["terminationGracePeriodSeconds"] > settings.shutdown_timeout
        assert str(settings.spool_dir) == STATE  # which is there; the gateway makes no folder
        # What is written to is a volume, since the root is read-only.
        assert {STATE, "/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert str(settings.listen).endswith(f":{ports['uploads']}")
        assert str(settings.admin_listen).endswith(f":{ports['uploads-admin']}")


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["containers"], *pod.get("initContainers", ())]


def environment(manifests: list[Manifest], container: Manifest) -> dict[str, str]:
    """What the chart puts into it that are settings."""
    own = {variable["name"]: variable.get("value", "") for variable in container.get("env", ())}
    data: dict[str, str] = one(manifests, "ConfigMap")["data"]
    return data | {name: value for name, value in own.items() if name.startswith(PREFIX)}


def has_its_volumes(pod: Manifest) -> None:
    used = {m["name"] for c in containers(pod) for m in c.get("volumeMounts", ())}
    assert used == {volume["name"] for volume in pod.get("volumes", ())}


def is_restricted(pod: Manifest) -> bool:
    """The Pod Security Standard's level "restricted"."""
    outer = pod["securityContext"]
    return (
        outer["runAsNonRoot"]
        and outer["runAsUser"] > 0
        and outer["seccompProfile"] == {"type": "RuntimeDefault"}
        and not pod.get("hostNetwork")
        and all(
            not inner["allowPrivilegeEscalation"]
            and inner["readOnlyRootFilesystem"]
            and inner["capabilities"] == {"drop": ["ALL"]}
            for inner in (container["securityContext"] for container in containers(pod))
        )
        and not any("hostPath" in volume for volume in pod.get("volumes", ()))
    )


def chosen_by_services(manifests: list[Manifest]) -> None:
    """No Service sends anything to a pod of another kind."""
    pods = [template["metadata"]["labels"] for template in pod_templates(manifests)]
    for service in (manifest for manifest in manifests if manifest["kind"] == "Service"):
        wanted = service["spec"]["selector"].items()
        chosen = [labels for labels in pods if wanted <= labels.items()]
        sidecar = any("sidecar" in manifest["metadata"]["name"] for manifest in manifests)
        gateways = service["metadata"]["name"].endswith(("-gateway", "-admin"))
        assert len(chosen) == (0 if sidecar and gateways else 1), service


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.name)
def test_examples(example: Path) -> None:
    values = yaml.safe_load(example.read_text())
    report = helm.lint(CHART, values, strict=True, kube_version="v1.34.0")
    assert not report["errors"]
    assert not [message for message in report["messages"] if message["severity"] >= WARNING]
    check(render(values))


SWITCHES = (
    "ingress",
    "httpRoute",
    "podDisruptionBudget",
    "networkPolicy",
    "serviceMonitor",
    "prometheusRule",
    "dashboard",
    "valkey",
    "clamav",
)


@pytest.mark.parametrize("pattern", ["proxy", "sidecar"])
@pytest.mark.parametrize("paths", ["all", "uploads"])
def test_a_matrix_of_values(pattern: str, paths: str) -> None:
    for chosen in ((), SWITCHES, *((switch,) for switch in SWITCHES)):
        values: Values = {"pattern": pattern, "settings": UPSTREAM}
        for switch in SWITCHES:
            values[switch] = {"enabled": switch in chosen}
        values["ingress"]["paths"] = values["httpRoute"]["paths"] = paths
        values["httpRoute"]["parentRefs"] = [{"name": "public"}]
        values["valkey"]["existingSecret"] = "mine"
        check(render(values))


def test_all_settings_can_be_reached() -> None:
    assert chart_schema.FILE.read_text() == chart_schema.text(), "run ./scripts/chart-schema"
    own = {"listen": "0.0.0.0:1", "admin_listen": "0.0.0.0:2", "shutdown_timeout": "1h"}
    names = set(AllSettings.model_fields) - chart_schema.SECRET
    given = {chart_schema.in_camel_case(name): own.get(name, f"x{name}") for name in names}
    given["ledgerUrl"] = "sqlite:///x"
    data = one(render({"settings": given}), "ConfigMap")["data"]
    assert set(data) == {f"GATEWAY_{name.upper()}" for name in names}


def test_numbers_stay_whole() -> None:
    values = {"settings": {**UPSTREAM, "sessionCacheSize": 20_000_000, "workers": 2}}
    data = one(render(values), "ConfigMap")["data"]
    assert (data["GATEWAY_SESSION_CACHE_SIZE"], data["GATEWAY_WORKERS"]) == ("20000000", "2")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "settings.upstreamUrl is required"),
        ({"settings": {**UPSTREAM, "maxFilesize": "1MiB"}}, "maxFilesize"),
        ({"settings": UPSTREAM, "replicas": 2}, "replicas"),
        ({"settings": UPSTREAM, "replicaCount": 2}, "ledgerPerPod=true"),
        (
            {"settings": UPSTREAM, "replicaCount": 2, "ledgerPerPod": True},
            "persistence.enabled=false",
        ),
        ({"settings": {**UPSTREAM, "ledgerUrl": None}, "replicaCount": 2}, "persistence.enabled"),
        ({"settings": UPSTREAM, "valkey": {"enabled": True}}, "valkey.existingSecret is required"),
        (
            {
                "settings": {**UPSTREAM, "ledgerUrl": "redis://x"},
                "valkey": {"enabled": True, "existingSecret": "x"},
            },
            "leave settings.ledgerUrl out",
        ),
        (
            {"settings": {**UPSTREAM, "scannerUrl": "tcp://x:1"}, "clamav": {"enabled": True}},
            "leave settings.scannerUrl out",
        ),
        ({"settings": UPSTREAM, "terminationGracePeriodSeconds": 305}, "has to be longer"),
        ({"settings": UPSTREAM, "httpRoute": {"enabled": True}}, "httpRoute.parentRefs"),
        ({"settings": {**UPSTREAM, "policyFile": "/x"}, "policy": "x"}, "settings.policyFile"),
    ],
)
def test_what_would_not_work_is_an_error(values: Values, message: str) -> None:
    with pytest.raises(helm.HelmError, match=message):
        render(values)


@pytest.mark.parametrize(
    ("duration", "preStop", "expected"),
    [("300s", 5, 330), ("10m", 5, 630), ("1h", 0, 3625), ("1.5m", 5, 120), ("500ms", 5, 31)],
)
def test_the_pod_outlasts_its_uploads(duration: str, preStop: int, expected: int) -> None:  # noqa: N803
    values = {
        "settings": {**UPSTREAM, "shutdownTimeout": duration},
        "preStopSleepSeconds": preStop,
    }
    pod = one(render(values), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == expected > parse_duration(duration)


def test_uploads_go_to_the_gateway() -> None:
    values = {
        "settings": UPSTREAM,
        "ingress": {"enabled": True, "paths": "uploads"},
        "httpRoute": {"enabled": True, "paths": "uploads", "parentRefs": [{"name": "public"}]},
    }
    manifests = render(values)
    ingress = one(manifests, "Ingress")["spec"]["rules"][0]["http"]["paths"]
    of_ingress = {path["path"]: path["backend"]["service"]["name"] for path in ingress}
    of_route = {
        match["path"]["value"]: rule["backendRefs"][0]["name"]
        for rule in one(manifests, "HTTPRoute")["spec"]["rules"]
        for match in rule["matches"]
    }
    assert of_route == of_ingress
    assert of_ingress.pop("/") == "mattermost"
    assert set(of_ingress.values()) == {"uploads-mattermost-upload-gateway"}
    for row in ENDPOINTS:
        if row.rule:
            assert any(row.path.startswith(prefix) for prefix in of_ingress), row.path


def test_secrets_and_policy() -> None:
    values = {"settings": UPSTREAM, "existingSecret": "mine", "policy": '[[rule]]\nname = "x"\n'}
    manifests = render(values)
    (container,) = one(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"secretRef": {"name": "mine"}} in container["envFrom"]
    file = Path(one(manifests, "ConfigMap")["data"]["GATEWAY_POLICY_FILE"])
    assert str(file.parent) in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert one(manifests, "ConfigMap", "-policy")["data"] == {file.name: values["policy"]}


def whole() -> list[Manifest]:
    return render(yaml.safe_load((CHART / "ci" / "whole-values.yaml").read_text()))


def test_rules_and_dashboard_are_those_in_deploy() -> None:
    for name in ("prometheus-rules.yml", "grafana-dashboard.json"):
        copy = (CHART / "files" / name).read_text()
        assert copy == (DEPLOY / name).read_text(), "run ./scripts/chart-files"
    rules = yaml.safe_load((DEPLOY / "prometheus-rules.yml").read_text())
    assert one(whole(), "PrometheusRule")["spec"] == rules
    (file,) = one(whole(), "ConfigMap", "-dashboard")["data"].values()
    assert json.loads(file) == json.loads((DEPLOY / "grafana-dashboard.json").read_text())


def test_rules_find_what_is_scraped() -> None:
    (endpoint,) = one(whole(), "ServiceMonitor")["spec"]["endpoints"]
    (relabeling,) = endpoint["relabelings"]
    assert relabeling["targetLabel"] == "job"
    expressions = (CHART / "files" / "prometheus-rules.yml").read_text()
    assert f'up{{job="{relabeling["replacement"]}"}}' in expressions


def test_more_alerts() -> None:
    mine = {"alert": "Mine", "expr": "up == 0"}
    rules = {"enabled": True, "additionalRules": [mine]}
    manifests = render({"settings": UPSTREAM, "prometheusRule": rules})
    assert one(manifests, "PrometheusRule")["spec"]["groups"][-1]["rules"] == [mine]


def test_what_others_define_has_the_form_that_they_want(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("crds")
    node = ready_to_run(Path(__file__).parent / "crds", folder)
    values = [yaml.safe_load(example.read_text()) for example in EXAMPLES]
    found = [
        manifest
        for rendered in map(render, values)
        for manifest in rendered
        if manifest["apiVersion"].startswith(NOT_KUBERNETES)
    ]
    kinds = {manifest["kind"] for manifest in found}
    assert kinds == {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}
    wrong = one(whole(), "HTTPRoute")
    wrong["spec"]["rules"][0]["matches"][0]["path"]["type"] = "Beginning"
    told = subprocess.run(
        [node, folder / "validate.js"],
        input=json.dumps([*found, wrong]),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(told) == 1, told
    assert "spec/rules/0/matches/0/path/type" in told[0]


def test_a_valkey_that_keeps_what_is_booked(tmp_path: Path) -> None:
    manifests = whole()
    (own,) = one(manifests, "StatefulSet", "-valkey")["spec"]["template"]["spec"]["containers"]
    arguments = [argument.replace("$(VALKEY_PASSWORD)", "secret") for argument in own["args"]]
    arguments = [argument.replace("/data", str(tmp_path)) for argument in arguments]
    (container,) = one(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    url = environment(manifests, container)["GATEWAY_LEDGER_URL"]
    assert one(manifests, "Service", "-valkey")["metadata"]["name"] in url
    # Kubernetes puts a variable's value in where it is defined before.
    names = [variable["name"] for variable in container["env"]]
    assert names.index("VALKEY_PASSWORD") < names.index("GATEWAY_LEDGER_URL")
    for server in (own, container):
        password = next(v for v in server["env"] if v["name"] == "VALKEY_PASSWORD")
        assert password["valueFrom"]["secretKeyRef"] == {
            "name": "uploads-valkey",
            "key": "password",
        }
    with ValkeyServer(tmp_path, *arguments, password="secret") as server:
        url = url.replace("$(VALKEY_PASSWORD)", "secret")
        url = re.sub("@.*:6379", f"@127.0.0.1:{server.port}", url)
        with redis.Redis.from_url(url) as client:
            config = client.config_get("maxmemory-policy", "appendonly", "dir")
        assert config == {
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "dir": str(tmp_path),
        }
        with redis.Redis.from_url(server.url) as stranger, pytest.raises(redis.RedisError):
            stranger.ping()


def test_a_clamav_that_takes_what_the_gateway_sends(tmp_path: Path) -> None:
    manifests = whole()
    settings = one(manifests, "ConfigMap")["data"]
    service = one(manifests, "Service", "-clamav")
    port = service["spec"]["ports"][0]["port"]
    assert settings["GATEWAY_SCANNER_URL"] == f"tcp://{service['metadata']['name']}:{port}"
    text = one(manifests, "ConfigMap", "-clamav")["data"]["clamd.conf"]
    lines = dict(re.findall(r"^(\w+) (\S+)$", text, re.M))
    largest = load(settings).scanner_largest
    assert {int(lines["StreamMaxLength"]), int(lines["MaxFileSize"])} == {largest}
    here = ("DatabaseDirectory", "TemporaryDirectory", "TCPSocket")
    assert {lines.pop(name) for name in here} == {"/var/lib/clamav", "/tmp", str(port)}
    with Clamd(tmp_path, **lines) as clamd:
        assert clamd.command("PING") == b"PONG\0"


def test_the_test_is_let_in_and_gets_nothing_else() -> None:
    manifests = whole()
    test = one(manifests, "Pod", "-ready")["metadata"]["labels"].items()
    rules = one(manifests, "NetworkPolicy")["spec"]["ingress"]
    (admin,) = (rule for rule in rules if rule["ports"][0]["port"] == "uploads-admin")
    peers = [peer["podSelector"]["matchLabels"] for peer in admin["from"] if "podSelector" in peer]
    assert any(peer.items() <= test for peer in peers)


def test_notes_tell_the_next_step() -> None:
    with helm.Chart.load(CHART) as chart:
        for example in EXAMPLES:
            texts = chart.render(yaml.safe_load(example.read_text()), name="uploads")
            (notes,) = (text for name, text in texts.items() if name.endswith("NOTES.txt"))
            assert "helm -n default test uploads" in notes
            assert ("sidecar.yaml" in notes) == ("pattern: sidecar" in example.read_text())


def test_it_installs_as_the_readme_says() -> None:
    """But for the cluster."""
    readme = (CHART.parent.parent / "README.md").read_text()
    (block,) = re.findall(r"```sh\n(helm install .*?)```", readme, re.S)
    _, _, name, chart, *options = shlex.split(block.replace("\\\n", ""))
    assert CHART.samefile(CHART.parent.parent / chart)
    values: Values = {}
    assert options[::2] == ["--set"] * (len(options) // 2)
    for option in options[1::2]:
        path, _, value = option.partition("=")
        outer, inner = path.split(".")
        values.setdefault(outer, {})[inner] = value
    check(render(values))
    assert name == "uploads"


def test_its_package_has_all_that_it_renders(tmp_path: Path) -> None:
    packed = helm.package(CHART, destination=tmp_path)
    values = yaml.safe_load((CHART / "ci" / "whole-values.yaml").read_text())
    with helm.Chart.load(packed) as chart, helm.Chart.load(CHART) as folder:
        assert chart.render(values, name="uploads") == folder.render(values, name="uploads")


def test_every_value_is_in_the_schema() -> None:
    schema = json.loads(chart_schema.FILE.read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) - {"global"} == set(values)
