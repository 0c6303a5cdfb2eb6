"""Dashboards and alerts, against Prometheus' own tools and against the code that makes the metrics."""
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import promql_parser
import yaml

from chart import CHART, PROJECT, Manifests

DASHBOARDS = sorted(CHART.glob("charts/monitoring/dashboards/*.json"))
RULES = sorted(CHART.glob("charts/monitoring/rules/*.yaml"))
OWN_BROKER = ("rabbitmq.enabled=false", "global.broker.existingSecret=urls")
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

    def test_the_first_row_answers_whether_all_orders_were_mailed_and_counted(self):
        board = json.loads((CHART / "charts/monitoring/dashboards/warren.json").read_text())
        first = panels(board)[:6]
        self.assertEqual([panel["title"] for panel in first], ["Accepted", "Mailed", "Counted", "Waiting", "Dead letters", "Refused"])
        for panel in first:
            self.assertEqual((panel["fieldConfig"]["defaults"]["unit"], panel["fieldConfig"]["defaults"]["decimals"]), ("locale", 0))
            self.assertTrue(all(target["instant"] for target in panel["targets"]))
        # Cancellations are events too, and no orders.
        for panel in first[:3]:
            for selector in re.findall(r"messaging_\w+\{([^}]*)\}", panel["targets"][0]["expr"]):
                self.assertIn('routing_key="order.placed"', selector)

    def test_the_first_row_counts_what_happened_and_not_what_had_happened_when_it_was_first_seen(self):
        board = json.loads((CHART / "charts/monitoring/dashboards/warren.json").read_text())
        accepted = panels(board)[0]["targets"][0]["expr"]
        values = {"__interval": "30s", "__interval_ms": "30000", "__range": "7200s"}
        query = re.sub(r"\$\{?(\w+)\}?", lambda name: values.get(name[1], ".+"), accepted)
        pod = 'namespace="shop", release="warren", job="order", instance="%s"'
        placed = f'messaging_published_total{{{pod}, routing_key="order.placed", outcome="confirmed"}}'
        began = f"process_start_time_seconds{{{pod}}}"
        # One pod began hours before it was first scraped, and was not scraped for 40 minutes; another began at minute 100 and took 37 orders.
        series = {placed % "old": "_x20 1000x60 _x80 1000x100", began % "old": "_x20 -9000x60 _x80 -9000x100",
                  placed % "new": "_x200 0 20 37x50", began % "new": "_x200 6000x52"}
        test = {"interval": "30s", "input_series": [{"series": name, "values": line} for name, line in series.items()],
                "promql_expr_test": [{"expr": query, "eval_time": "125m", "exp_samples": [{"labels": "{}", "value": 37}]}]}
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "test.yaml").write_text(json.dumps({"evaluation_interval": "30s", "tests": [test]}))
            done = subprocess.run([os.environ.get("PROMTOOL", "promtool"), "test", "rules", f"{folder}/test.yaml"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_numbers_of_the_first_row_are_of_one_size(self):
        board = json.loads((CHART / "charts/monitoring/dashboards/warren.json").read_text())
        shown = [(panel["gridPos"]["w"], *(json.dumps(panel["options"][name]) for name in ("text", "orientation", "textMode"))) for panel in panels(board)[:6]]
        self.assertEqual(len(set(shown)), 1, shown)

    def test_what_two_releases_hold_is_added(self):
        for board in self.boards():
            for query in queries(board):
                if re.search("rabbitmq_(detailed|unreachable)", query):
                    self.assertRegex(query, r"^sum( by \(queue\) )?\(max by \(namespace, release(, queue)?\) \(")

    def test_what_was_moved_or_set_aside_once_is_not_the_last_value_for_ever(self):
        for board in self.boards():
            for query in queries(board):
                # A point that is left out makes the one before it the last.
                self.assertFalse(query.startswith("round(") and query.endswith("[$__rate_interval]))) > 0"), query)

    def test_delay_queues_have_one_colour_and_it_is_not_that_of_trouble(self):
        for board in self.boards():
            for panel in panels(board):
                if panel["title"] in ("Ready", "Unacknowledged") or panel["title"] == "Waiting" and panel["type"] == "timeseries":
                    overrides = [override for override in panel["fieldConfig"]["overrides"] if re.search(override["matcher"]["options"], "email-queue.retry.10s")]
                    self.assertEqual([o["properties"][0]["value"]["fixedColor"] for o in overrides], ["yellow"], panel["title"])

    def test_a_list_of_pods_is_by_service(self):
        for board in self.boards():
            for panel in panels(board):
                if panel["type"] == "state-timeline":
                    for target in panel["targets"]:
                        # Prometheus sorts by the names of the labels, and this one is the first.
                        self.assertRegex(target["expr"], r'^label_join\(.*, "by", "/", "job", "instance"\)$')

    def test_a_row_is_full(self):
        for board in self.boards():
            widths = {}
            for panel in board["panels"]:
                widths[panel["gridPos"]["y"]] = widths.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
            self.assertEqual(set(widths.values()), {24})

    def test_the_choice_of_a_service_is_about_pods_alone(self):
        for board in self.boards():
            pods = [row["gridPos"]["y"] for row in board["panels"] if row["title"] == "Pods"] or [1000]
            for panel in panels(board):
                for target in panel["targets"]:
                    self.assertEqual("$service" in target["expr"], panel["gridPos"]["y"] > pods[0], panel["title"])

    def test_lines_of_outcomes_that_did_not_come_are_left_out(self):
        for board in self.boards():
            for panel in panels(board):
                for target in panel["targets"]:
                    if re.search(r"\{\{(outcome|status)\}\}", target["legendFormat"]):
                        self.assertIn("[$__range] @ end())) > 0", target["expr"], panel["title"])

    def test_trouble_is_red(self):
        for board in self.boards():
            for panel in panels(board):
                for override in panel["fieldConfig"]["overrides"]:
                    for change in override["properties"]:
                        if change["id"] == "color" and re.search(r"dead|undecodable|unroutable|^refused", override["matcher"]["options"]):
                            self.assertIn(change["value"]["fixedColor"], ("#e02f44", "red"), panel["title"])

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
                plain = re.sub(r"\$__(rate_interval|range|interval)\b", "4m", query.replace("${__interval_ms}", "240000"))
                promql_parser.parse(re.sub(r"\$\w+", "x", plain))
                selectors = re.findall(r"(?<!\$)\{([^}]*)\}", query)
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
            self.assertEqual(list(variables), ["datasource", "namespace", "release", *(["service"] if board["uid"] == "warren" else []), "job", "instance"])
            # A choice of one job or pod would empty most panels, so these are there for links alone.
            self.assertEqual([name for name, v in variables.items() if v.get("hide")], ["job", "instance"])
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


class Rules(unittest.TestCase):
    """What test_alerts.py does not ask: that each says what it is about, and leads somewhere."""

    def rules(self, *values):
        spec = Manifests("monitoring.rules.enabled=true", *values).get("PrometheusRule", "warren-alerts")["spec"]
        return [rule for group in spec["groups"] for rule in group["rules"]]

    def every_rule(self):
        return [*self.rules(), *self.rules(*OWN_BROKER)]

    def test_each_has_a_section_in_the_runbook_that_says_all(self):
        sections = {section.split("\n")[0]: section for section in re.split(r"\n##+ ", (CHART / "RUNBOOK.md").read_text())}
        for rule in self.every_rule():
            for words in ("**What it means.**", "what to do", "over when", "`"):
                self.assertIn(words.lower(), sections[rule["alert"]].lower(), rule["alert"])

    def test_each_links_to_its_section_where_the_runbook_has_a_url(self):
        for rule in self.rules():
            self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook"})
            self.assertEqual(rule["annotations"]["runbook"], f"RUNBOOK.md of the chart, section {rule['alert'].lower()}")
        for rule in self.rules("monitoring.rules.runbookUrl=https://example.com/RUNBOOK.md"):
            self.assertEqual(rule["annotations"]["runbook_url"], f"https://example.com/RUNBOOK.md#{rule['alert'].lower()}")

    def test_each_link_of_the_pages_leads_to_a_heading(self):
        for page in ("README.md", "RUNBOOK.md"):
            for target, anchor in re.findall(r"\]\((\w+\.md)?#([^)]+)\)", (CHART / page).read_text()):
                headings = re.findall(r"^#+ (.+)$", (CHART / (target or page)).read_text(), re.M)
                self.assertIn(anchor, {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, page)

    def test_the_runbook_names_what_the_chart_installs(self):
        runbook = (CHART / "RUNBOOK.md").read_text()
        manifests = Manifests("rabbitmq.replicas=3")
        kinds = {"deploy": "Deployment", "statefulset": "StatefulSet", "cronjob": "CronJob", "secret": "Secret"}
        named = set(re.findall(r"\b(deploy|statefulset|cronjob|secret)[/ ](?:generic )?\$R-([a-z-]+)", runbook))
        self.assertEqual({kind for kind, _ in named}, set(kinds))
        for kind, name in named:
            manifests.get(kinds[kind], f"warren-{name}")
        self.assertIn("rabbit@$R-rabbitmq-0.$R-rabbitmq-nodes.$NS", runbook)
        node = manifests.get("StatefulSet", "warren-rabbitmq")["spec"]["template"]["spec"]["containers"][0]["env"]
        self.assertIn({"name": "RABBITMQ_NODENAME", "value": "rabbit@$(POD_NAME).warren-rabbitmq-nodes.shop"}, node)

    def test_the_runbook_touches_what_belongs_to_the_release_alone(self):
        runbook = (CHART / "RUNBOOK.md").read_text()
        selectors = set(re.findall(r" -l (\S+(?: \w+\))?)", runbook))
        self.assertEqual(selectors, {"$(of order)", "$(of email)", "$(of rabbitmq)"})
        claims = Manifests("rabbitmq.replicas=3").get("StatefulSet", "warren-rabbitmq")["spec"]["volumeClaimTemplates"]
        for labels in [claims[0]["metadata"]["labels"], *(template["metadata"]["labels"] for _, template in Manifests().pods())]:
            self.assertLessEqual({"app.kubernetes.io/instance", "app.kubernetes.io/name"}, set(labels))

    def test_each_is_in_the_table_of_the_chart(self):
        table = {"critical": set(), "warning": set()}
        for line in (CHART / "README.md").read_text().splitlines():
            for alerts, cell in zip(table.values(), line.strip("|").split("|")):
                alerts.update(re.findall(r"\[(Warren\w+)\]", cell))
        self.assertEqual(table, {severity: {rule["alert"] for rule in self.every_rule() if rule["labels"]["severity"] == severity} for severity in table})

    def test_each_is_about_its_own_release(self):
        for rule in self.every_rule():
            for selector in re.findall(r"\{([^}]*)\}", rule["expr"]):
                self.assertIn('namespace="shop", release="warren"', selector, rule["alert"])

    def test_without_a_broker_of_the_chart_nothing_is_asked_of_it(self):
        self.assertNotIn("rabbitmq_", json.dumps(self.rules(*OWN_BROKER)))

    def test_a_service_that_is_not_installed_is_not_missed(self):
        consumers = {rule["labels"]["queue"] for rule in self.rules("email.enabled=false") if rule["alert"] == "WarrenNobodyConsumes"}
        self.assertEqual(consumers, {"analytics-queue"})
        self.assertNotIn("WarrenNobodyTakesOrders", {rule["alert"] for rule in self.rules("order.enabled=false")})


class Scraping(unittest.TestCase):
    def test_prometheus_accepts_its_configuration(self):
        data = Manifests("monitoring.prometheus.enabled=true").get("ConfigMap", "warren-prometheus")["data"]
        with tempfile.TemporaryDirectory() as folder:
            for name, content in data.items():
                Path(folder, name).write_text(content.replace("/etc/prometheus", folder))
            done = subprocess.run([os.environ.get("PROMTOOL", "promtool"), "check", "config", f"{folder}/prometheus.yml"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_prometheus_tells_an_alertmanager_and_keeps_its_data_where_it_is_asked_to(self):
        config = lambda *values: yaml.safe_load(Manifests("monitoring.prometheus.enabled=true", *values).get("ConfigMap", "warren-prometheus")["data"]["prometheus.yml"])
        self.assertNotIn("alerting", config())
        told = config("monitoring.prometheus.alertmanager=alertmanager.monitoring:9093")
        self.assertEqual(told["alerting"], {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager.monitoring:9093"]}]}]})
        data = lambda manifests: [v for v in manifests.get("Deployment", "warren-prometheus")["spec"]["template"]["spec"]["volumes"] if v["name"] == "data"]
        self.assertEqual(data(Manifests("monitoring.prometheus.enabled=true")), [{"name": "data", "emptyDir": {}}])
        kept = Manifests("monitoring.prometheus.enabled=true", "monitoring.prometheus.persistence.size=8Gi")
        self.assertEqual(data(kept), [{"name": "data", "persistentVolumeClaim": {"claimName": "warren-prometheus"}}])
        self.assertEqual(kept.get("PersistentVolumeClaim", "warren-prometheus")["spec"]["resources"]["requests"], {"storage": "8Gi"})
        self.assertEqual(kept.get("Deployment", "warren-prometheus")["spec"]["strategy"], {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})

    def test_a_sidecar_is_told_the_folder_of_the_dashboards(self):
        for board in Manifests("monitoring.dashboards.enabled=true").kinds("ConfigMap"):
            if "-dashboard-" in board["metadata"]["name"]:
                self.assertEqual(board["metadata"]["annotations"], {"grafana_folder": "Warren"})

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
            [release, *page] = monitor["spec"]["endpoints"][0]["relabelings"]
            self.assertEqual(release, {"targetLabel": "release", "replacement": "warren"})
            own = [{"sourceLabels": ["__metrics_path__"], "targetLabel": "metrics_path"}]
            self.assertEqual(page, own if "rabbitmq" in monitor["metadata"]["name"] else [])

    def test_no_two_pages_of_a_pod_have_one_up(self):
        chart = Manifests("monitoring.prometheus.enabled=true").get("ConfigMap", "warren-prometheus")["data"]["prometheus.yml"]
        for config in (chart, Compose.compose["configs"]["prometheus"]["content"]):
            read = []
            for job in yaml.safe_load(config)["scrape_configs"]:
                given = {"job": job["job_name"], **{rule["target_label"]: rule.get("replacement", job.get("metrics_path")) for rule in job["relabel_configs"]}}
                read.append((given["job"], given.get("metrics_path")))
            self.assertEqual(len(set(read)), len(read), read)

    def test_a_node_is_counted_once_though_both_its_pages_name_its_version(self):
        for board in (json.loads(path.read_text()) for path in DASHBOARDS):
            for query in queries(board):
                if "rabbitmq_build_info" in query:
                    self.assertRegex(query, r"count( by \([^)]*\))? ?\(max by \(namespace, release, instance")


class Compose(unittest.TestCase):
    """The profile of deploy/compose.yaml with the chart's own dashboards and alerts."""

    compose = yaml.safe_load((PROJECT / "deploy/compose.yaml").read_text())

    def prepared(self, folder):
        """Runs what Prometheus' container runs, with a program in place of Prometheus that shows its arguments."""
        service = self.compose["services"]["prometheus"]
        mounts = dict(volume.split(":")[1::-1] for volume in service["volumes"] if volume.startswith(".."))
        script = service["command"][0].replace("$$", "$").replace("/tmp/", f"{folder}/").replace("exec prometheus", "echo")
        for inside, outside in mounts.items():
            script = script.replace(f"{inside}/", f"{PROJECT}/deploy/{outside}/")
        subprocess.run([*service["entrypoint"], script], check=True, capture_output=True)
        config = self.compose["configs"]["prometheus"]["content"].replace("$$", "$").replace("/tmp/", f"{folder}/")
        Path(folder, "prometheus.yml").write_text(config)
        return config, yaml.safe_load(Path(folder, "alerts.yaml").read_text())["groups"]

    def test_its_alerts_are_those_of_the_chart(self):
        with tempfile.TemporaryDirectory() as folder:
            _, groups = self.prepared(folder)
            done = subprocess.run([os.environ.get("PROMTOOL", "promtool"), "check", "config", f"{folder}/prometheus.yml"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        rendered = Manifests("monitoring.rules.enabled=true").get("PrometheusRule", "warren-alerts")["spec"]["groups"]
        rendered = yaml.safe_load(json.dumps(rendered).replace('namespace=\\"shop\\"', 'namespace=\\"compose\\"').replace('"namespace": "shop"', '"namespace": "compose"'))
        by_name = lambda groups: {group["name"]: group for group in groups}
        self.assertEqual(by_name(groups), by_name(rendered))

    def test_it_reads_what_the_chart_reads_with_the_same_labels(self):
        with tempfile.TemporaryDirectory() as folder:
            compose, _ = self.prepared(folder)
        chart = Manifests("monitoring.prometheus.enabled=true").get("ConfigMap", "warren-prometheus")["data"]["prometheus.yml"]
        read = lambda text: {job["job_name"]: (job.get("metrics_path", "/metrics"), job.get("params"), {r["target_label"] for r in job["relabel_configs"]})
                             for job in yaml.safe_load(text)["scrape_configs"]}
        self.assertEqual(read(compose), read(chart))

    def test_its_dashboards_are_those_of_the_chart(self):
        grafana = self.compose["services"]["grafana"]
        folder, inside, _ = grafana["volumes"][0].split(":")
        self.assertEqual(sorted((PROJECT / "deploy" / folder).resolve().glob("*.json")), DASHBOARDS)
        self.assertTrue(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].startswith(f"{inside}/"))


if __name__ == "__main__":
    unittest.main()
