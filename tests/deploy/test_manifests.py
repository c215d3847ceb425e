"""The workers' manifests are whole without a cluster or an engine at hand: fields, references, and our own options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from typer.testing import CliRunner

from harness.cli import app

DEPLOY = Path(__file__).parents[2] / "fixtures" / "deploy"

TEXT = {"type": "string", "minLength": 1}
LABELS = {"type": "object", "additionalProperties": TEXT, "minProperties": 1}
QUANTITY = {"type": "string", "pattern": r"^\d+(\.\d+)?(m|Mi|Gi)?$"}
AMOUNTS = {"type": "object", "propertyNames": {"enum": ["cpu", "memory"]}, "additionalProperties": QUANTITY}


def strict(required: list[str], **fields: Any) -> dict[str, Any]:
    """An object with these fields and no others: a mistyped field of a manifest is silently dropped by a cluster."""
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


CONTAINER = strict(
    ["name", "image", "args", "resources", "securityContext"],
    name=TEXT,
    image=TEXT,
    args={"type": "array", "items": TEXT},
    envFrom={"type": "array", "items": strict(["configMapRef"], configMapRef=strict(["name"], name=TEXT))},
    resources=strict(["requests", "limits"], requests=AMOUNTS, limits=AMOUNTS),
    securityContext=strict(
        ["allowPrivilegeEscalation", "capabilities"],
        allowPrivilegeEscalation={"const": False},
        readOnlyRootFilesystem={"const": True},
        capabilities=strict(["drop"], drop={"const": ["ALL"]}),
    ),
    volumeMounts={"type": "array", "items": strict(["name", "mountPath"], name=TEXT, mountPath=TEXT)},
)
SPREAD = strict(
    ["maxSkew", "topologyKey", "whenUnsatisfiable", "labelSelector"],
    maxSkew={"type": "integer", "minimum": 1},
    topologyKey=TEXT,
    whenUnsatisfiable={"enum": ["DoNotSchedule", "ScheduleAnyway"]},
    labelSelector=strict(["matchLabels"], matchLabels=LABELS),
)
POD = strict(
    ["restartPolicy", "containers"],
    restartPolicy={"enum": ["Never", "OnFailure"]},
    automountServiceAccountToken={"const": False},
    securityContext=strict(
        ["runAsNonRoot"],
        runAsNonRoot={"const": True},
        runAsUser={"type": "integer", "minimum": 1},
        seccompProfile=strict(["type"], type={"enum": ["RuntimeDefault"]}),
    ),
    topologySpreadConstraints={"type": "array", "items": SPREAD},
    containers={"type": "array", "items": CONTAINER, "minItems": 1},
    volumes={"type": "array", "items": strict(["name", "emptyDir"], name=TEXT, emptyDir={"type": "object"})},
)
METADATA = strict(["labels"], name={"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}, labels=LABELS)
COUNT = {"type": "integer", "minimum": 0}
JOB = strict(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "batch/v1"},
    kind={"const": "Job"},
    metadata=METADATA,
    spec=strict(
        ["template", "parallelism", "completions"],
        parallelism=COUNT,
        completions=COUNT,
        completionMode={"enum": ["Indexed", "NonIndexed"]},
        backoffLimit=COUNT,
        activeDeadlineSeconds=COUNT,
        ttlSecondsAfterFinished=COUNT,
        template=strict(["metadata", "spec"], metadata=METADATA, spec=POD),
    ),
)
CONFIG_MAP = strict(
    ["apiVersion", "kind", "metadata", "data"],
    apiVersion={"const": "v1"},
    kind={"const": "ConfigMap"},
    metadata=METADATA,
    data={"type": "object", "additionalProperties": TEXT},
)


def options() -> str:
    return CliRunner().invoke(app, ["worker", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output


def manifests() -> tuple[dict[str, Any], dict[str, Any]]:
    config, job = yaml.safe_load_all((DEPLOY / "workers.yaml").read_text())
    return config, job


def test_the_kubernetes_manifests_have_only_fields_that_are_known() -> None:
    """Every field is one of the API's, of its type, and nothing runs as root."""
    config, job = manifests()
    jsonschema.validate(config, CONFIG_MAP)
    jsonschema.validate(job, JOB)


def test_what_the_job_refers_to_is_there() -> None:
    """Config map, volumes and labels are named as they are made; all workers of a run are wanted at once."""
    config, job = manifests()
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": config["metadata"]["name"]}}]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"].items() <= labels.items()
    assert job["spec"]["parallelism"] == job["spec"]["completions"]
    assert job["spec"]["backoffLimit"] == 0
    option, value = container["args"]
    assert option in options()
    assert value == "$(MASTER)"
    assert "MASTER" in config["data"]


def test_the_compose_file_starts_workers_that_listen_nowhere() -> None:
    """The image is built from a Dockerfile that is there, the options are ours, and no port is published."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    worker = compose["services"]["worker"]
    root = (DEPLOY / worker["build"]["context"]).resolve()
    assert (root / worker["build"]["dockerfile"]).is_file()
    assert worker["command"][0] in options()
    assert "ports" not in worker
    assert worker["restart"] == "no"
    assert worker["cap_drop"] == ["ALL"]


def test_the_image_runs_the_worker_and_not_as_root() -> None:
    """The entry point is the command that the manifests give arguments to; its user is the one that they name."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert 'ENTRYPOINT ["harness", "worker"]' in lines
    _, job = manifests()
    assert f"USER {job['spec']['template']['spec']['securityContext']['runAsUser']}" in lines


def compose_config(file: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Docker Compose reads and checks the file; it needs no engine for that."""
    command = [str(Path(sys.executable).with_name("docker-compose")), "-f", str(file), "config"]
    clean = {name: value for name, value in os.environ.items() if name != "MASTER"}
    return subprocess.run(command, capture_output=True, text=True, env={**clean, **environment})


def test_docker_compose_reads_the_file() -> None:
    """Compose itself knows every field, and puts in where the master is."""
    told = compose_config(DEPLOY / "compose.yaml", MASTER="host:5557")
    assert told.returncode == 0, told.stderr
    assert yaml.safe_load(told.stdout)["services"]["worker"]["command"] == ["--master", "host:5557"]


def test_docker_compose_asks_for_the_master() -> None:
    """Without it nothing would start, and the message says which variable to set."""
    told = compose_config(DEPLOY / "compose.yaml")
    assert told.returncode != 0
    assert "set MASTER to HOST:PORT" in told.stderr


def test_docker_compose_reads_the_backends_file() -> None:
    """The file that starts the reference backend by hand is one that Compose takes, too."""
    told = compose_config(DEPLOY.parent / "images" / "compose.yaml")
    assert told.returncode == 0, told.stderr
