"""What clusters of other kinds than ours ask of the chart."""
import json
import shutil
import tempfile
import unittest
from pathlib import Path

import yaml

from chart import CHART, Manifests, every_set, text, values_file

EVERYTHING = ("monitoring.prometheus.enabled=true", "monitoring.grafana.enabled=true")
IDS = ("runAsUser", "runAsGroup", "fsGroup")


class Clusters(unittest.TestCase):
    def manifests(self, values, *more, **options):
        return Manifests(*more, files=(values_file(self, values),), **options)

    def test_every_fixed_user_and_group_can_be_left_out(self):
        for owner, template in Manifests("global.fixedUsers=false", *EVERYTHING, tests=True).pods():
            contexts = [template["spec"]["securityContext"], *(c["securityContext"] for c in template["spec"]["containers"] + template["spec"].get("initContainers", []))]
            for context in contexts:
                self.assertEqual([key for key in context if key in IDS], [], owner["metadata"]["name"])
                self.assertIs(context["runAsNonRoot"], True)
        pod = Manifests().get("StatefulSet", "warren-rabbitmq")["spec"]["template"]["spec"]
        self.assertEqual([pod["securityContext"][key] for key in IDS], [999] * 3)

    def test_security_contexts_can_be_changed_field_by_field(self):
        security = {"podSecurityContext": {"runAsUser": 1234, "fsGroup": None}, "securityContext": {"readOnlyRootFilesystem": False}}
        manifests = self.manifests({"rabbitmq": security, "email": security, "order": security, "monitoring": security}, *EVERYTHING, tests=True)
        for owner, template in manifests.pods():
            if owner["metadata"]["name"].startswith("warren-analytics"):
                continue
            context = template["spec"]["securityContext"]
            self.assertEqual((context["runAsUser"], context.get("fsGroup"), context["seccompProfile"]), (1234, None, {"type": "RuntimeDefault"}), owner["metadata"]["name"])
            for container in template["spec"]["containers"]:
                self.assertEqual((container["securityContext"]["readOnlyRootFilesystem"], container["securityContext"]["capabilities"]), (False, {"drop": ["ALL"]}))

    def test_every_pod_goes_where_the_cluster_wants_it(self):
        taint = {"key": "shop", "operator": "Exists"}
        given = {"global": {"nodeSelector": {"kubernetes.io/arch": "arm64"}, "tolerations": [taint], "imagePullSecrets": ["one", {"name": "two"}]},
                 "order": {"nodeSelector": {"zone": "a"}, "affinity": {"podAffinity": {}}, "priorityClassName": "high"}}
        for owner, template in self.manifests(given, *EVERYTHING, tests=True).pods():
            spec, name = template["spec"], owner["metadata"]["name"]
            selector = {"kubernetes.io/arch": "arm64", **({"zone": "a"} if name in ("warren-order", "warren-check") else {})}
            self.assertEqual((spec["nodeSelector"], spec["tolerations"], spec["imagePullSecrets"]), (selector, [taint], [{"name": "one"}, {"name": "two"}]), name)
        check = self.manifests(given, tests=True).get("Pod", "warren-check")["spec"]
        self.assertEqual((check["affinity"], check["priorityClassName"]), ({"podAffinity": {}}, "high"))

    def test_labels_and_annotations_are_given_to_all_that_is_asked(self):
        own = {"podLabels": {"team": "shop"}, "podAnnotations": {"a": "b"}}
        manifests = self.manifests({"global": {"commonLabels": {"cost": "7"}}, "rabbitmq": own, "order": own, "monitoring": own}, *EVERYTHING,
                                   "check.podAnnotations.inject=no", tests=True)
        for document in manifests.all:
            self.assertEqual(document["metadata"]["labels"]["cost"], "7", document["metadata"]["name"])
            # A selector never changes.
            selector = json.dumps([document.get("spec", {}).get(key) for key in ("selector", "volumeClaimTemplates", "podSelector")])
            self.assertNotIn("cost", selector)
        for owner, template in manifests.pods():
            name, labels = owner["metadata"]["name"], template["metadata"]["labels"]
            self.assertEqual(labels["cost"], "7", name)
            if name in ("warren-rabbitmq", "warren-order", "warren-prometheus", "warren-grafana"):
                self.assertEqual((labels["team"], template["metadata"]["annotations"]["a"]), ("shop", "b"), name)
        self.assertEqual(manifests.get("Pod", "warren-check")["metadata"]["annotations"]["inject"], "no")

    def test_volumes_variables_and_accounts_can_be_added(self):
        volume, mount, variable = {"name": "more", "emptyDir": {}}, {"name": "more", "mountPath": "/more"}, {"name": "MORE", "value": "1"}
        given = {"extraVolumes": [volume], "extraVolumeMounts": [mount], "serviceAccount": {"create": False, "name": "ours"}}
        manifests = self.manifests({"rabbitmq": {**given, "extraEnv": [variable]}, "email": {**given, "extraEnv": [variable]},
                                    "monitoring": {"prometheus": given, "grafana": {**given, "extraEnv": [variable]}}}, *EVERYTHING)
        for kind, name in [("StatefulSet", "warren-rabbitmq"), ("Deployment", "warren-email"), ("Deployment", "warren-prometheus"), ("Deployment", "warren-grafana")]:
            spec = manifests.get(kind, name)["spec"]["template"]["spec"]
            self.assertIn(volume, spec["volumes"], name)
            self.assertIn(mount, spec["containers"][0]["volumeMounts"], name)
            self.assertEqual(spec["serviceAccountName"], "ours")
            if name != "warren-prometheus":
                self.assertIn(variable, spec["containers"][0]["env"], name)
        self.assertEqual({a["metadata"]["name"] for a in manifests.kinds("ServiceAccount")}, {"warren-order", "warren-analytics"})
        self.assertEqual(Manifests("email.serviceAccount.create=false").get("Deployment", "warren-email")["spec"]["template"]["spec"]["serviceAccountName"], "default")

    def test_authorities_of_the_mail_server_and_the_collector_are_mounted(self):
        manifests = Manifests("email.smtpCaSecret=mail", "global.otlpCaSecret=collector", "global.rabbitmq.tls.existingSecret=broker", tests=True)
        for kind, name, expected in [("Deployment", "warren-email", {"mail", "collector", "broker"}), ("Deployment", "warren-order", {"collector", "broker"}),
                                     ("CronJob", "warren-email-redrive", {"collector", "broker"})]:
            spec = manifests.get(kind, name)["spec"]
            spec = (spec["jobTemplate"]["spec"]["template"] if kind == "CronJob" else spec["template"])["spec"]
            self.assertEqual({volume["secret"]["secretName"] for volume in spec["volumes"]}, expected)
            for volume in spec["volumes"]:
                self.assertEqual(volume["secret"]["items"], [{"key": "ca.crt", "path": "ca.crt"}])
            folders = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
            env = manifests.env(kind, name)
            files = {env[key] for key in ("AMQP_CA_FILE", "OTEL_EXPORTER_OTLP_CERTIFICATE", "SMTP_CA_FILE") if key in env}
            self.assertEqual(files, {f"{folder}/ca.crt" for folder in folders})
            self.assertEqual("SMTP_CA_FILE" in env, name == "warren-email")

    def test_services_have_the_families_of_the_cluster(self):
        manifests = Manifests("global.ipFamilyPolicy=PreferDualStack", "global.ipFamilies={IPv6,IPv4}", *EVERYTHING)
        for service in manifests.kinds("Service"):
            given = (service["spec"].get("ipFamilyPolicy"), service["spec"].get("ipFamilies"))
            headless = service["spec"].get("clusterIP") == "None"
            self.assertEqual(given, (None, None) if headless else ("PreferDualStack", ["IPv6", "IPv4"]), service["metadata"]["name"])
        config = manifests.get("ConfigMap", "warren-prometheus")["data"]["prometheus.yml"]
        self.assertEqual((config.count("type: A\n"), config.count("type: AAAA\n")), (3, 3))

    def test_services_are_reached_as_the_cloud_wants_it(self):
        service = {"type": "LoadBalancer", "loadBalancerClass": "internal", "loadBalancerSourceRanges": ["203.0.113.0/24"],
                   "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Cluster", "annotations": {"a": "b"}}
        manifests = self.manifests({"rabbitmq": {"service": service}, "order": {"http": {"service": service}},
                                    "monitoring": {"prometheus": {"service": service}, "grafana": {"service": service}}}, *EVERYTHING)
        for name in ("rabbitmq", "order", "prometheus", "grafana"):
            found = manifests.get("Service", f"warren-{name}")
            self.assertEqual({key: found["spec"][key] for key in service if key != "annotations"}, {k: v for k, v in service.items() if k != "annotations"})
            self.assertEqual(found["metadata"]["annotations"], {"a": "b"})
        for service in manifests.kinds("Service"):
            for port in service["spec"]["ports"]:
                self.assertIn(port["appProtocol"], ("http", "tcp"))

    def test_a_label_that_is_given_twice_is_there_once(self):
        labels = {"release": "prometheus", "grafana_dashboard": "2"}
        manifests = self.manifests({"global": {"commonLabels": labels}, "monitoring": {
            "rules": {"enabled": True, "labels": labels}, "serviceMonitor": {"enabled": True, "labels": labels}, "dashboards": {"enabled": True}}})
        for kind in ("PrometheusRule", "ServiceMonitor"):
            for found in manifests.kinds(kind):
                self.assertEqual(found["metadata"]["labels"]["release"], "prometheus")
        self.assertEqual(text(files=(values_file(self, {"global": {"commonLabels": labels}, "monitoring": {"dashboards": {"enabled": True}}}),)).count('grafana_dashboard: "1"'), 2)

    def test_names_that_yaml_takes_for_numbers_are_texts_in_the_rules(self):
        for namespace, release in (("2024", "warren"), ("shop", "no"), ("null", "yes")):
            with self.subTest(namespace=namespace, release=release):
                [rules] = Manifests("monitoring.rules.enabled=true", namespace=namespace, release=release).kinds("PrometheusRule")
                for group in rules["spec"]["groups"]:
                    for rule in group["rules"]:
                        self.assertEqual([value for value in rule["labels"].values() if not isinstance(value, str)], [], rule["alert"])

    def test_a_node_may_take_a_week_to_stop_only_where_it_waits_for_others(self):
        grace = lambda *values: Manifests(*values).get("StatefulSet", "warren-rabbitmq")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        self.assertEqual((grace(), grace("rabbitmq.replicas=3"), grace("rabbitmq.terminationGracePeriodSeconds=90")), (600, 604800, 90))

    def test_a_foreign_key_of_a_parent_chart_under_global_harms_nothing(self):
        self.manifests({"global": {"services": {"payment": {"url": "http://payment"}}}})

    def test_grafana_begins_anew_when_its_data_source_changes(self):
        notes = lambda url: Manifests("monitoring.grafana.enabled=true", f"monitoring.grafana.prometheusUrl={url}").get("Deployment", "warren-grafana")["spec"]["template"]["metadata"]["annotations"]
        self.assertNotEqual(notes("http://a"), notes("http://b"))

    def test_a_cluster_without_volumes_has_a_broker_for_a_trial(self):
        spec = Manifests("rabbitmq.persistence.enabled=false").get("StatefulSet", "warren-rabbitmq")["spec"]
        self.assertNotIn("volumeClaimTemplates", spec)
        self.assertIn({"name": "data", "emptyDir": {}}, spec["template"]["spec"]["volumes"])

    def test_a_spread_without_a_selector_spreads_the_pods_of_its_owner(self):
        rule = {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
        own = {**rule, "labelSelector": {"matchLabels": {"a": "b"}}}
        manifests = Manifests(files=(values_file(self, {name: {"topologySpreadConstraints": [rule, own]} for name in ("order", "rabbitmq")}),))
        for kind, name in (("Deployment", "order"), ("StatefulSet", "rabbitmq")):
            spec = manifests.get(kind, f"warren-{name}")["spec"]
            self.assertEqual(spec["template"]["spec"]["topologySpreadConstraints"], [{**rule, "labelSelector": spec["selector"]}, own])

    def test_a_broker_is_placed_and_configured_as_others(self):
        spread, affinity = [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}], {"nodeAffinity": {}}
        manifests = self.manifests({"rabbitmq": {"topologySpreadConstraints": spread, "affinity": affinity, "advancedConfig": "[].\n"}})
        spec = manifests.get("StatefulSet", "warren-rabbitmq")["spec"]["template"]["spec"]
        self.assertEqual((spec["topologySpreadConstraints"], spec["affinity"]), (spread, affinity))
        self.assertEqual(manifests.get("ConfigMap", "warren-rabbitmq")["data"]["advanced.config"], "[].\n")
        self.assertEqual(manifests.env("StatefulSet", "warren-rabbitmq")["RABBITMQ_ADVANCED_CONFIG_FILE"], "/config/advanced.config")
        behavior = {"scaleDown": {"stabilizationWindowSeconds": 600}}
        scaler = self.manifests({"order": {"autoscaling": {"enabled": True, "behavior": behavior}}}).get("HorizontalPodAutoscaler", "warren-order")
        self.assertEqual(scaler["spec"]["behavior"], behavior)

    def test_a_quota_finds_requests_and_limits_in_every_container(self):
        for values, manifests in every_set():
            for owner, template in manifests.pods():
                for container in template["spec"]["containers"] + template["spec"].get("initContainers", []):
                    for kind in ("requests", "limits"):
                        self.assertEqual(set(container["resources"][kind]), {"cpu", "memory"}, (values, owner["metadata"]["name"]))


class Policies(unittest.TestCase):
    def test_the_closed_example_closes_every_pod_both_ways(self):
        manifests = Manifests(*EVERYTHING, files=(CHART / "examples/closed.yaml",), tests=True)
        policies = [p["spec"] for p in manifests.kinds("NetworkPolicy")]
        for owner, template in manifests.pods():
            labels = template["metadata"]["labels"]
            kinds = {kind for spec in policies if spec["podSelector"]["matchLabels"].items() <= labels.items() for kind in spec["policyTypes"]}
            self.assertEqual(kinds, {"Ingress", "Egress"}, owner["metadata"]["name"])

    def test_names_are_asked_for_wherever_a_cluster_answers_them(self):
        manifests = Manifests(*EVERYTHING, "global.dnsTo[0].ipBlock.cidr=10.96.0.10/32", files=(CHART / "examples/closed.yaml",), tests=True)
        closed = [p for p in manifests.kinds("NetworkPolicy") if "Egress" in p["spec"]["policyTypes"]]
        self.assertEqual(len(closed), 9)
        for policy in closed:
            dns = policy["spec"]["egress"][0]
            self.assertEqual({(port["port"], port["protocol"]) for port in dns["ports"]}, {(p, protocol) for p in (53, 5353) for protocol in ("UDP", "TCP")})
            self.assertEqual(dns["to"], [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "169.254.0.0/16"}}, {"ipBlock": {"cidr": "10.96.0.10/32"}}])

    def test_nobody_reaches_what_answers_nothing(self):
        manifests = Manifests(tests=True)
        for name in ("warren-email-redrive", "warren-analytics-redrive", "warren-check"):
            self.assertNotIn("ingress", manifests.get("NetworkPolicy", name)["spec"])


class Check(unittest.TestCase):
    def env(self, *values):
        pod = Manifests(*values, tests=True).get("Pod", "warren-check")
        return {e["name"]: e["value"] for e in pod["spec"]["containers"][0]["env"]}

    def test_the_test_mails_nobody_unless_somebody_is_named(self):
        self.assertIn("CHECK_EMAIL_METRICS", self.env())
        self.assertNotIn("CHECK_MAILS", self.env())
        for smtp in ("email.settings.SMTP_URL=smtp://mail", "global.settings.SMTP_URL=smtp://mail", "email.existingSecret=smtp",
                     "email.envFrom[0].secretRef.name=smtp", "email.extraEnv[0].name=SMTP_URL"):
            silent = self.env(smtp)
            self.assertEqual((silent["CHECK_MAILS"], silent.get("CHECK_EMAIL"), silent.get("CHECK_EMAIL_METRICS")), ("false", None, None), smtp)
            named = self.env(smtp, "check.email=ops@example.com")
            self.assertEqual((named.get("CHECK_MAILS"), named["CHECK_EMAIL"], named["CHECK_EMAIL_METRICS"]), (None, "ops@example.com", "warren-email-pods:9090"))
        self.assertNotIn("CHECK_EMAIL_METRICS", self.env("email.enabled=false"))


class Dashboards(unittest.TestCase):
    def test_two_releases_under_one_grafana_have_dashboards_of_their_own(self):
        def boards(**options):
            maps = [m for m in Manifests("monitoring.dashboards.enabled=true", **options).kinds("ConfigMap") if "grafana_dashboard" in m["metadata"]["labels"]]
            return {file: json.loads(text) for m in maps for file, text in m["data"].items()}
        one, other, third = boards(), boards(release="other"), boards(namespace="elsewhere")
        for mine, theirs in ((one, other), (one, third), (other, third)):
            self.assertFalse(set(mine) & set(theirs))
            for key in ("uid", "title"):
                self.assertFalse({board[key] for board in mine.values()} & {board[key] for board in theirs.values()})
        for board in one.values():
            self.assertLessEqual(len(board["uid"]), 40)

    def test_the_grafana_of_the_chart_opens_the_dashboard_of_the_release(self):
        manifests = Manifests(*EVERYTHING)
        home = manifests.env("Deployment", "warren-grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        self.assertIn(home.removeprefix("/dashboards/"), manifests.get("ConfigMap", "warren-dashboard-warren")["data"])


class Notes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A copy of the chart that shows its notes, which helm itself shows only of what it installs."""
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.chart = shutil.copytree(CHART, Path(folder.name, "warren"))
        cls.chart.joinpath("templates", "shown.yaml").write_text('notes: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}\n')

    def notes(self, *values):
        [notes] = [document["notes"] for document in yaml.safe_load_all(text(*values, chart=self.chart)) if document and "notes" in document]
        return notes

    def test_they_say_where_things_are_for_the_way_it_was_installed(self):
        for values, named in {
            (): "port-forward service/warren-order 8080:80",
            ("order.ingress.enabled=true", "order.ingress.host=a.example.com"): "http://a.example.com/orders",
            ("order.ingress.enabled=true", "order.ingress.host=a.example.com", "order.ingress.tlsSecret=tls"): "https://a.example.com/orders",
            ("order.httpRoute.enabled=true", "order.httpRoute.parentRefs[0].name=shop", "order.httpRoute.hostnames[0]=b.example.com"): "http://b.example.com/orders",
            ("order.http.service.type=NodePort",): "get service warren-order -o jsonpath='{.spec.ports[0].nodePort}'",
            ("order.http.service.type=LoadBalancer", "order.http.service.port=8000"): "http://$address:8000/orders",
            ("rabbitmq.service.type=LoadBalancer", "rabbitmq.service.loadBalancerSourceRanges[0]=203.0.113.0/24"): "port-forward statefulset/warren-rabbitmq 15672",
            ("rabbitmq.persistence.enabled=false",): "Nothing of RabbitMQ outlives its pods",
        }.items():
            with self.subTest(values=values):
                notes = self.notes(*values)
                self.assertIn(named, notes)
                self.assertIn("POST /orders has no authentication", notes)
        self.assertIn("port-forward service/warren-prometheus 9090", self.notes("monitoring.prometheus.enabled=true"))
        self.assertNotIn("/orders", self.notes("order.enabled=false"))


if __name__ == "__main__":
    unittest.main()
