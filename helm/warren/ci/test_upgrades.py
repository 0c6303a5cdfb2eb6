"""What an upgrade makes of what it finds in the cluster; the cluster is a few pages of its API."""
import base64
import copy
import json
import os
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

from chart import CHART, DIGEST, NAMESPACE, RELEASE, helm, said_in_one_line

RESOURCES = {
    "v1": ["ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"],
    "apps/v1": ["Deployment", "StatefulSet"],
    "batch/v1": ["CronJob"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "keda.sh/v1alpha1": ["ScaledObject", "TriggerAuthentication"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
}


def plural(kind):
    return kind.lower().replace("policy", "policie") + "s"


def path_of(version):
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def resources(version):
    listed = [{"name": plural(kind), "kind": kind, "namespaced": True, "singularName": "", "verbs": ["get"]} for kind in RESOURCES[version]]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}


def group(version):
    known = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [known], "preferredVersion": known}


PAGES = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(version) for version in RESOURCES if "/" in version]},
    **{path_of(version): resources(version) for version in RESOURCES},
}
NOT_FOUND = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


class Cluster(ThreadingHTTPServer):
    """Knows the objects that it is given."""

    def __init__(self, *objects):
        super().__init__(("127.0.0.1", 0), Page)
        self.pages = dict(PAGES)
        for known in copy.deepcopy(objects):
            # Helm takes up only what it knows to be its own, such as a Secret that outlived its release.
            owner = {"meta.helm.sh/release-name": RELEASE, "meta.helm.sh/release-namespace": NAMESPACE}
            known["metadata"].setdefault("annotations", {}).update(owner)
            path = f"{path_of(known['apiVersion'])}/namespaces/{NAMESPACE}/{plural(known['kind'])}"
            self.pages[f"{path}/{known['metadata']['name']}"] = known
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def render(self, *values, files=()):
        arguments = ["template", RELEASE, CHART, "--namespace", NAMESPACE, "--dry-run=server", "--disable-openapi-validation", "--kube-version", "1.34.0",
                     "--kube-apiserver", f"http://127.0.0.1:{self.server_port}"]
        arguments += [part for file in files for part in ("--values", file)]
        done = helm(*arguments, *(part for value in values for part in ("--set", value)))
        if done.returncode:
            raise AssertionError(done.stderr)
        return {(d["kind"], d["metadata"]["name"]): d for d in yaml.safe_load_all(done.stdout) if d}


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        page = self.server.pages.get(self.path.partition("?")[0])
        body = json.dumps(page or NOT_FOUND).encode()
        self.send_response(200 if page else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def template(rendered, kind, name):
    return rendered[kind, name]["spec"]["template"]


class Upgrades(unittest.TestCase):
    def cluster(self, *objects):
        cluster = Cluster(*objects)
        self.addCleanup(cluster.server_close)
        self.addCleanup(cluster.shutdown)
        return cluster

    def installed(self, *values):
        """What a first install makes."""
        return self.cluster().render(*values)

    def test_passwords_are_made_once(self):
        secret = self.installed()["Secret", "warren-rabbitmq"]
        passwords = [base64.b64decode(value) for value in secret["data"].values()]
        self.assertEqual(len(set(passwords)), len(passwords))
        self.assertTrue(all(len(password) >= 32 for password in passwords))
        again = self.cluster(secret).render()["Secret", "warren-rabbitmq"]
        self.assertEqual(again["data"], secret["data"])
        self.assertEqual(secret["metadata"]["annotations"]["helm.sh/resource-policy"], "keep")

    def test_a_new_revision_makes_new_passwords_and_keeps_the_cookie(self):
        before = self.installed()["Secret", "warren-rabbitmq"]
        after = self.cluster(before).render("global.rabbitmq.auth.revision=2")["Secret", "warren-rabbitmq"]
        self.assertEqual(after["data"]["erlang-cookie"], before["data"]["erlang-cookie"])
        for key in before["data"]:
            if key.endswith("-password"):
                self.assertNotEqual(after["data"][key], before["data"][key], key)
        again = self.cluster(after).render("global.rabbitmq.auth.revision=2")["Secret", "warren-rabbitmq"]
        self.assertEqual(again["data"], after["data"])

    def test_a_service_that_comes_later_gets_a_password_and_the_others_keep_theirs(self):
        before = self.installed("email.enabled=false")["Secret", "warren-rabbitmq"]
        after = self.cluster(before).render()["Secret", "warren-rabbitmq"]
        self.assertEqual(set(after["data"]) - set(before["data"]), {"email-password"})
        self.assertEqual({key: after["data"][key] for key in before["data"]}, before["data"])

    def test_the_first_upgrade_rolls_no_pod(self):
        first = self.installed()
        second = self.cluster(first["Secret", "warren-rabbitmq"], first["StatefulSet", "warren-rabbitmq"]).render()
        for kind, name in first:
            if kind in ("Deployment", "StatefulSet"):
                self.assertEqual(template(first, kind, name), template(second, kind, name), name)

    def test_a_changed_secret_of_ones_own_rolls_the_pods_that_use_it(self):
        def rolled(value):
            data = {"SMTP_URL": base64.b64encode(value.encode()).decode()}
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "smtp", "namespace": NAMESPACE}, "data": data}
            return self.cluster(secret).render("email.existingSecret=smtp")
        before, after = rolled("smtp://one"), rolled("smtp://two")
        self.assertNotEqual(template(before, "Deployment", "warren-email"), template(after, "Deployment", "warren-email"))
        self.assertEqual(template(before, "Deployment", "warren-order"), template(after, "Deployment", "warren-order"))

    def test_a_broker_is_never_made_smaller(self):
        three = self.installed("rabbitmq.replicas=3")["StatefulSet", "warren-rabbitmq"]
        with self.assertRaisesRegex(AssertionError, "rabbitmq.replicas=1: there are 3 nodes"):
            self.cluster(three).render()
        one = self.installed()["StatefulSet", "warren-rabbitmq"]
        self.assertEqual(self.cluster(one).render("rabbitmq.replicas=3")["StatefulSet", "warren-rabbitmq"]["spec"]["replicas"], 3)

    def test_volumes_stay_as_they_are_until_they_are_enlarged(self):
        broker = self.installed("rabbitmq.replicas=3")["StatefulSet", "warren-rabbitmq"]
        three = self.cluster(broker)
        for size in ("20Gi", "4Gi"):
            with self.assertRaises(AssertionError) as refused:
                three.render("rabbitmq.replicas=3", f"rabbitmq.persistence.size={size}")
            line = str(refused.exception)
            self.assertIn(f"rabbitmq.persistence.size={size}: the volumes are 8Gi", line)
            self.assertIn("patch pvc data-warren-rabbitmq-0 data-warren-rabbitmq-1 data-warren-rabbitmq-2 -p '{", line)
            self.assertIn("delete statefulset warren-rabbitmq --cascade=orphan", line)
            self.assertTrue(said_in_one_line(line), line)
        three.render("rabbitmq.replicas=3", "rabbitmq.persistence.size=8192Mi")
        with self.assertRaisesRegex(AssertionError, 'storageClass="fast": the volumes are of the class ""'):
            three.render("rabbitmq.replicas=3", "rabbitmq.persistence.storageClass=fast")
        with self.assertRaisesRegex(AssertionError, "rabbitmq.persistence.enabled=false"):
            three.render("rabbitmq.replicas=3", "rabbitmq.persistence.enabled=false")
        # After the StatefulSet was deleted, its pods go on.
        self.cluster().render("rabbitmq.replicas=3", "rabbitmq.persistence.size=20Gi")

    def test_the_example_of_three_nodes_fits_a_release_of_the_defaults(self):
        default = self.cluster(self.installed()["StatefulSet", "warren-rabbitmq"])
        rendered = default.render(files=[CHART / "examples/three-nodes.yaml"])
        self.assertEqual(rendered["StatefulSet", "warren-rabbitmq"]["spec"]["replicas"], 3)

    def test_rabbitmq_is_upgraded_in_the_order_that_it_supports(self):
        def upgraded(before, after):
            broker = self.installed()["StatefulSet", "warren-rabbitmq"]
            template(broker)["containers"][0]["image"] = f"registry.example.com:5000/rabbitmq:{before}"
            return self.cluster(broker).render(f"rabbitmq.image.tag={after}")
        template = lambda broker: broker["spec"]["template"]["spec"]
        for before, after in [("4.2.1", "4.3"), ("4.1.0", "4.2-management"), ("4.3-management", "4.3.6"), ("4.3.6", "4.3.1"), ("4-management", "4.3"), (f"4.2@{DIGEST}", "4.3")]:
            upgraded(before, after)
        with self.assertRaisesRegex(AssertionError, "RabbitMQ 4.1.7 runs, and 4.3 takes over from 4.2 alone"):
            upgraded("4.1.7-management", "4.3-management")
        with self.assertRaisesRegex(AssertionError, "RabbitMQ 4.1.7 runs"):
            upgraded(f"4.1.7-management@{DIGEST}", "4-management")
        with self.assertRaisesRegex(AssertionError, "RabbitMQ 4.3.0 runs, and its data cannot be read by an older one"):
            upgraded("4.3-management", "4.2-management")

    def test_whoever_begins_to_scale_begins_with_what_runs(self):
        order = self.installed("order.replicas=6")["Deployment", "warren-order"]
        replicas = lambda rendered, name: rendered["Deployment", name]["spec"].get("replicas")
        scaled = self.cluster(order).render("order.autoscaling.enabled=true", "order.autoscaling.maxReplicas=3")
        self.assertEqual(replicas(scaled, "warren-order"), 6)
        # What runs is no Deployment yet, or stands still.
        self.assertIsNone(replicas(self.cluster().render("order.autoscaling.enabled=true"), "warren-order"))
        email = self.installed("email.replicas=0")["Deployment", "warren-email"]
        self.assertEqual(replicas(self.cluster(email).render("email.keda.enabled=true"), "warren-email"), 1)


os.environ["KUBECONFIG"] = os.devnull

if __name__ == "__main__":
    unittest.main()
