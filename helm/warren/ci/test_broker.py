"""What the broker is made of."""
import json
import re
import unittest

from chart import PROJECT, Manifests


def definitions(*values):
    return json.loads(Manifests(*values).get("ConfigMap", "warren-rabbitmq")["data"]["definitions.json"])


def settings(*values):
    text = Manifests(*values).get("ConfigMap", "warren-rabbitmq")["data"]["warren.conf"]
    return dict(line.split(" = ") for line in text.splitlines() if "=" in line)


class Broker(unittest.TestCase):
    def permissions(self, user):
        return next(p for p in definitions()["permissions"] if p["user"] == user)

    def assert_may(self, user, right, allowed, refused):
        pattern = self.permissions(user)[right]
        for name in allowed:
            self.assertTrue(re.search(pattern, name), f"{user} {right} {name}: {pattern}")
        for name in refused:
            self.assertFalse(re.search(pattern, name), f"{user} {right} {name}: {pattern}")

    def test_order_may_declare_bind_and_publish_and_read_no_queue(self):
        ours = ["order-exchange", "email-queue", "analytics-queue"]
        self.assert_may("order", "configure", ours, ["email-queue.dead", "other", ""])
        self.assert_may("order", "write", ours, ["amq.default", "email-queue.dead"])
        self.assert_may("order", "read", ["order-exchange"], ["email-queue", "analytics-queue"])

    def test_a_consumer_may_do_all_with_its_own_queues_and_nothing_with_others(self):
        own = ["email-queue", "email-queue.retry.1s", "email-queue.dead"]
        for right in ("configure", "read"):
            self.assert_may("email", right, ["order-exchange", *own], ["analytics-queue", "email-queueX", "an-email-queue"])
        self.assert_may("email", "write", ["amq.default", "email-queue"], ["order-exchange", "analytics-queue", "amqXdefault"])

    def test_redrive_may_read_dead_letters_and_publish_them(self):
        self.assert_may("redrive", "configure", [""], ["email-queue"])
        self.assert_may("redrive", "write", ["amq.default"], ["order-exchange"])
        self.assert_may("redrive", "read", ["email-queue.dead", "analytics-queue.dead"], ["email-queue", "email-queueXdead"])

    def test_keda_may_look_and_not_touch(self):
        for right in ("configure", "write", "read"):
            self.assert_may("keda", right, [""], ["email-queue", "order-exchange"])
        self.assertEqual(next(u for u in definitions()["users"] if u["name"] == "keda")["tags"], ["management"])

    def test_a_consumer_that_is_not_installed_has_no_user_and_no_policy(self):
        without = definitions("email.enabled=false")
        self.assertNotIn("email", [u["name"] for u in without["users"]])
        self.assertEqual([p["name"] for p in without["policies"]], ["analytics-queue"])

    def test_policies_and_queue_type_are_those_of_every_other_broker_of_ours(self):
        ours, local = definitions(), json.loads((PROJECT / "deploy/definitions.json").read_text())
        by_name = lambda d: sorted(d["policies"], key=lambda policy: policy["name"])
        self.assertEqual(by_name(ours), by_name(local))
        self.assertEqual(ours["vhosts"], local["vhosts"])
        local_settings = (PROJECT / "deploy/rabbitmq.conf").read_text()
        self.assertIn(f"max_message_size = {settings()['max_message_size']}", local_settings)

    def test_no_password_is_in_the_config_map(self):
        for user in definitions()["users"]:
            self.assertEqual(user["password"], f"@{user['name']}-password@")

    def test_every_user_has_a_password(self):
        keys = set(Manifests().get("Secret", "warren-rabbitmq")["data"])
        self.assertEqual(keys, {"erlang-cookie", *(f"{u['name']}-password" for u in definitions()["users"])})

    def test_a_node_waits_for_the_others_only_where_there_are_others(self):
        container = lambda *values: Manifests(*values).get("StatefulSet", "warren-rabbitmq")["spec"]["template"]["spec"]["containers"][0]
        self.assertNotIn("lifecycle", container())
        command = container("rabbitmq.replicas=3")["lifecycle"]["preStop"]["exec"]["command"][-1]
        self.assertIn("await_online_quorum_plus_one -t 90", command)
        self.assertEqual(settings("rabbitmq.replicas=3")["cluster_formation.target_cluster_size_hint"], "3")

    def test_the_memory_alarm_is_below_the_limit(self):
        memory = lambda limit: int(settings(f"rabbitmq.resources.limits.memory={limit}")["total_memory_available_override_value"])
        self.assertEqual(memory("1000Mi"), 800 * 2**20)
        self.assertEqual(memory("20Gi"), 18 * 2**30)

    def test_with_tls_nothing_is_sent_in_the_clear(self):
        tls = settings("global.rabbitmq.tls.existingSecret=tls")
        self.assertEqual((tls["listeners.tcp"], tls["listeners.ssl.default"]), ("none", "5671"))
        ports = Manifests("global.rabbitmq.tls.existingSecret=tls").get("Service", "warren-rabbitmq")["spec"]["ports"]
        self.assertEqual([p["port"] for p in ports], [5671, 15672])

    def test_changed_settings_roll_the_nodes(self):
        template = lambda *values: Manifests(*values).get("StatefulSet", "warren-rabbitmq")["spec"]["template"]
        self.assertNotEqual(template(), template("rabbitmq.config=heartbeat = 30"))

    def test_what_cannot_change_in_a_stateful_set_does_not(self):
        def fixed(*values):
            spec = dict(Manifests(*values).get("StatefulSet", "warren-rabbitmq")["spec"])
            return {key: value for key, value in spec.items() if key not in ("replicas", "template")}
        self.assertEqual(fixed(), fixed("rabbitmq.replicas=3", "rabbitmq.image.tag=4.4-management", "global.rabbitmq.tls.existingSecret=tls"))


if __name__ == "__main__":
    unittest.main()
