"""What asks a running Prometheus and Grafana for the dashboards finds what is amiss: with a real Prometheus that reads itself, and with an API that
answers from it as Grafana's does, because Grafana's image cannot be had everywhere."""
import base64
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import live_dashboards
from chart import Manifests
from live_dashboards import DASHBOARDS, Grafana, Prometheus, amiss, amiss_in_grafana

CONFIG = """
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: order
    static_configs: [{targets: ["127.0.0.1:%d"]}]
    relabel_configs: [{target_label: namespace, replacement: shop}, {target_label: release, replacement: warren}]
"""
OURS = 'namespace=~"$namespace", release=~"$release", job=~"$job"'


def board(**panels):
    return {"panels": [{"title": title, "targets": [{"expr": query} for query in queries]} for title, queries in panels.items()]}


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
        return True
    except OSError:
        return False


class AsGrafana(BaseHTTPRequestHandler):
    """Answers as Grafana 12.2 does; whether what it knows is right is up to each test."""

    def log_message(self, *_):
        pass

    def say(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self):
        state = self.server.state
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"admin:se/cret").decode():
            self.say(401, {"message": "Unauthorized"})
        elif self.path.endswith("/health"):
            self.say(*state["health"])
        elif (uid := self.path.removeprefix("/api/dashboards/uid/")) in state["boards"]:
            self.say(200, {"dashboard": state["boards"][uid], "meta": {}})
        else:
            self.say(404, {"message": "Dashboard not found"})

    def do_POST(self):
        [query] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        assert query["datasource"]["uid"] == "warren" and query["instant"] != query["range"], query
        try:
            found = self.server.source.numbers({"expr": query["expr"].replace("$__rate_interval", "20s")}, {})
        except live_dashboards.Refused as why:
            return self.say(400, {"results": {"A": {"error": f"bad_data: {why}", "status": 400, "frames": []}}})
        # A frame without a series has no fields, and what is no number is null.
        fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number"}]
        filled = {"schema": {"refId": "A", "fields": fields}, "data": {"values": [[0] * (len(found) + 1), [*found, None]]}}
        empty = {"schema": {"refId": "A", "fields": []}, "data": {"values": []}}
        self.say(200, {"results": {"A": {"status": 200, "frames": [empty, filled]}}})


class LiveDashboards(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        Path(folder.name, "prometheus.yml").write_text(CONFIG % port)
        # It comes with its promtool.
        program = Path(os.environ["PROMTOOL"]).with_name("prometheus") if "PROMTOOL" in os.environ else "prometheus"
        process = subprocess.Popen([program, f"--config.file={folder.name}/prometheus.yml", f"--storage.tsdb.path={folder.name}/data",
                                    f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.kill)
        cls.prometheus = Prometheus(f"http://127.0.0.1:{port}/")
        while not answers(f"http://127.0.0.1:{port}/-/ready") or not cls.prometheus.numbers({"expr": "rate(prometheus_http_requests_total[20s])"}, {}):
            assert process.poll() is None, "Prometheus ended"
            time.sleep(0.2)

    def grafana(self, boards, health=(200, {"status": "OK", "message": "Successfully queried the Prometheus API."})):
        server = ThreadingHTTPServer(("127.0.0.1", 0), AsGrafana)
        server.source, server.state = self.prometheus, {"boards": boards, "health": health}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return Grafana(f"http://admin:se%2Fcret@127.0.0.1:{server.server_port}")

    def test_panels_without_data_and_queries_that_are_refused_are_named(self):
        grafana = self.grafana({})
        boards = [("one.json", board(
            Up=[f"up{{{OURS}}}", f"missing{{{OURS}}}"],
            Rate=[f"rate(prometheus_http_requests_total{{{OURS}}}[$__rate_interval])"],
            Gone=[f"missing{{{OURS}}}"],
            NotANumber=[f"0 * up{{{OURS}}} / 0"],
            Wrong=[f"up{{{OURS}}}", "sum(("],
        ))]
        for source in (self.prometheus, grafana):
            gone, no_number, wrong = amiss(source, boards, {"namespace": "shop", "release": "warren"})
            self.assertEqual((gone, no_number), ("one.json, Gone: no data", "one.json, NotANumber: no data"))
            self.assertRegex(wrong, r"^one\.json, Wrong: .*parse error.*: sum\(\($")
            self.assertEqual(len(list(amiss(source, boards, {"namespace": "other", "release": "warren"}))), 5)

    def test_grafana_has_to_have_the_dashboards_of_the_release_and_a_healthy_source(self):
        chart = Manifests("monitoring.prometheus.enabled=true", "monitoring.grafana.enabled=true")
        rendered = [json.loads(*one["data"].values()) for one in chart.kinds("ConfigMap") if "-dashboard-" in one["metadata"]["name"]]
        whole = {one["uid"]: one for one in rendered}
        [source] = re.findall(r"uid: (\S+)", chart.get("ConfigMap", "warren-grafana")["data"]["datasource.yaml"])
        self.assertEqual((source, len(whole)), (live_dashboards.SOURCE, len(DASHBOARDS)))
        seen = lambda *state: [fault for fault in amiss_in_grafana(self.grafana(*state), "shop", "warren") if not fault.endswith(": no data")]
        self.assertEqual(seen(whole), [])
        # As Compose has them.
        files = [json.loads(path.read_text()) for path in DASHBOARDS]
        self.assertEqual(seen({one["uid"]: one for one in files}), [])
        [missing] = seen({uid: one for uid, one in whole.items() if "rabbitmq" in uid})
        self.assertRegex(missing, r"^warren\.json: it is not there as warren-\w{12} or warren: Dashboard not found$")
        [uid] = [uid for uid in whole if "rabbitmq" not in uid]
        self.assertEqual(seen({**whole, uid: board(Up=["up"])}), ["warren.json: it is not as the chart has it"])
        ill = (400, {"status": "ERROR", "message": "connection refused"})
        self.assertEqual(seen(whole, ill), ["the data source warren says 400: connection refused"])


if __name__ == "__main__":
    unittest.main()
