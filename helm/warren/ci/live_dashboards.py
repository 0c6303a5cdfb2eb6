#!/usr/bin/env python3
"""Asks a running Prometheus every query of the dashboards: live_dashboards.py PROMETHEUS_URL [NAMESPACE [RELEASE]]
With GRAFANA_URL in the environment, as http://USER:PASSWORD@HOST:PORT, it also asks that Grafana whether its data source is healthy and whether it
has the chart's dashboards, and runs every query of them there.

Every query has to be taken, and every panel needs one that has had a number within the last five minutes: what went wrong has none on a good
day. Place an order first. It waits a minute for that."""
import base64
import hashlib
import json
import math
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

DASHBOARDS = sorted(Path(__file__).resolve().parent.parent.glob("charts/monitoring/dashboards/*.json"))
SOURCE = "warren"  # the uid of the data source that the chart and Compose give to Grafana


class Refused(Exception):
    """A query that was not taken, and why."""


def answered(request):
    """What an API answers; where it refuses, the status and what it says."""
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        body = error.read()
        try:
            return error.code, json.loads(body)
        except ValueError:
            return error.code, {"message": body.decode(errors="replace")[:200]}


class Prometheus:
    def __init__(self, url, minutes=5):
        self.url, self.minutes = url.rstrip("/"), minutes

    def numbers(self, target, variables):
        """The numbers that the query of a panel has had, with the variables of time filled in as Grafana does."""
        times = {"__rate_interval": "20s", "__interval": "5s", "__interval_ms": "5000", "__range": f"{60 * self.minutes}s"}
        now = time.time()
        form = {"query": filled(target["expr"], {**times, **variables}), "start": now - 60 * self.minutes, "end": now, "step": 5}
        status, answer = answered(urllib.request.Request(f"{self.url}/api/v1/query_range", urllib.parse.urlencode(form).encode()))
        if status != 200:
            raise Refused(answer.get("error", answer))
        return [float(value) for series in answer["data"]["result"] for _, value in series["values"] if not math.isnan(float(value))]


class Grafana:
    def __init__(self, url, minutes=5):
        self.minutes, parts = minutes, urllib.parse.urlsplit(url)
        self.url = f"{parts.scheme}://{parts.hostname}:{parts.port or 80}"
        self.headers = {"Content-Type": "application/json"}
        if parts.username:
            user = f"{parts.username}:{urllib.parse.unquote(parts.password or '')}"
            self.headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()

    def ask(self, path, body=None):
        return answered(urllib.request.Request(self.url + path, body and json.dumps(body).encode(), self.headers))

    def numbers(self, target, variables):
        """The numbers that the query of a panel has had. Grafana itself fills in the variables of time."""
        query = {"refId": "A", "datasource": {"uid": SOURCE, "type": "prometheus"}, "expr": filled(target["expr"], variables),
                 "instant": bool(target.get("instant")), "range": not target.get("instant"), "intervalMs": 5000, "maxDataPoints": 1000}
        status, answer = self.ask("/api/ds/query", {"queries": [query], "from": f"now-{self.minutes}m", "to": "now"})
        result = answer.get("results", {}).get("A", answer)
        if status != 200 or result.get("error"):
            raise Refused(result.get("error", result))
        found = []
        for frame in result.get("frames", []):
            for field, values in zip(frame["schema"]["fields"], frame["data"]["values"]):
                found += [value for value in values if field["type"] == "number" and value is not None]
        return found

    def boards(self, namespace, release):
        """The chart's dashboards as this Grafana has them: the file's name, and the dashboard or what is amiss with it."""
        for path in DASHBOARDS:
            ours = json.loads(path.read_text())
            # The chart makes the uid of a release; Compose takes the files as they are.
            uids = [f"{ours['uid']}-{hashlib.sha256(f'{namespace}/{release}'.encode()).hexdigest()[:12]}", ours["uid"]]
            for status, answer in (self.ask(f"/api/dashboards/uid/{uid}") for uid in uids):
                if status == 200:
                    yield path.name, answer["dashboard"] if shown(answer["dashboard"]) == shown(ours) else "it is not as the chart has it"
                    break
            else:
                yield path.name, f"it is not there as {' or '.join(uids)}: {answer.get('message', answer)}"


def filled(text, variables):
    """Without the variables that are not Grafana's own and that nobody chose, which stand for all."""
    return re.sub(r"\$\{?(\w+)\}?", lambda name: variables.get(name[1], name[0] if name[1].startswith("__") else ".+"), text)


def shown(board):
    return [(panel["title"], [target["expr"] for target in panel.get("targets", [])]) for panel in board["panels"]]


def amiss(source, boards, variables):
    """What of these dashboards has no data, or is refused."""
    for name, board in boards:
        if isinstance(board, str):
            yield f"{name}: {board}"
            continue
        for panel in board["panels"]:
            found, refused = [], []
            for target in panel.get("targets", []):
                try:
                    found += source.numbers(target, variables)
                except Refused as why:
                    refused.append(f"{name}, {panel['title']}: {why}: {target['expr']}")
            yield from refused
            if panel.get("targets") and not found and not refused:
                yield f"{name}, {panel['title']}: no data"


def amiss_in_grafana(grafana, namespace, release):
    """What of its provisioning is not there, and what of the dashboards does not work."""
    status, health = grafana.ask(f"/api/datasources/uid/{SOURCE}/health")
    if status != 200 or health.get("status") != "OK":
        yield f"the data source {SOURCE} says {status}: {health.get('message', health)}"
    yield from amiss(grafana, grafana.boards(namespace, release), {"namespace": namespace, "release": release})


def patiently(what, look, until):
    """Looks until nothing is amiss, or the time is over, and tells what it saw."""
    def seen():
        try:
            return list(look())
        # The reason says nothing of the address, which may hold a password.
        except OSError as error:
            return [f"no answer: {getattr(error, 'reason', error)}"]

    while (faults := seen()) and time.time() < until:
        time.sleep(5)
    print(f"{what}: " + ("every panel has data" if not faults else "amiss"), *faults, sep="\n  ", flush=True)
    return faults


def main(url, namespace="shop", release="warren"):
    boards, until = [(path.name, json.loads(path.read_text())) for path in DASHBOARDS], time.time() + 60
    faults = patiently("Prometheus", lambda: amiss(Prometheus(url), boards, {"namespace": namespace, "release": release}), until)
    if grafana := os.environ.get("GRAFANA_URL"):
        faults += patiently("Grafana", lambda: amiss_in_grafana(Grafana(grafana), namespace, release), until)
    return 1 if faults or not boards else 0


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
