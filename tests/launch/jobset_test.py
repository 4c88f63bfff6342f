"""The manifests of `launch/gke.sh` against the schema of JobSet, Job and Pod."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")

FOLDER = Path(__file__).parent
MANIFESTS = ("gke_train", "gke_train_pod", "gke_run_v5p", "gke_sample")
SCHEMA = json.loads((FOLDER / "jobset_schema.json").read_text())


def _manifest(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "golden" / f"{name}.txt").read_text())


def _pod(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(_manifest(name), SCHEMA)


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another kind": lambda m: m.update(kind="Job"),
    "a field of a wrong name": lambda m: m["spec"].update(failure_policy={}),
    "a restart count in words": lambda m: m["spec"]["failurePolicy"].update(maxRestarts="50"),
    "an unknown action": lambda m: m["spec"]["failurePolicy"]["rules"][0].update(action="Fail"),
    "a pod that restarts itself": lambda m: _pod(m).update(restartPolicy="OnFailure"),
    "a command in one string": lambda m: _pod(m)["containers"][0].update(command="rft train"),
    "no image": lambda m: _pod(m)["containers"][0].pop("image"),
    "no chips": lambda m: _pod(m)["containers"][0]["resources"]["limits"].clear(),
    "a name with a space": lambda m: m["metadata"].update(name="my run"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_schema_finds_what_is_wrong(name: str) -> None:
    manifest = copy.deepcopy(_manifest("gke_train"))
    BROKEN[name](manifest)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, SCHEMA)


def test_every_mount_has_its_volume_and_every_exit_code_its_container() -> None:
    for name in MANIFESTS:
        pod = _pod(_manifest(name))
        mounts = {mount["name"] for c in pod["containers"] for mount in c["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}
        job = _manifest(name)["spec"]["replicatedJobs"][0]["template"]["spec"]
        rule = job["podFailurePolicy"]["rules"][0]["onExitCodes"]
        assert rule == {"containerName": "rft", "operator": "In", "values": [2]}
        assert rule["containerName"] in [container["name"] for container in pod["containers"]]


@pytest.mark.parametrize(("name", "hosts"), [("gke_train_pod", 8), ("gke_run_v5p", 2)])
def test_the_hosts_of_a_slice_find_each_other(name: str, hosts: int) -> None:
    """By JobSet's name for the first pod (JobSet-job-number-index.JobSet), numbered by index."""
    job = _manifest(name)["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert (job["completionMode"], job["parallelism"], job["completions"]) == (
        "Indexed", hosts, hosts
    )  # fmt: skip
    container = _pod(_manifest(name))["containers"][0]
    assert container["resources"]["limits"] == {"google.com/tpu": 4}
    given = {one["name"]: one for one in container["env"]}
    assert given["JAX_COORDINATOR_ADDRESS"]["value"] == "rft-slice-0-0.rft:8476"
    assert given["JAX_NUM_PROCESSES"]["value"] == str(hosts)
    index = given["JAX_PROCESS_ID"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert index == "metadata.annotations['batch.kubernetes.io/job-completion-index']"


def test_the_command_arrives_word_by_word() -> None:
    """`$$` is Kubernetes' way to write `$`."""
    train = _pod(_manifest("gke_train"))["containers"][0]["command"]
    assert train[:4] == ["rft", "train", "--model", "models/7b"]
    sample = _pod(_manifest("gke_sample"))["containers"][0]["command"]
    assert sample[:4] == ["rft", "sample", "--model", "runs/sft"]
    assert sample[-3].replace("$$", "$") == "--gin.sample.stop=('it''s \"$5\"',)"
    assert sample[-2:] == ["--shard", "$(SLICE)/4"]


def test_line_breaks_in_a_flag_arrive() -> None:
    flag = "--gin.sample.stop=('a\nb\r\n', '\\n')"
    words = ["apply", "--name", "rft", "--image", "rft:1", "--claim", "rft", "--dry_run"]
    done = subprocess.run(
        ["bash", "launch/gke.sh", *words, "--", "sample", flag],
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    command = _pod(yaml.safe_load(done.stdout))["containers"][0]["command"]
    assert command == ["rft", "sample", flag]
