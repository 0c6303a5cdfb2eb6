"""Renders the chart for the tests."""
import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path

import yaml

CHART = Path(__file__).resolve().parent.parent
PROJECT = CHART.parent.parent
EXAMPLES = sorted(CHART.glob("examples/*.yaml"))
DIGEST = "sha256:" + "0" * 64
RELEASE, NAMESPACE = "warren", "shop"


def helm(*arguments):
    return subprocess.run([os.environ.get("HELM", "helm"), *map(str, arguments)], capture_output=True, text=True)


@functools.cache
def text(*values, files=(), tests=False, chart=CHART, release=RELEASE, namespace=NAMESPACE):
    """The rendered manifests as text; values are KEY=VALUE, files are sets of values."""
    arguments = ["template", release, chart, "--namespace", namespace, "--kube-version", "1.34.0"]
    arguments += [] if tests else ["--skip-tests"]
    for file in files:
        arguments += ["--values", file]
    for value in values:
        arguments += ["--set", value]
    done = helm(*arguments)
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


def refusal(*values, **options):
    """What helm says when it refuses these values."""
    try:
        text(*values, **options)
    except AssertionError as error:
        return str(error)
    raise AssertionError(f"{values or options} were accepted")


def said_in_one_line(refused):
    """Whether a refusal is one line, beside those that Helm puts around it."""
    around = ("--debug", "values don't meet", "warren:", "Error: values")
    return len([line for line in refused.splitlines() if line.strip() and not any(part in line for part in around)]) <= 2


def values_file(test, values):
    """A file with these values, for the time of the test."""
    file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
    test.addCleanup(file.close)
    json.dump(values, file)
    file.flush()
    return file.name


class Manifests:
    """What was rendered, by kind and name."""

    def __init__(self, *values, **options):
        self.all = [document for document in yaml.safe_load_all(text(*values, **options)) if document]

    def get(self, kind, name):
        found = [d for d in self.all if d["kind"] == kind and d["metadata"]["name"] == name]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} {kind} {name} among {[(d['kind'], d['metadata']['name']) for d in self.all]}")
        return found[0]

    def kinds(self, *kinds):
        return [d for d in self.all if d["kind"] in kinds]

    def pods(self):
        """(owner, pod template) of everything that makes pods."""
        for owner in self.kinds("Deployment", "StatefulSet", "CronJob", "Pod"):
            if owner["kind"] == "Pod":
                yield owner, owner
            elif owner["kind"] == "CronJob":
                yield owner, owner["spec"]["jobTemplate"]["spec"]["template"]
            else:
                yield owner, owner["spec"]["template"]

    def env(self, kind, name):
        spec = self.get(kind, name)["spec"]
        template = spec["jobTemplate"]["spec"]["template"] if kind == "CronJob" else spec["template"]
        return {e["name"]: e.get("value", e.get("valueFrom")) for e in template["spec"]["containers"][0]["env"]}


def every_set():
    """(name, Manifests) of the defaults and of each documented set of values."""
    yield "the defaults", Manifests(tests=True)
    for example in EXAMPLES:
        yield example.name, Manifests(files=(example,), tests=True)
