"""What holds for everything that the chart can render."""
import unittest

from chart import EXAMPLES, Manifests, every_set, refusal, text

VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


class Promises(unittest.TestCase):
    def each_pod(self):
        for values, manifests in every_set():
            for owner, template in manifests.pods():
                with self.subTest(values=values, pod=owner["metadata"]["name"]):
                    yield template

    def test_every_pod_is_allowed_where_pod_security_is_restricted(self):
        for template in self.each_pod():
            spec = template["spec"]
            self.assertFalse(set(spec) & {"hostNetwork", "hostPID", "hostIPC"})
            for volume in spec.get("volumes", []):
                self.assertLessEqual(set(volume) - {"name"}, VOLUMES)
            self.assertNotEqual(spec["securityContext"]["runAsUser"], 0)
            self.assertEqual(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
            for container in spec["containers"] + spec.get("initContainers", []):
                security = container["securityContext"]
                self.assertIs(security["allowPrivilegeEscalation"], False)
                self.assertIs(security["readOnlyRootFilesystem"], True)
                self.assertIs(security["runAsNonRoot"], True)
                self.assertEqual(security["capabilities"], {"drop": ["ALL"]})
                self.assertFalse([p for p in container.get("ports", []) if "hostPort" in p])

    def test_no_pod_has_a_token_or_a_right(self):
        for template in self.each_pod():
            self.assertIs(template["spec"]["automountServiceAccountToken"], False)
            self.assertIs(template["spec"]["enableServiceLinks"], False)
        for values, manifests in every_set():
            with self.subTest(values=values):
                self.assertEqual(manifests.kinds("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"), [])

    def test_every_pod_belongs_to_its_release(self):
        for template in self.each_pod():
            labels = template["metadata"]["labels"]
            self.assertEqual(labels["app.kubernetes.io/instance"], "warren")
            self.assertEqual(labels["app.kubernetes.io/part-of"], "warren")

    def test_a_selector_selects_the_pods_of_one_owner(self):
        for values, manifests in every_set():
            pods = [(owner["metadata"]["name"], template["metadata"]["labels"]) for owner, template in manifests.pods()]
            for object_ in manifests.kinds("Service", "PodDisruptionBudget"):
                selector = object_["spec"]["selector"]
                selector = selector.get("matchLabels", selector)
                selected = [name for name, labels in pods if selector.items() <= labels.items()]
                with self.subTest(values=values, object=object_["metadata"]["name"]):
                    self.assertEqual(len(selected), 1, selected)

    def test_no_two_objects_have_the_same_name(self):
        for values, manifests in every_set():
            names = [(d["kind"], d["metadata"]["name"]) for d in manifests.all]
            self.assertEqual(len(names), len(set(names)), values)

    def test_no_environment_variable_is_there_twice(self):
        for template in self.each_pod():
            names = [e["name"] for e in template["spec"]["containers"][0].get("env", [])]
            self.assertEqual(len(names), len(set(names)))

    def test_with_existing_secrets_two_renders_are_the_same(self):
        example = next(e for e in EXAMPLES if e.name == "existing-secrets.yaml")
        first = text(files=(example,))
        text.cache_clear()
        self.assertEqual(text(files=(example,)), first)
        self.assertEqual(Manifests(files=(example,)).kinds("Secret"), [])

    def test_values_that_cannot_work_are_refused_by_name(self):
        for value, named in {
            "email.replica=3": "'replica' not allowed",
            "email.replicas=many": "/replicas",
            "rabbitmq.replicas=2": "/replicas': value must be one of 1, 3",
            "rabbitmq.resources.limits.memory=1": "rabbitmq.resources.limits.memory=1: at least 384Mi",
            "rabbitmq.enabled=false": "rabbitmq.enabled=false needs global.broker.existingSecret",
            "global.broker.existingSecret=mine": "set rabbitmq.enabled=false too",
            "order.settings.AMQP_URL=amqp://elsewhere": "/settings/AMQP_URL",
            "order.settings.LOG_LEVEL=": "/settings/LOG_LEVEL",
            "order.keda.enabled=true": "order.keda.enabled: it has no queue",
            "email.ingress.enabled=true": "email.ingress and email.httpRoute lead to a service that answers HTTP",
            "email.terminationGracePeriodSeconds=9": "/terminationGracePeriodSeconds",
            "email.messaging.queue=other": "email.messaging",
            "monitoring.grafana.enabled=true": "monitoring.prometheus.enabled",
            "nothing.of.this=1": "'nothing' not allowed",
        }.items():
            with self.subTest(value=value):
                said = refusal(value)
                self.assertIn(named, said)
                self.assertLessEqual(len([line for line in said.splitlines() if line.strip() and "--debug" not in line]), 3)
        both = refusal("email.autoscaling.enabled=true", "email.keda.enabled=true")
        self.assertIn("one of them scales, not both", both)


if __name__ == "__main__":
    unittest.main()
