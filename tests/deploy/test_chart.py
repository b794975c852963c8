"""The chart, by a real Helm: it lints, and what it renders is valid, restricted and complete."""

import json
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

from gateway.endpoints import ENDPOINTS
from gateway.metrics import families
from gateway.settings import AllSettings, load
from gateway.units import parse_duration
from tests.deploy.proxies import DEPLOY
from tests.support import chart_schema

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


def check(manifests: list[Manifest]) -> None:
    """What holds whatever the values are."""
    validate(manifests)
    settings = load(one(manifests, "ConfigMap")["data"])
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            pod = manifest["spec"]["template"]["spec"]
        elif manifest["kind"] == "Pod":
            pod = manifest["spec"]
        else:
            continue
        assert is_restricted(pod)
    if sidecars := [m for m in manifests if m["metadata"]["name"].endswith("-sidecar")]:
        (data,) = (m["data"] for m in sidecars)
        pod = {
            "containers": [yaml.safe_load(data["container.yaml"])],
            "volumes": yaml.safe_load(data["volumes.yaml"]),
            "terminationGracePeriodSeconds": int(data["terminationGracePeriodSeconds"]),
        }
        validate([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}])
    else:
        pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] > settings.shutdown_timeout
    assert str(settings.spool_dir) == STATE  # which is there; the gateway makes no folder for it
    # What is written to is a volume, since the root is read-only; what is mounted is there.
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert {STATE, "/tmp"} <= set(mounts)
    assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert str(settings.listen).endswith(f":{ports['uploads']}")
    assert str(settings.admin_listen).endswith(f":{ports['uploads-admin']}")


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
            for inner in (container["securityContext"] for container in pod["containers"])
        )
        and not any("hostPath" in volume for volume in pod.get("volumes", ()))
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.name)
def test_examples(example: Path) -> None:
    values = yaml.safe_load(example.read_text())
    report = helm.lint(CHART, values, strict=True, kube_version="v1.34.0")
    assert not report["errors"]
    assert not [message for message in report["messages"] if message["severity"] >= WARNING]
    check(render(values))


SWITCHES = ("ingress", "httpRoute", "podDisruptionBudget", "networkPolicy", "serviceMonitor")


@pytest.mark.parametrize("pattern", ["proxy", "sidecar"])
@pytest.mark.parametrize("paths", ["all", "uploads"])
def test_a_matrix_of_values(pattern: str, paths: str) -> None:
    for chosen in ((), SWITCHES, *((switch,) for switch in SWITCHES)):
        values: Values = {"pattern": pattern, "settings": UPSTREAM}
        for switch in SWITCHES:
            values[switch] = {"enabled": switch in chosen}
        values["ingress"]["paths"] = values["httpRoute"]["paths"] = paths
        values["httpRoute"]["parentRefs"] = [{"name": "public"}]
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


def test_alerts_are_about_metrics_that_exist() -> None:
    manifests = render({"settings": UPSTREAM, "prometheusRule": {"enabled": True}})
    (group,) = one(manifests, "PrometheusRule")["spec"]["groups"]
    known = {family.exposed_name for family in families.ALL}
    for rule in group["rules"]:
        assert any(name in rule["expr"] for name in known), rule


def test_every_value_is_in_the_schema() -> None:
    schema = json.loads(chart_schema.FILE.read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) - {"global"} == set(values)
