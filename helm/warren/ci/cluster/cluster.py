"""The cluster, as an operator handles it: kubectl, helm, docker."""
import json
import os
import shlex
import subprocess
import time
from pathlib import Path

CHART = Path(__file__).resolve().parent.parent.parent
CONTEXT = os.environ["KUBE_CONTEXT"]
NODE = os.environ["KIND_NODE"]
TAG = os.environ["TAG"]
JOURNEY_IMAGE = os.environ["JOURNEY_IMAGE"]
HELM_ARGS = shlex.split(os.environ.get("HELM_ARGS", ""))
# Nothing is measured by it: it only ends what would never come.
PATIENCE = 900


def run(*command, stdin=None, check=True):
    """What a command printed; where it fails, what it said."""
    done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True, text=True, timeout=1800)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout if check else done


def kubectl(*arguments, **options):
    return run("kubectl", "--context", CONTEXT, *arguments, **options)


def helm(*arguments, **options):
    return run("helm", "--kube-context", CONTEXT, *arguments, **options)


def eventually(what, look, holds=bool, patience=PATIENCE):
    """Looks until what is seen holds, and returns it."""
    begun = time.monotonic()
    while True:
        try:
            seen = look()
            if holds(seen):
                return seen
        # What is looked for may not be there yet, or not answer.
        except (AssertionError, LookupError, ValueError) as error:
            seen = repr(error)
        if time.monotonic() - begun > patience:
            raise AssertionError(f"{what}: not within {patience} s; last seen: {str(seen)[-2000:]}")
        time.sleep(1)


def say(text):
    print(f"kind-test: {time.strftime('%H:%M:%S')} {text}", flush=True)


def said(text):
    """The lines of JSON in a log."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
