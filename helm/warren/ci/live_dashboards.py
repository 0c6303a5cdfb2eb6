#!/usr/bin/env python3
"""Asks a running Prometheus every query of the dashboards: live_dashboards.py PROMETHEUS_URL [NAMESPACE [RELEASE]]
With GRAFANA_URL in the environment, as http://USER:PASSWORD@HOST:PORT, it also asks that Grafana whether it has them, and reaches Prometheus.

Prometheus has to take every query, and every panel needs one that has had a number within the last five minutes: what went wrong has none on a good
day. Place an order first. It waits a minute for that."""
import base64
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


def ask(url, query, minutes=5):
    """The numbers that a query has had."""
    now = time.time()
    form = urllib.parse.urlencode({"query": query, "start": now - 60 * minutes, "end": now, "step": 5})
    with urllib.request.urlopen(f"{url}/api/v1/query_range", form.encode(), timeout=30) as answer:
        result = json.load(answer)["data"]["result"]
    return [float(value) for series in result for _, value in series["values"] if not math.isnan(float(value))]


def queries(namespace, release):
    """(dashboard, panel, query) with the variables filled in as Grafana does."""
    variables = {"namespace": namespace, "release": release, "__rate_interval": "20s", "__interval": "5s", "__interval_ms": "5000", "__range": "3600s"}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield path.name, panel["title"], re.sub(r"\$\{?(\w+)\}?", lambda name: variables.get(name[1], ".+"), target["expr"])


def unanswered(url, namespace, release):
    panels = {}
    for dashboard, panel, query in queries(namespace, release):
        try:
            panels.setdefault((dashboard, panel), []).extend(ask(url.rstrip("/"), query))
        except urllib.error.HTTPError as error:
            yield f"{dashboard}, {panel}: {json.load(error)['error']}: {query}"
    for (dashboard, panel), answers in panels.items():
        if not answers:
            yield f"{dashboard}, {panel}: no data"


def asked_of_grafana(url, path, body=None):
    """What Grafana's API answers."""
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(f"{parts.scheme}://{parts.hostname}:{parts.port}{path}", body and json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if parts.username:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def amiss_in_grafana(url):
    """What of the provisioning is not there, or does not work."""
    titles = [found["title"] for found in asked_of_grafana(url, "/api/search?type=dash-db")]
    for path in DASHBOARDS:
        title = json.loads(path.read_text())["title"]
        if not any(found in (title, f"{title} (shop/warren)") for found in titles):
            yield f"Grafana has no dashboard {title!r}, but {titles}"
    query = {"refId": "A", "datasource": {"uid": "warren"}, "expr": "up", "instant": True}
    answer = asked_of_grafana(url, "/api/ds/query", {"queries": [query], "from": "now-5m", "to": "now"})
    if not answer["results"]["A"].get("frames"):
        yield f"Grafana's data source says {answer['results']['A']}"


def main(url, namespace="shop", release="warren"):
    asked, until = len({query[:2] for query in queries(namespace, release)}), time.time() + 60
    while (silent := list(unanswered(url, namespace, release))) and time.time() < until:
        time.sleep(5)
    print(f"{asked - len(silent)} of {asked} panels have data", *silent, sep="\n")
    if grafana := os.environ.get("GRAFANA_URL"):
        silent += (amiss := list(amiss_in_grafana(grafana)))
        print("Grafana has the dashboards and reaches Prometheus" if not amiss else "Grafana:", *amiss, sep="\n")
    return 1 if silent or not asked else 0


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    try:
        sys.exit(main(*sys.argv[1:]))
    except urllib.error.URLError as error:
        sys.exit(f"live_dashboards: {sys.argv[1]} does not answer: {error.reason}")
