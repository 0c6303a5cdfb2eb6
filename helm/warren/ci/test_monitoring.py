"""Dashboards and alerts, against Prometheus' own tools and against the code that makes the metrics."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import promql_parser
import yaml

from chart import CHART, PROJECT, Manifests

DASHBOARDS = sorted(CHART.glob("charts/monitoring/dashboards/*.json"))
RULES = sorted(CHART.glob("charts/monitoring/rules/*.yaml"))
OURS = r"\b(?:messaging|email|analytics|http_server|warren)_[a-z_]+"


def metric(name):
    return re.sub(r"_(bucket|count|sum)$", "", name)


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board):
    return [target["expr"] for panel in panels(board) for target in panel["targets"]]


class Dashboards(unittest.TestCase):
    def boards(self):
        for path in DASHBOARDS:
            with self.subTest(dashboard=path.name):
                yield json.loads(path.read_text())

    def test_published_and_consumed_counts_come_first(self):
        board = json.loads((CHART / "charts/monitoring/dashboards/warren.json").read_text())
        self.assertEqual([panel["title"] for panel in panels(board)[:2]], ["Published", "Consumed"])

    def test_every_panel_is_described_has_a_unit_and_asks_the_chosen_source(self):
        for board in self.boards():
            for panel in panels(board):
                self.assertTrue(panel["title"] and len(panel["description"]) > 20, panel["title"])
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])
                self.assertEqual(panel["datasource"]["uid"], "${datasource}")
                self.assertTrue(panel["targets"], panel["title"])

    def test_every_query_is_promql_of_the_chosen_release_and_pods(self):
        for board in self.boards():
            for query in queries(board):
                plain = re.sub(r"\$__rate_interval", "4m", query)
                promql_parser.parse(re.sub(r"\$\w+", "x", plain))
                selectors = re.findall(r"\{([^}]*)\}", query)
                self.assertTrue(selectors, query)
                for selector in selectors:
                    for label in ("namespace", "release", "job", "instance"):
                        self.assertIn(f'{label}=~"${label}"', selector, query)

    def test_a_rate_spans_what_the_scrape_interval_asks_for(self):
        for board in self.boards():
            for query in queries(board):
                for span in re.findall(r"\brate\([^[]*\[([^\]]+)\]", query):
                    self.assertEqual(span, "$__rate_interval", query)

    def test_variables_follow_the_cluster(self):
        for board in self.boards():
            variables = {v["name"]: v for v in board["templating"]["list"]}
            self.assertEqual(list(variables), ["datasource", "namespace", "release", "job", "instance"])
            for variable in list(variables.values())[1:]:
                self.assertEqual((variable["refresh"], variable["multi"], variable["allValue"]), (2, True, ".+"))
            self.assertFalse(board["editable"])

    def test_every_metric_of_ours_is_one_that_a_service_makes(self):
        sources = "".join(path.read_text() for path in PROJECT.glob("services/*/src/**/*.rs"))
        asked = [query for board in self.boards() for query in queries(board)]
        asked += [rule["expr"] for path in RULES for group in yaml.safe_load(path.read_text()) for rule in group["rules"]]
        names = {metric(name) for query in asked for name in re.findall(OURS, re.sub(r'"[^"]*"', "", query))}
        self.assertGreater(len(names), 10)
        for name in sorted(names):
            self.assertIn(f'"{name}"', sources)


class Alerts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.spec = Manifests("monitoring.rules.enabled=true").get("PrometheusRule", "warren-alerts")["spec"]
        (self.folder / "rules.yaml").write_text(yaml.safe_dump(self.spec))
        shutil.copy(CHART / "ci/alerts_test.yaml", self.folder)

    def promtool(self, *arguments):
        done = subprocess.run([os.environ.get("PROMTOOL", "promtool"), *arguments], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def rules(self):
        return [rule for group in self.spec["groups"] for rule in group["rules"]]

    def test_each_fires_when_it_should_and_not_else(self):
        self.promtool("check", "rules", "rules.yaml")
        self.promtool("test", "rules", "alerts_test.yaml")

    def test_each_is_tested_firing_and_not_firing(self):
        cases = [case for test in yaml.safe_load((CHART / "ci/alerts_test.yaml").read_text())["tests"] for case in test["alert_rule_test"]]
        for rule in self.rules():
            expected = {bool(case.get("exp_alerts")) for case in cases if case["alertname"] == rule["alert"]}
            self.assertEqual(expected, {True, False}, rule["alert"])

    def test_each_has_a_runbook_that_exists(self):
        headings = {line[4:].strip().lower() for line in (CHART / "README.md").read_text().splitlines() if line.startswith("### ")}
        for rule in self.rules():
            self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"}, rule["alert"])
            self.assertIn(rule["annotations"]["runbook_url"].partition("#")[2], headings)

    def test_each_is_about_its_own_release(self):
        for rule in self.rules():
            for selector in re.findall(r"\{([^}]*)\}", rule["expr"]):
                self.assertIn('namespace="shop", release="warren"', selector, rule["alert"])

    def test_without_a_broker_of_the_chart_nothing_is_asked_of_it(self):
        manifests = Manifests("monitoring.rules.enabled=true", "rabbitmq.enabled=false", "global.broker.existingSecret=urls")
        self.assertNotIn("rabbitmq_", json.dumps(manifests.get("PrometheusRule", "warren-alerts")))


class Scraping(unittest.TestCase):
    def test_prometheus_accepts_its_configuration(self):
        data = Manifests("monitoring.prometheus.enabled=true").get("ConfigMap", "warren-prometheus")["data"]
        with tempfile.TemporaryDirectory() as folder:
            for name, content in data.items():
                Path(folder, name).write_text(content.replace("/etc/prometheus", folder))
            done = subprocess.run([os.environ.get("PROMTOOL", "promtool"), "check", "config", f"{folder}/prometheus.yml"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_prometheus_looks_where_the_services_are(self):
        manifests = Manifests("monitoring.prometheus.enabled=true")
        config = yaml.safe_load(manifests.get("ConfigMap", "warren-prometheus")["data"]["prometheus.yml"])
        headless = {s["metadata"]["name"] for s in manifests.kinds("Service") if s["spec"].get("clusterIP") == "None"}
        asked = {name.removeprefix("_metrics._tcp.").split(".")[0] for job in config["scrape_configs"]
                 for found in job["dns_sd_configs"] for name in found["names"]}
        self.assertEqual(asked, headless)

    def test_an_upgrade_of_the_services_does_not_make_prometheus_forget(self):
        pod = lambda *values: Manifests("monitoring.prometheus.enabled=true", *values).get("Deployment", "warren-prometheus")["spec"]["template"]
        self.assertEqual(pod(), pod("global.image.tag=1.0.0", "global.settings.LOG_LEVEL=debug"))
        self.assertNotEqual(pod(), pod("rabbitmq.enabled=false", "global.broker.existingSecret=urls"))

    def test_both_ways_of_scraping_give_the_same_labels(self):
        manifests = Manifests("monitoring.prometheus.enabled=true", "monitoring.serviceMonitor.enabled=true")
        config = yaml.safe_load(manifests.get("ConfigMap", "warren-prometheus")["data"]["prometheus.yml"])
        for job in config["scrape_configs"]:
            labels = {r["target_label"]: r.get("replacement") for r in job["relabel_configs"]}
            self.assertEqual((labels["namespace"], labels["release"]), ("shop", "warren"))
            self.assertIn(labels.get("job", job["job_name"]), ("order", "email", "analytics", "rabbitmq"))
        for monitor in manifests.kinds("ServiceMonitor"):
            self.assertEqual(monitor["spec"]["jobLabel"], "app.kubernetes.io/name")
            self.assertEqual(monitor["spec"]["endpoints"][0]["relabelings"], [{"targetLabel": "release", "replacement": "warren"}])


if __name__ == "__main__":
    unittest.main()
