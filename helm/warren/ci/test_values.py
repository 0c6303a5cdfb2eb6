"""What users write arrives as it was written, and what cannot work is refused in one line that names it."""
import re
import shutil
import tempfile
import unittest
from pathlib import Path

import yaml

from chart import CHART, Manifests, helm, refusal, said_in_one_line, text, values_file

LARGE = 1_000_000


def as_kubernetes_expands(value):
    """What a container gets of a variable's value: $$ is $, and a variable that is there takes the place of $(NAME)."""
    return re.sub(r"\$\$|\$\((\w+)\)", lambda found: "$" if found[0] == "$$" else f"<{found[1]}>", value)


class Written(unittest.TestCase):
    def manifests(self, values, **options):
        return Manifests(files=(values_file(self, values),), **options)

    def test_numbers_of_a_values_file_arrive_as_written(self):
        consumer = {"settings": {"DEDUPE_CAPACITY": LARGE, "OTEL_TRACES_SAMPLER_ARG": 0.25}, "redrive": {"settings": {"LIMIT": 10 * LARGE}},
                    "keda": {"enabled": True, "messages": LARGE, "maxReplicas": 2 * LARGE}, "resources": {"limits": {"cpu": 2 * LARGE}}}
        manifests = self.manifests({
            "global": {"settings": {"OTEL_BSP_MAX_QUEUE_SIZE": 2 * LARGE}, "rabbitmq": {"auth": {"revision": LARGE}}},
            "order": {"autoscaling": {"enabled": True, "maxReplicas": LARGE, "cpu": 3 * LARGE}},
            "email": consumer, "analytics": {"replicas": LARGE, "settings": {"MAX_DELIVERIES": 5}},
            "rabbitmq": {"terminationGracePeriodSeconds": 3 * LARGE}})
        email = manifests.env("Deployment", "warren-email")
        self.assertEqual((email["DEDUPE_CAPACITY"], email["OTEL_TRACES_SAMPLER_ARG"], email["OTEL_BSP_MAX_QUEUE_SIZE"]), ("1000000", "0.25", "2000000"))
        self.assertEqual(manifests.env("Deployment", "warren-analytics")["MAX_DELIVERIES"], "5")
        self.assertEqual(manifests.env("CronJob", "warren-email-redrive")["LIMIT"], "10000000")
        self.assertEqual(manifests.get("ScaledObject", "warren-email")["spec"]["triggers"][0]["metadata"]["value"], "1000000")
        self.assertEqual(manifests.get("HorizontalPodAutoscaler", "warren-order")["spec"]["maxReplicas"], LARGE)
        self.assertEqual(manifests.get("Deployment", "warren-analytics")["spec"]["replicas"], LARGE)
        broker = manifests.get("StatefulSet", "warren-rabbitmq")["spec"]["template"]
        self.assertEqual(broker["metadata"]["annotations"]["warren/credentials-revision"], "1000000")
        self.assertEqual(broker["spec"]["terminationGracePeriodSeconds"], 3 * LARGE)
        self.assert_without_exponents(manifests)

    def assert_without_exponents(self, manifests):
        strings = [leaf for document in manifests.all if document["metadata"]["name"] != "warren-dashboard" for leaf in leaves(document)]
        self.assertEqual([leaf for leaf in strings if isinstance(leaf, float)], [])
        self.assertEqual([leaf for leaf in strings if isinstance(leaf, str) and len(leaf) < 20 and "e+0" in leaf], [])

    def test_a_dollar_of_a_setting_is_no_variable_of_kubernetes(self):
        for written in ("pa$$word", "$(POD_NAME)x", "$$(AMQP_PASSWORD)", "$", "a$", "$$$", "$x", "$(", "50$$(open"):
            with self.subTest(written=written):
                settings = {"OTEL_SERVICE_NAME": written}
                manifests = self.manifests({"global": {"settings": {"OTEL_TRACES_EXPORTER": written}}, "order": {"settings": settings},
                                            "email": {"settings": settings, "redrive": {"settings": settings}}, "check": {"email": f"{written}@example.com"}}, tests=True)
                for owner, template in manifests.pods():
                    for variable in template["spec"]["containers"][0].get("env", []):
                        if variable["name"].startswith("OTEL_") or variable["name"] == "CHECK_EMAIL":
                            arrives = as_kubernetes_expands(variable["value"]).removesuffix("@example.com")
                            self.assertEqual(arrives, written, (owner["metadata"]["name"], variable))

    def test_names_that_look_like_something_else_stay_names(self):
        # A name of Kubernetes may be a number, a boolean or nothing in YAML.
        for name in ("2024", "true", "null", "1e3", "0x10", "yes"):
            service = {"existingSecret": name, "smtpCaSecret": name, "priorityClassName": name, "serviceAccount": {"name": name, "annotations": {"a": name}},
                       "podAnnotations": {"a": name}, "podLabels": {"a": name}, "nodeSelector": {"a": name}, "keda": {"enabled": True, "namespace": name}}
            manifests = self.manifests({
                "global": {"rabbitmq": {"auth": {"existingSecret": name}, "tls": {"existingSecret": name}}, "otlpCaSecret": name,
                           "imagePullSecrets": [name], "commonLabels": {"b": name}, "image": {"tag": name}},
                "check": {"podAnnotations": {"a": name}},
                "rabbitmq": {"persistence": {"storageClass": name}, "priorityClassName": name, "podLabels": {"a": name}},
                "email": service,
                "order": {"ingress": {"enabled": True, "host": "*.example.com", "className": name, "tlsSecret": name}},
                "monitoring": {"prometheus": {"enabled": True}, "grafana": {"enabled": True, "existingSecret": name, "prometheusUrl": f"http://{name}"},
                               "priorityClassName": name, "podLabels": {"a": name}}}, tests=True, namespace=name)
            with self.subTest(name=name):
                for document in manifests.all:
                    self.assertEqual(document["metadata"]["namespace"], name, document["metadata"]["name"])
                    for key in ("labels", "annotations"):
                        self.assertEqual([v for v in (document["metadata"].get(key) or {}).values() if not isinstance(v, str)], [])
                for owner, template in manifests.pods():
                    self.assertEqual(template["spec"]["imagePullSecrets"], [{"name": name}])
                    self.assertEqual(template["metadata"]["labels"]["b"], name)
                pod = manifests.get("Deployment", "warren-email")["spec"]["template"]
                self.assertEqual((pod["spec"]["serviceAccountName"], pod["spec"]["priorityClassName"]), (name, name))
                self.assertEqual({volume["secret"]["secretName"] for volume in pod["spec"]["volumes"]}, {name})
                self.assertEqual(pod["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"], name)
                self.assertEqual(manifests.get("StatefulSet", "warren-rabbitmq")["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], name)

    def test_a_wildcard_is_a_host(self):
        ingress = {"enabled": True, "host": "*.example.com", "tlsSecret": "tls"}
        spec = self.manifests({"order": {"ingress": ingress}}).get("Ingress", "warren-order")["spec"]
        self.assertEqual((spec["rules"][0]["host"], spec["tls"][0]["hosts"]), ("*.example.com", ["*.example.com"]))

    def test_what_others_put_under_global_is_taken(self):
        foreign = {"imageRegistry": "registry.example.com", "cattle": {"systemProjectId": "p-1", "clusterId": "local"}, "storageClass": None, "hosts": []}
        self.assertEqual(text(files=(values_file(self, {"global": foreign}),), namespace="shop").count("kind: Deployment"), 3)

    def test_it_is_a_part_of_a_chart_of_ones_own(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(CHART, Path(folder, "charts/warren"), ignore=shutil.ignore_patterns("ci"))
            Path(folder, "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n  - {name: warren, version: '*'}\n")
            Path(folder, "values.yaml").write_text("global: {imageRegistry: r, storageClass: fast}\nwarren: {order: {replicas: 3}}\n")
            done = helm("template", "shop", folder, "--kube-version", "1.34.0")
        self.assertEqual(done.returncode, 0, done.stderr)
        manifests = {(d["kind"], d["metadata"]["name"]): d for d in yaml.safe_load_all(done.stdout) if d}
        order = manifests["Deployment", "shop-order"]["spec"]
        self.assertEqual(order["replicas"], 3)
        self.assertIn({"name": "REQUIRED_QUEUES", "value": "analytics-queue:order.placed+order.cancelled,email-queue:order.placed"},
                      order["template"]["spec"]["containers"][0]["env"])

    def test_a_new_version_of_the_chart_rolls_no_pod(self):
        values = ("monitoring.prometheus.enabled=true", "monitoring.grafana.enabled=true", "global.image.tag=v1")
        before = {owner["metadata"]["name"]: template for owner, template in Manifests(*values).pods()}
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder, "warren")
            shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("ci"))
            for path in chart.rglob("Chart.yaml"):
                path.write_text(path.read_text().replace("version: 0.1.0", "version: 0.2.0").replace("appVersion: 0.1.0", "appVersion: 0.2.0"))
            after = {owner["metadata"]["name"]: template for owner, template in Manifests(*values, chart=chart).pods()}
        self.assertEqual(before, after)


class Images(unittest.TestCase):
    def test_a_digest_that_was_made_for_a_tag_holds_for_that_tag_alone(self):
        other = "sha256:" + "1" * 64
        ours = lambda *values: Manifests(f"global.image.digests.order=0.1.0@{other}", *values).get("Deployment", "warren-order")["spec"]["template"]["spec"]["containers"][0]["image"]
        self.assertEqual((ours(), ours("global.image.tag=0.0.9")), (f"warren-order@{other}", "warren-order:0.0.9"))
        foreign = lambda *values: Manifests(f"rabbitmq.image.digest=4.3-management@{other}", *values).get("StatefulSet", "warren-rabbitmq")["spec"]["template"]["spec"]["containers"][0]["image"]
        self.assertEqual((foreign(), foreign("rabbitmq.image.tag=4.2-management")), (f"rabbitmq:4.3-management@{other}", "rabbitmq:4.2-management"))


class Refused(unittest.TestCase):
    def assert_refused(self, named, *values, **options):
        refused = refusal(*values, **options)
        self.assertIn(named, refused)
        self.assertTrue(said_in_one_line(refused), refused)

    def test_a_release_whose_name_is_no_name_of_a_service(self):
        for release in ("2shop", "shop-1.2", "2024"):
            with self.subTest(release=release):
                self.assert_refused("begin with a letter", release=release)
        self.assert_refused("at most 30 characters", release="a" * 31)

    def test_sets_of_values_that_cannot_work(self):
        for values, named in {
            ("order.terminationGracePeriodSeconds=21",): "order.terminationGracePeriodSeconds=21: at least 29",
            ("order.terminationGracePeriodSeconds=28",): "at least 29",
            ("order.settings.DRAIN_DELAY=30s",): "at least 54, for DRAIN_DELAY=30s",
            ("global.settings.PUBLISH_TIMEOUT=2m",): "PUBLISH_TIMEOUT=2m",
            ("order.settings.DRAIN_DELAY=soon",): "/settings/DRAIN_DELAY",
            ("order.autoscaling.enabled=true", "order.autoscaling.minReplicas=11"): "order.autoscaling.minReplicas=11 is more than maxReplicas=10",
            ("email.keda.enabled=true", "email.keda.minReplicas=6", "email.keda.maxReplicas=5"): "email.keda.minReplicas=6 is more than maxReplicas=5",
            ("order.autoscaling.enabled=true", "order.resources.requests.cpu=null"): "order.resources.requests.cpu",
            ("rabbitmq.persistence.size=1Gi",): "rabbitmq.persistence.size=1Gi: at least 4Gi",
            ("rabbitmq.persistence.enabled=false", "rabbitmq.replicas=3"): "rabbitmq.persistence.enabled=false: with rabbitmq.replicas=3",
            ("rabbitmq.persistence.size=4000M",): "at least 4Gi",
            ("order.http.service.nodePort=30080",): "order.http.service.nodePort=30080: a Service of the type ClusterIP has none",
            ("order.http.service.externalTrafficPolicy=Local",): "order.http.service.externalTrafficPolicy=Local",
            ("order.http.service.loadBalancerClass=a",): "order.http.service.loadBalancerClass",
            ("monitoring.grafana.enabled=true", "monitoring.prometheus.enabled=true", "monitoring.grafana.service.nodePort=1"): "monitoring.grafana.service.nodePort=1",
            ("rabbitmq.service.managementNodePort=31672",): "rabbitmq.service.managementNodePort",
            ("rabbitmq.service.type=NodePort", "rabbitmq.service.managementNodePort=31672"): "rabbitmq.service.management=true",
            ("email.settings.NOSUCH=1",): "'NOSUCH' not allowed",
            ("global.settings.LOGLEVEL=debug",): "'LOGLEVEL' not allowed",
            ("order.settings.PREFETCH=3",): "'PREFETCH' not allowed",
            ("email.redrive.settings.PREFETCH=3",): "'PREFETCH' not allowed",
            ("email.http.enabled=true",): "/email/http/enabled",
            ("order.http.enabled=false",): "/order/http/enabled",
            ("order.enabled=false", "email.enabled=false", "analytics.enabled=false"): "at least one of them has to be true",
            ("order.ingress.enabled=true",): "order.ingress.host is needed",
            ("order.httpRoute.enabled=true",): "order.httpRoute.parentRefs is needed",
            ("order.resources.requests.memory=1Gi",): "order.resources: it asks for 1Gi memory and may have 160Mi at most",
            ("rabbitmq.resources.limits.memory=512Mi",): "rabbitmq.resources: it asks for 1Gi memory",
            ("rabbitmq.image.tag=3.13-management",): "rabbitmq.image.tag=3.13-management: RabbitMQ 4.2 or later",
            ("rabbitmq.image.tag=4.1.7",): "RabbitMQ 4.2 or later",
            ("rabbitmq.image.tag=3-management",): "RabbitMQ 4.2 or later",
            ("global.broker.caSecret=ca",): "with rabbitmq.enabled=false",
            ("rabbitmq.enabled=false", "global.broker.existingSecret=a", "global.rabbitmq.tls.existingSecret=b"): "global.rabbitmq.tls.existingSecret",
            ("order.smtpCaSecret=ca",): "/order/smtpCaSecret",
            ("order.podLabels.app\\.kubernetes\\.io/instance=other",): "/podLabels/app.kubernetes.io~1instance",
            ("check.email=nobody",): "/check/email",
            ("rabbitmq.service.type=LoadBalancer",): "rabbitmq.service.loadBalancerSourceRanges",
            ("monitoring.prometheus.enabled=true", "monitoring.prometheus.service.type=LoadBalancer"): "monitoring.prometheus.service.loadBalancerSourceRanges",
            ("monitoring.serviceMonitor.enabled=true", "monitoring.serviceMonitor.interval=5m"): "monitoring.serviceMonitor.interval=5m: at most 30s",
            ("email.settings.SMTP_URL=smtp://mail", "email.extraEnv[0].name=SMTP_URL"): "email.extraEnv: SMTP_URL is there already",
            ("order.extraEnv[0].name=A", "order.extraEnv[1].name=A"): "order.extraEnv: A is there already",
            ("order.extraEnv[0].name=AMQP_URL",): "order.extraEnv: AMQP_URL",
            ("rabbitmq.extraEnv[0].name=RABBITMQ_NODENAME",): "rabbitmq.extraEnv: RABBITMQ_NODENAME",
            ("rabbitmq.extraVolumes[0].name=data", "rabbitmq.extraVolumes[0].secret.secretName=a"): "rabbitmq.extraVolumes: data",
            ("monitoring.rules.enabled=true", "monitoring.rules.labels.app\\.kubernetes\\.io/name=x"): "/rules/labels/app.kubernetes.io~1name",
            ("global.settings.DRAIN_DELAY=5",): "/global/settings/DRAIN_DELAY",
            ("global.settings.PUBLISH_TIMEOUT=1.5s",): "/global/settings/PUBLISH_TIMEOUT",
            ("email.settings.HANDLE_TIMEOUT=soon",): "/settings/HANDLE_TIMEOUT",
            ("global.image.registry=https://registry.example.com",): "global.image.registry=https://registry.example.com: an image's name has no scheme; leave out https://",
            ("rabbitmq.image.repository=http://r.example.com/rabbitmq",): "rabbitmq.image.repository=http://r.example.com/rabbitmq",
            ("monitoring.grafana.image.repository=https://r/grafana",): "monitoring.grafana.image.repository=https://r/grafana",
            ("global.imagePullSecrets[0]=",): "/global/imagePullSecrets/0",
            ("global.imagePullSecrets[0].name=A_B",): "/global/imagePullSecrets/0/name",
            ("rabbitmq.podAnnotations.checksum/config=a",): "/podAnnotations/checksum~1config",
            ("email.podAnnotations.warren/credentials-revision=a",): "/podAnnotations/warren~1credentials-revision",
            ("monitoring.podAnnotations.checksum/config=a",): "/podAnnotations/checksum~1config",
            ("check.podAnnotations.helm\\.sh/hook=a",): "/check/podAnnotations/helm.sh~1hook",
        }.items():
            with self.subTest(values=values):
                self.assert_refused(named, *values)

    def test_what_the_api_would_refuse_halfway_is_refused_before_anything_is_made(self):
        mounted = lambda *mounts: {"extraVolumes": [{"name": "x", "emptyDir": {}}], "extraVolumeMounts": list(mounts)}
        monitoring = lambda **values: {"monitoring": {"prometheus": {"enabled": True}, "grafana": {"enabled": True, **values}}}
        for values, named in [
            ({"order": {"extraEnv": [{"name": "A", "value": 5}]}}, "/order/extraEnv/0/value"),
            ({"rabbitmq": {"extraEnv": [{"name": "A", "value": True}]}}, "/rabbitmq/extraEnv/0/value"),
            ({"email": {"extraEnv": [{"value": "b"}]}}, "/email/extraEnv/0"),
            ({"email": {"extraEnv": [{"name": "a b"}]}}, "/email/extraEnv/0/name"),
            (monitoring(extraEnv=[{"name": "A", "value": 5}]), "/monitoring/grafana/extraEnv/0/value"),
            ({"order": {"envFrom": ["secret"]}}, "/order/envFrom/0"),
            ({"order": {"envFrom": [{}]}}, "/order/envFrom/0"),
            ({"email": {"extraVolumes": [{"name": "x"}]}}, "/email/extraVolumes/0"),
            ({"email": {"extraVolumeMounts": [{"name": "x", "mountPath": "/x"}]}}, "email.extraVolumeMounts: there is no volume x; give it in email.extraVolumes too"),
            ({"email": {"smtpCaSecret": "ca", **mounted({"name": "x", "mountPath": "/etc/smtp/"})}}, "email.extraVolumeMounts: something is mounted at /etc/smtp already"),
            ({"email": mounted({"name": "x", "mountPath": "/a"}, {"name": "x", "mountPath": "/a"})}, "something is mounted at /a already"),
            ({"rabbitmq": mounted({"name": "x", "mountPath": "/config"})}, "rabbitmq.extraVolumeMounts: something is mounted at /config already"),
            (monitoring(**mounted({"name": "x", "mountPath": "/dashboards"})), "monitoring.grafana.extraVolumeMounts: something is mounted at /dashboards already"),
            ({"email": mounted({"name": "x", "mountPath": "x"})}, "/email/extraVolumeMounts/0/mountPath"),
            ({"order": {"podAnnotations": {"a b": "c"}}}, "'a b' not allowed"),
            ({"order": {"http": {"service": {"annotations": {"/": "c"}}}}}, "'/' not allowed"),
            ({"order": {"resources": {"limits": {"memory": "160mi"}}}}, "/order/resources/limits/memory"),
            ({"rabbitmq": {"resources": {"limits": {"memory": "256Mi"}, "requests": {"memory": "256Mi"}}}}, "rabbitmq.resources.limits.memory=256Mi: at least 384Mi"),
            ({"rabbitmq": {"resources": {"limits": {"memory": "2GB"}}}}, "/rabbitmq/resources/limits/memory"),
            ({"email": {"resources": {"requests": {"cpu": "half"}}}}, "/email/resources/requests/cpu"),
            ({"email": {"resources": {"limits": {"mem": "64Mi"}}}}, "'mem' not allowed"),
            ({"order": {"podSecurityContext": {"runAsUser": "1000"}}}, "/order/podSecurityContext/runAsUser"),
            ({"order": {"podSecurityContext": {"runAsUser": 0}}}, "order.podSecurityContext.runAsUser=0"),
            ({"order": {"securityContext": {"readonlyRootFilesystem": False}}}, "'readonlyRootFilesystem' not allowed"),
            ({"rabbitmq": {"affinity": {"podAntiAfinity": {}}}}, "'podAntiAfinity' not allowed"),
            ({"email": {"tolerations": [{"key": "a", "effect": "NoRun"}]}}, "/email/tolerations/0/effect"),
            ({"email": {"topologySpreadConstraints": [{"maxSkew": 1}]}}, "/email/topologySpreadConstraints/0"),
            ({"order": {"networkPolicy": {"httpFrom": [{"port": 80}]}}}, "'port' not allowed"),
            ({"email": {"networkPolicy": {"egress": {"rules": [{"to": [{"ipBlock": {"cidr": "10.0.0.1"}}]}]}}}}, "/email/networkPolicy/egress/rules/0/to/0/ipBlock/cidr"),
            ({"order": {"http": {"service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/33"]}}}}, "/order/http/service/loadBalancerSourceRanges/0"),
            ({"order": {"http": {"service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["300.0.0.0/8"]}}}}, "/order/http/service/loadBalancerSourceRanges/0"),
            ({"order": {"autoscaling": {"behavior": {"scaledown": {}}}}}, "'scaledown' not allowed"),
            ({"order": {"ingress": {"enabled": True, "host": "a..b"}}}, "/order/ingress/host"),
            ({"order": {"ingress": {"enabled": True, "host": "10.0.0.1"}}}, "order.ingress.host=10.0.0.1: it takes names"),
            ({"order": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "gw"}], "hostnames": ["10.0.0.1"]}}}, "order.httpRoute.hostnames=10.0.0.1: it takes names"),
            ({"order": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "gw"}], "hostnames": ["Shop.example.com"]}}}, "/order/httpRoute/hostnames/0"),
            ({"order": {"httpRoute": {"enabled": True, "parentRefs": [{"namespace": "gw"}]}}}, "/order/httpRoute/parentRefs/0"),
            ({"order": {"http": {"service": {"type": "NodePort", "nodePort": 30080}}}, "rabbitmq": {"service": {"type": "NodePort", "management": True, "managementNodePort": 30080}}},
             "order.http.service.nodePort and rabbitmq.service.managementNodePort are both 30080"),
            ({"order": {"resources": {"limits": {"cpu": 0}}}}, "order.resources: it asks for 50m cpu and may have 0 at most"),
            ({"order": {"ingress": {"enabled": True, "host": "a.b", "className": "My Class"}}}, "/order/ingress/className"),
            ({"order": {"http": {"service": {"type": "LoadBalancer", "loadBalancerClass": "two words"}}}}, "/order/http/service/loadBalancerClass"),
            ({"order": {"networkPolicy": {"httpFrom": [{"podSelector": {"app": "web"}}]}}}, "'app' not allowed"),
            ({"order": {"networkPolicy": {"httpFrom": [{"podSelector": {"matchLabels": {"app": 5}}}]}}}, "/order/networkPolicy/httpFrom/0/podSelector/matchLabels/app"),
            ({"email": {"networkPolicy": {"egress": {"rules": [{"ports": [{"port": 25, "protocol": "tcp"}]}]}}}}, "/email/networkPolicy/egress/rules/0/ports/0/protocol"),
            ({"order": {"podSecurityContext": {"seccompProfile": {"type": "Default"}}}}, "/order/podSecurityContext/seccompProfile/type"),
            ({"order": {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "Never"}]}}, "/order/topologySpreadConstraints/0/whenUnsatisfiable"),
            ({"order": {"autoscaling": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 5000}}}}}, "/order/autoscaling/behavior/scaleDown/stabilizationWindowSeconds"),
            ({"email": {"nodeSelector": {"gpu": True}}}, "/email/nodeSelector/gpu"),
            ({"email": {"nodeSelector": {"zone": "a b"}}}, "/email/nodeSelector/zone"),
            ({"global": {"nodeSelector": {"zone": 5}}}, "/global/nodeSelector/zone"),
            ({"email": {"podLabels": {"a" * 64: "b"}}}, "not allowed"),
            ({"global": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}}, "global.ipFamilyPolicy=SingleStack"),
            ({"global": {"image": {"registry": "ghcr.io/MyOrg"}}}, 'global.image.registry=ghcr.io/MyOrg: "MyOrg" is no part of an image\'s name'),
            ({"rabbitmq": {"image": {"repository": "mirror/rabbitmq:4.3"}}}, "rabbitmq.image.repository=mirror/rabbitmq:4.3: it holds a tag"),
            ({"rabbitmq": {"image": {"repository": "mirror/rabbitmq/"}}}, "rabbitmq.image.repository=mirror/rabbitmq/"),
            ({"rabbitmq": {"advancedConfig": "[{rabbit, []}]"}}, "/advancedConfig"),
            ({"monitoring": {"grafana": {"enabled": True, "prometheusUrl": "prometheus:9090"}}}, "/grafana/prometheusUrl"),
        ]:
            with self.subTest(values=values):
                self.assert_refused(named, files=(values_file(self, values),))

    def test_what_is_unusual_and_right_is_taken(self):
        for values in [
            {"global": {"image": {"registry": "Registry.local:5000"}}}, {"global": {"image": {"registry": "[fd00::1]:5000/shop"}}}, {"global": {"image": {"registry": "my-org"}}},
            {"rabbitmq": {"image": {"repository": "localhost:5000/library/rabbitmq"}}}, {"order": {"podSecurityContext": {"runAsUser": 0, "runAsNonRoot": False}}},
            {"order": {"podSecurityContext": {"fsGroup": None, "supplementalGroups": [5], "sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}}},
            {"order": {"resources": {"limits": {"cpu": None, "memory": 200_000_000, "ephemeral-storage": "1Gi", "example.com/device": 1}}}},
            {"order": {"networkPolicy": {"httpFrom": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}, {"ipBlock": {"cidr": "fd00::/8"}}, {"namespaceSelector": {}}]}}},
            {"order": {"ingress": {"enabled": True, "host": "1.shop.example.com"}}}, {"order": {"enabled": False}}, {"monitoring": {"prometheus": {"enabled": True, "retention": "1y2w3d"}}},
            {"monitoring": {"prometheus": {"enabled": True, "alertmanager": "[fd00::1]:9093"}}}, {"rabbitmq": {"persistence": {"size": "0.5Ti"}}},
        ]:
            with self.subTest(values=values):
                text(files=(values_file(self, values),))

    def test_versions_of_rabbitmq_that_can_be_used_are_taken(self):
        for tag in ("4.2-management", "4.3.6-management-alpine", "4-management", "v4.3", "latest", "5.0"):
            with self.subTest(tag=tag):
                Manifests(f"rabbitmq.image.tag={tag}")

    def test_a_block_without_anything_in_it(self):
        blocks = ["global", "global.image", "global.image.digests", "global.settings", "global.broker", "global.rabbitmq", "global.rabbitmq.auth", "global.rabbitmq.tls",
                  *(f"rabbitmq.{key}" for key in blocks_of("rabbitmq")), *(f"email.{key}" for key in blocks_of("service")),
                  *(f"monitoring.{key}" for key in blocks_of("monitoring"))]
        for path in blocks:
            with self.subTest(path=path):
                values = None
                for key in reversed(path.split(".")):
                    values = {key: values}
                self.assert_refused(path.rpartition(".")[2], files=(values_file(self, values),))


def blocks_of(chart):
    """The blocks of a chart's values that its templates look into."""
    def within(values, path=()):
        for key, value in values.items():
            # What is empty by default, and resources, may be taken away.
            if isinstance(value, dict) and value and key not in ("global", "messaging", "resources", "limits", "requests", "annotations"):
                yield ".".join([*path, key])
                yield from within(value, (*path, key))
    return list(within(yaml.safe_load((CHART / "charts" / chart / "values.yaml").read_text())))


def leaves(node):
    if isinstance(node, dict):
        node = node.values()
    if isinstance(node, (str, int, float, bool)) or node is None:
        yield node
    else:
        for child in node:
            yield from leaves(child)


if __name__ == "__main__":
    unittest.main()
