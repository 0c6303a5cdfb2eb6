"""What other people's clusters ask of a release: their users, their walls, their limits."""
import json
import unittest

from cluster import CHART, eventually, helm, kubectl, said
from shop import RELEASE, Shop

FIRST, LAST = 1000650000, 1000659999
# Tells which of these addresses let somebody in. It asks for a while: a policy takes some seconds to know of a new pod.
KNOCK = """
import json, socket, sys, time
opened, end, rounds = set(), time.monotonic() + 20, 0
while rounds < 2 or time.monotonic() < end:
    rounds += 1
    for address in sys.argv[1:]:
        host, port = address.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=3).close()
            opened.add(address)
        except OSError:
            pass
    time.sleep(1)
print(json.dumps({"opened": [address for address in sys.argv[1:] if address in opened]}), flush=True)
"""


class OtherClusters(unittest.TestCase):
    def shop(self, namespace, values=None, files=()):
        shop = Shop(namespace, values, files)
        self.addCleanup(shop.delete)
        return shop

    def test_openshift_gives_each_pod_its_user_and_group(self):
        shop = self.shop("others-openshift", {"global.fixedUsers": False, "monitoring.prometheus.enabled": True})
        self.let_restricted_v2_rule(shop)
        # As soon as the webhook answers.
        eventually("a pod is let in", lambda: shop.start_mail_server() or True)
        shop.upgrade()
        self.assertIn("counted", shop.test())
        check = lambda fixed: helm("template", RELEASE, CHART, "--namespace", shop.namespace, "--show-only", "templates/tests/check.yaml",
                                   "--kube-version", "1.34.0", "--set", f"global.fixedUsers={fixed}")
        admitted = lambda fixed: shop.kubectl("create", "--dry-run=server", "-f", "-", stdin=check(fixed).replace(f"{RELEASE}-check", "another"), check=False)
        self.assertIn("restricted-v2: 65532 is not in the range", admitted("true").stderr)
        self.assertEqual(admitted("false").returncode, 0)
        # Nothing that was written before a pod was made anew is closed to the next, and mails still leave.
        shop.scale("email", 0)
        order = shop.place_order()
        shop.kubectl("delete", "pod", f"{RELEASE}-rabbitmq-0", "--wait", "--grace-period=60")
        shop.roll_out("statefulset", "rabbitmq")
        self.assertEqual(shop.rabbitmq("id", "-u").strip(), str(FIRST))
        shop.scale("email", 1)
        eventually("the order is mailed", shop.mails, lambda mails: mails == [order])
        shop.redrive("email")

    def let_restricted_v2_rule(self, shop):
        shop.run_beside("webhook", "/restricted_v2.py", str(FIRST), str(LAST))
        shop.serve("webhook", 8443)
        authority = shop.kubectl("exec", "webhook", "--", "base64", "--wrap=0", "/webhook.crt")
        hook = {
            "name": "restricted-v2.openshift.example",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "clientConfig": {"service": {"name": "webhook", "namespace": shop.namespace, "port": 8443}, "caBundle": authority},
        }
        shop.apply("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", shop.namespace, webhooks=[hook])
        self.addCleanup(kubectl, "delete", "mutatingwebhookconfiguration", shop.namespace)

    def test_a_namespace_that_denies_all_traffic_is_opened_as_far_as_it_has_to_be(self):
        shop = self.shop("others-closed", {
            "order.httpRoute.enabled": False,
            "order.networkPolicy.httpFrom[1].podSelector.matchLabels.app": "customer",
            "email.networkPolicy.egress.rules[2].to[0].podSelector.matchLabels.app": "mail",
            "email.networkPolicy.egress.rules[2].ports[0].port": 2525,
            "monitoring.prometheus.enabled": True,
        }, files=[CHART / "examples/closed.yaml"])
        self.deny_all(shop)
        shop.start_mail_server()
        del shop.values["email.settings.SMTP_URL"]
        shop.kubectl("create", "secret", "generic", "warren-smtp", "--from-literal=SMTP_URL=smtp://mail:2525")
        shop.upgrade()
        self.assertIn("counted", shop.test())
        order = shop.place_order()
        eventually("the order is mailed", shop.mails, lambda mails: mails == [order])
        everybody = lambda found: {one["metric"]["job"] for one in found if one["value"][1] == "1"} == {"order", "email", "analytics", "rabbitmq"}
        eventually("Prometheus reads the metrics of all", lambda: shop.ask_prometheus("min by (job) (up)"), everybody)
        self.assert_walls(shop)

    def deny_all(self, shop):
        policy = lambda name, **spec: shop.apply("networking.k8s.io/v1", "NetworkPolicy", name, spec={"policyTypes": ["Ingress", "Egress"], **spec})
        policy("deny-all", podSelector={})
        policy("mail", podSelector={"matchLabels": {"app": "mail"}}, ingress=[{"from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "email"}}}]}])
        # Whoever is no part of the release may go anywhere: it is the release's own walls that are tried.
        policy("customer", podSelector={"matchExpressions": [{"key": "app", "operator": "In", "values": ["customer", "stranger"]}]}, egress=[{}])

    def assert_walls(self, shop):
        """Strangers reach nothing, from another namespace and from this; and the release reaches nothing that it need not."""
        doors = {"rabbitmq": [5672, 15672], "rabbitmq-nodes": [4369, 15692, 25672], "order": [80], "prometheus": [9090], **{f"{service}-pods": [9090] for service in ("order", "email", "analytics")}}
        doors = [f"{RELEASE}-{name}.{shop.namespace}.svc:{port}" for name, ports in doors.items() for port in ports]
        elsewhere = Shop("others-elsewhere")
        self.addCleanup(kubectl, "delete", "namespace", elsewhere.namespace, "--wait")
        unguarded = f"mail.{shop.namespace}.svc:2525"
        opened = self.knock(elsewhere, [unguarded, *doors])
        if unguarded in opened:
            self.skipTest("this cluster enforces no network policies; what has to pass, passes")
        self.assertEqual(opened, [])
        api = "kubernetes.default.svc:443"
        self.assertEqual(self.knock(shop, [api, *doors]), [api])
        self.assertNotEqual(shop.rabbitmq("timeout", "5", "bash", "-c", f"</dev/tcp/{api.replace(':', '/')}", check=False).returncode, 0)

    def knock(self, at, doors):
        """Those of these doors that open to a pod in this namespace."""
        at.run_beside("stranger", "-c", KNOCK, *doors)
        [told] = eventually("it has knocked everywhere", lambda: said(at.kubectl("logs", "stranger")))
        return told["opened"]

    def test_a_namespace_with_a_quota_and_limits_in_a_cluster_that_gives_no_volumes(self):
        default = "storageclass.kubernetes.io/is-default-class"
        classes = [one["metadata"]["name"] for one in json.loads(kubectl("get", "storageclass", "--output=json"))["items"] if one["metadata"].get("annotations", {}).get(default) == "true"]
        for name in classes:
            kubectl("annotate", "storageclass", name, "--overwrite", f"{default}=false")
            self.addCleanup(kubectl, "annotate", "storageclass", name, "--overwrite", f"{default}=true")
        shop = self.shop("others-quota", {"rabbitmq.persistence.enabled": False, "monitoring.prometheus.enabled": True})
        hard = {"requests.cpu": "2", "requests.memory": "4Gi", "limits.cpu": "16", "limits.memory": "6Gi", "pods": "12", "persistentvolumeclaims": "0"}
        shop.apply("v1", "ResourceQuota", "all", spec={"hard": hard})
        shop.apply("v1", "LimitRange", "all", spec={"limits": [{"type": "Container", "min": {"cpu": "10m", "memory": "8Mi"}, "max": {"cpu": "4", "memory": "2Gi"}}]})
        shop.upgrade()
        self.assertIn("counted", shop.test())
        shop.redrive("analytics")


if __name__ == "__main__":
    unittest.main()
