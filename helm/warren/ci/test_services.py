"""What the services are told and given."""
import unittest

from chart import CHART, Manifests

OWN_BROKER = ("rabbitmq.enabled=false", "global.broker.existingSecret=urls")


class Services(unittest.TestCase):
    def test_order_requires_the_queues_of_the_consumers_that_are_installed(self):
        required = lambda *values: Manifests(*values).env("Deployment", "warren-order").get("REQUIRED_QUEUES")
        self.assertEqual(required(), "analytics-queue:order.placed+order.cancelled,email-queue:order.placed")
        self.assertEqual(required("email.enabled=false"), "analytics-queue:order.placed+order.cancelled")
        self.assertIsNone(required("email.enabled=false", "analytics.enabled=false"))
        self.assertNotIn("REQUIRED_QUEUES", Manifests().env("Deployment", "warren-email"))

    def test_each_logs_in_as_its_own_user(self):
        manifests = Manifests()
        for kind, name, user in [("Deployment", "warren-order", "order"), ("Deployment", "warren-email", "email"),
                                 ("Deployment", "warren-analytics", "analytics"), ("CronJob", "warren-email-redrive", "redrive")]:
            env = manifests.env(kind, name)
            self.assertEqual(env["AMQP_URL"], f"amqp://{user}:$(AMQP_PASSWORD)@warren-rabbitmq:5672/%2f")
            self.assertEqual(env["AMQP_PASSWORD"]["secretKeyRef"], {"name": "warren-rabbitmq", "key": f"{user}-password"})

    def test_a_variable_is_there_before_the_one_that_is_made_of_it(self):
        for owner, template in Manifests().pods():
            names = [e["name"] for e in template["spec"]["containers"][0].get("env", [])]
            if "AMQP_URL" in names:
                self.assertLess(names.index("AMQP_PASSWORD"), names.index("AMQP_URL"), owner["metadata"]["name"])

    def test_with_tls_they_trust_the_authority_of_the_secret(self):
        manifests = Manifests("global.rabbitmq.tls.existingSecret=tls")
        for kind, name in [("Deployment", "warren-order"), ("CronJob", "warren-email-redrive")]:
            env = manifests.env(kind, name)
            self.assertRegex(env["AMQP_URL"], "^amqps://.*@warren-rabbitmq:5671/%2f$")
            self.assertEqual(env["AMQP_CA_FILE"], "/etc/amqp/ca.crt")
        pod = manifests.get("Deployment", "warren-order")["spec"]["template"]["spec"]
        self.assertEqual(pod["volumes"][0]["secret"], {"secretName": "tls", "items": [{"key": "ca.crt", "path": "ca.crt"}]})

    def test_a_broker_of_ones_own_is_reached_by_the_secrets_url(self):
        url = lambda name, *values: Manifests(*OWN_BROKER, *values).env("Deployment", name)["AMQP_URL"]["secretKeyRef"]
        self.assertEqual(url("warren-email"), {"name": "urls", "key": "url"})
        self.assertEqual(url("warren-email", "global.broker.keyPerService=true"), {"name": "urls", "key": "email"})
        self.assertEqual(Manifests(*OWN_BROKER).kinds("StatefulSet"), [])

    def test_a_certificate_of_each_service_can_take_the_place_of_passwords(self):
        paths = {"AMQP_CERT_FILE": "/etc/amqp-client/tls.crt", "AMQP_KEY_FILE": "/etc/amqp-client/tls.key"}
        values = [f"global.settings.{name}={path}" for name, path in paths.items()]
        values += ["email.extraVolumes[0].name=amqp-client", "email.extraVolumes[0].secret.secretName=email-amqp-client"]
        values += ["email.extraVolumeMounts[0].name=amqp-client", "email.extraVolumeMounts[0].mountPath=/etc/amqp-client"]
        manifests = Manifests(*OWN_BROKER, *values)
        for kind, name in [("Deployment", "warren-email"), ("CronJob", "warren-email-redrive")]:
            [pod] = [template["spec"] for owner, template in manifests.pods() if (owner["kind"], owner["metadata"]["name"]) == (kind, name)]
            env = manifests.env(kind, name)
            self.assertEqual({path: env[path] for path in paths}, paths, name)
            self.assertEqual(pod["volumes"][0]["secret"]["secretName"], "email-amqp-client", name)
            self.assertEqual(pod["containers"][0]["volumeMounts"][0]["mountPath"], "/etc/amqp-client", name)

    def test_the_deadline_of_stopping_is_below_the_pods(self):
        manifests = Manifests("email.terminationGracePeriodSeconds=90")
        self.assertEqual(manifests.env("Deployment", "warren-email")["SHUTDOWN_TIMEOUT"], "85s")
        self.assertEqual(manifests.env("Deployment", "warren-order")["SHUTDOWN_TIMEOUT"], "25s")

    def test_settings_of_a_service_win_over_those_of_all(self):
        env = Manifests("global.settings.LOG_LEVEL=warn", "email.settings.LOG_LEVEL=debug").env
        self.assertEqual(env("Deployment", "warren-email")["LOG_LEVEL"], "debug")
        self.assertEqual(env("Deployment", "warren-order")["LOG_LEVEL"], "warn")
        self.assertEqual(env("CronJob", "warren-email-redrive")["LOG_LEVEL"], "warn")

    def test_whoever_scales_a_deployment_owns_its_replicas(self):
        manifests = Manifests(files=(CHART / "examples/autoscaling.yaml",))
        for service in ("order", "email", "analytics"):
            self.assertNotIn("replicas", manifests.get("Deployment", f"warren-{service}")["spec"])
        trigger = manifests.get("ScaledObject", "warren-email")["spec"]["triggers"][0]
        self.assertEqual(trigger["metadata"]["queueName"], "email-queue")
        self.assertEqual(trigger["metadata"]["protocol"], "http")
        self.assertEqual(trigger["authenticationRef"]["name"], manifests.get("TriggerAuthentication", "warren-email")["metadata"]["name"])

    def test_a_rollout_keeps_every_place_of_order_and_lets_a_consumer_make_room(self):
        strategy = lambda name: Manifests().get("Deployment", name)["spec"]["strategy"]["rollingUpdate"]
        self.assertEqual(strategy("warren-order"), {"maxSurge": 1, "maxUnavailable": 0})
        self.assertEqual(strategy("warren-email"), {"maxSurge": 1, "maxUnavailable": 1})

    def test_a_redrive_never_runs_by_itself_and_knows_its_queue(self):
        manifests = Manifests()
        for queue in ("email-queue", "analytics-queue"):
            job = manifests.get("CronJob", f"warren-{queue.removesuffix('-queue')}-redrive")
            self.assertIs(job["spec"]["suspend"], True)
            self.assertEqual(manifests.env("CronJob", job["metadata"]["name"])["QUEUE"], queue)

    def test_new_passwords_roll_the_pods(self):
        before, after = Manifests(), Manifests("global.rabbitmq.auth.revision=2")
        for kind, name in [("Deployment", "warren-order"), ("Deployment", "warren-email"), ("StatefulSet", "warren-rabbitmq")]:
            self.assertNotEqual(before.get(kind, name)["spec"]["template"], after.get(kind, name)["spec"]["template"])

    def test_an_upgrade_without_changes_rolls_nothing(self):
        templates = lambda: [template for _, template in Manifests("monitoring.prometheus.enabled=true").pods()]
        self.assertEqual(templates(), templates())

    def test_who_reads_metrics_or_places_orders_is_let_in(self):
        policy = Manifests().get("NetworkPolicy", "warren-order")["spec"]
        self.assertEqual(policy["policyTypes"], ["Ingress"])
        self.assertEqual(policy["ingress"][0], {"ports": [{"port": "http"}]})
        self.assertEqual(policy["ingress"][1]["ports"], [{"port": "metrics"}])
        closed = Manifests(files=(CHART / "examples/closed.yaml",)).get("NetworkPolicy", "warren-email")["spec"]
        self.assertEqual(closed["policyTypes"], ["Ingress", "Egress"])
        self.assertEqual([rule["ports"][0]["port"] for rule in closed["egress"]], [53, 5672, 4318, 587])


if __name__ == "__main__":
    unittest.main()
