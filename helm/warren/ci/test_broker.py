"""What the broker is made of."""
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from chart import PROJECT, Manifests, values_file


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
        self.assertNotIn("preStop", container()["lifecycle"])
        self.assertIn("sh /config/stop.sh", container("rabbitmq.replicas=3")["lifecycle"]["preStop"]["exec"]["command"][-1])
        self.assertEqual(settings("rabbitmq.replicas=3")["cluster_formation.target_cluster_size_hint"], "3")

    def test_the_memory_alarm_is_below_the_limit(self):
        memory = lambda limit: int(settings(f"rabbitmq.resources.limits.memory={limit}", "rabbitmq.resources.requests.memory=1Mi")["total_memory_available_override_value"])
        self.assertEqual(memory("1000Mi"), 800 * 2**20)
        self.assertEqual(memory("20Gi"), 18 * 2**30)

    def test_the_tools_of_a_node_are_told_what_the_other_nodes_have(self):
        spec = Manifests("rabbitmq.networkPolicy.egress.enabled=true").get("NetworkPolicy", "warren-rabbitmq")["spec"]
        nodes = [{"podSelector": spec["podSelector"]}]
        for rules, peers in ((spec["ingress"], "from"), (spec["egress"], "to")):
            [between] = [rule for rule in rules if rule.get(peers) == nodes]
            self.assertIn({"port": 35672, "endPort": 35682}, between["ports"])

    def test_its_limit_of_memory_may_be_written_in_every_way(self):
        for limit, bytes_ in (("1.5Gi", 1.5 * 2**30), ("2G", 2e9), (2_000_000_000, 2e9), ("1610612736", 1.5 * 2**30)):
            config = Manifests(files=(values_file(self, {"rabbitmq": {"resources": {"limits": {"memory": limit}}}}),)).get("ConfigMap", "warren-rabbitmq")["data"]["warren.conf"]
            self.assertIn(f"total_memory_available_override_value = {int(bytes_) - int(bytes_) // 5}\n", config)

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

    def test_outside_the_cluster_there_is_amqp_alone_unless_more_is_asked_for(self):
        ports = lambda *values: [port["name"] for port in Manifests(*values).get("Service", "warren-rabbitmq")["spec"]["ports"]]
        self.assertEqual(ports(), ["amqp", "management"])
        ranges = "rabbitmq.service.loadBalancerSourceRanges[0]=203.0.113.0/24"
        for outside in (["rabbitmq.service.type=LoadBalancer", ranges], ["rabbitmq.service.type=NodePort"]):
            self.assertEqual(ports(*outside), ["amqp"])
            self.assertEqual(ports(*outside, "rabbitmq.service.management=true"), ["amqp", "management"])
        # KEDA asks the nodes, whatever the Service is.
        manifests = Manifests("rabbitmq.service.type=LoadBalancer", "email.keda.enabled=true", ranges)
        self.assertEqual(manifests.get("Service", "warren-rabbitmq")["spec"]["loadBalancerSourceRanges"], ["203.0.113.0/24"])
        # Whom the load balancer lets in, the policy lets in too, to the ports that are offered.
        rules = {rule["ports"][0]["port"]: rule["from"] for rule in manifests.get("NetworkPolicy", "warren-rabbitmq")["spec"]["ingress"]}
        self.assertIn({"ipBlock": {"cidr": "203.0.113.0/24"}}, rules["amqp"])
        self.assertNotIn({"ipBlock": {"cidr": "203.0.113.0/24"}}, rules["management"])
        trigger = manifests.get("ScaledObject", "warren-email")["spec"]["triggers"][0]["metadata"]
        self.assertEqual(trigger["host"], "http://warren-rabbitmq-nodes.shop.svc:15672")


class Scripts(unittest.TestCase):
    """What runs inside a node's pod, on folders of this machine in place of the pod's."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        manifests = Manifests()
        self.data = manifests.get("ConfigMap", "warren-rabbitmq")["data"]
        for part in ("config", "secrets", "home/mnesia"):
            (self.folder / part).mkdir(parents=True)
        for name, content in self.data.items():
            (self.folder / "config" / name).write_text(content)
        self.keys = {key: f"{key}-1" for key in manifests.get("Secret", "warren-rabbitmq")["data"]}

    def script(self, name, **replaced):
        text = self.data[name]
        for path, part in {"/config": "config", "/secrets": "secrets", "/var/lib/rabbitmq": "home"}.items():
            text = text.replace(path, str(self.folder / part))
        return text

    def set_up(self, node="rabbit@warren-rabbitmq-0.warren-rabbitmq-nodes.shop", addresses="10.0.0.1"):
        for key, password in self.keys.items():
            (self.folder / "secrets" / key).write_text(password)
        environment = {**os.environ, "RABBITMQ_NODENAME": node, "POD_IP": addresses.split(",")[0], "POD_IPS": addresses}
        return subprocess.run(["sh", "-c", self.script("setup.sh")], env=environment, capture_output=True, text=True)

    def test_passwords_may_end_with_a_line_break(self):
        self.keys = {key: f"{password}\n" for key, password in self.keys.items()}
        self.assertEqual(self.set_up().returncode, 0)
        users = json.loads((self.folder / "home/definitions.json").read_text())["users"]
        self.assertEqual({user["name"]: user["password"] for user in users}, {user["name"]: f"{user['name']}-password-1" for user in users})
        self.assertEqual((self.folder / "home/.erlang.cookie").read_text(), "erlang-cookie-1")
        self.assertEqual((self.folder / "home/.erlang.cookie").stat().st_mode & 0o777, 0o600)

    def test_a_password_that_would_break_the_definitions_is_refused(self):
        self.keys["email-password"] = 'a"b'
        refused = self.set_up()
        self.assertEqual(refused.returncode, 64)
        self.assertIn("key email-password of Secret warren-rabbitmq: expected letters", refused.stderr)
        self.assertNotIn('a"b', refused.stderr)

    def test_a_node_does_not_start_beside_the_data_of_another(self):
        (self.folder / "home/mnesia/rabbit@warren-rabbitmq-0.warren-rabbitmq-nodes.shop").mkdir()
        self.assertEqual(self.set_up().returncode, 0)
        refused = self.set_up("rabbit@warren-rabbitmq-0.warren-rabbitmq-nodes.elsewhere")
        self.assertEqual(refused.returncode, 64)
        self.assertIn("data of rabbit@warren-rabbitmq-0.warren-rabbitmq-nodes.shop", refused.stderr)

    def test_nodes_find_each_other_by_ipv6_where_that_is_what_pods_have(self):
        self.assertEqual(self.set_up().returncode, 0)
        self.assertEqual((self.folder / "home/rabbitmq-env.conf").read_text(), "")
        self.assertEqual(self.set_up(addresses="fd00::1,10.0.0.1").returncode, 0)
        self.assertIn("-proto_dist inet6_tcp", (self.folder / "home/rabbitmq-env.conf").read_text())

    def test_a_node_listens_for_http_where_its_probes_and_prometheus_ask(self):
        self.assertEqual(self.set_up().returncode, 0)
        self.assertEqual((self.folder / "home/addresses.conf").read_text(), "")
        for addresses in ("fd00::1", "10.0.0.1,fd00::1", "fd00::1,10.0.0.1"):
            self.assertEqual(self.set_up(addresses=addresses).returncode, 0)
            self.assertEqual((self.folder / "home/addresses.conf").read_text(),
                             "management.tcp.ip = ::\nmanagement.tcp.port = 15672\nprometheus.tcp.ip = ::\nprometheus.tcp.port = 15692\n")
        [container] = Manifests().get("StatefulSet", "warren-rabbitmq")["spec"]["template"]["spec"]["containers"]
        files = {mount["subPath"]: mount["mountPath"] for mount in container["volumeMounts"] if "subPath" in mount}
        # What the values say comes after it, and wins.
        self.assertLess(files["addresses.conf"], files["warren.conf"])

    def run_script(self, name, **answers):
        """What a script asks of RabbitMQ; each command's answers one after the other, the last for ever."""
        bin = self.folder / "bin"
        bin.mkdir(exist_ok=True)
        log = self.folder / "log"
        log.write_text("")
        for command in ("rabbitmqctl", "rabbitmq-upgrade", "rabbitmq-diagnostics", "getent", "sleep"):
            codes = answers.get(command.replace("-", "_"), {})
            cases = "".join(f'"{arguments}") n=$(grep -c "^{command} {arguments}" {log}); set -- {" ".join(map(str, code))}; '
                            'shift $((n > $# ? $# - 1 : n - 1)); exit $1 ;; ' for arguments, code in codes.items())
            (bin / command).write_text(f'#!/bin/sh\necho "{command} $*" >>{log}\ncase "$*" in {cases}*) exit 0 ;; esac\n')
            (bin / command).chmod(0o755)
        subprocess.run(["sh", "-c", self.script(name)], env={"PATH": f"{bin}:{os.environ['PATH']}"}, timeout=60, check=True)
        return [line for line in log.read_text().splitlines() if line.startswith(("rabbitmq-upgrade", "rabbitmqctl"))]

    def stop(self, **answers):
        return self.run_script("stop.sh", **answers)

    def test_a_node_switches_on_what_the_next_version_needs_as_soon_as_it_runs(self):
        wait, enable = "rabbitmqctl --quiet await_startup", "rabbitmqctl --quiet enable_feature_flag all"
        asked = self.run_script("flags.sh", rabbitmqctl={"--quiet await_startup": [69, 69, 69, 0]})
        self.assertEqual(asked, [wait] * 4 + [enable])

    def test_a_node_waits_as_long_as_the_queues_need_it(self):
        wait, drain = "rabbitmq-upgrade await_online_quorum_plus_one -t 30", "rabbitmq-upgrade drain"
        never_soon = {"await_online_quorum_plus_one -t 30": [1] * 20 + [0]}
        self.assertEqual(self.stop(), [wait, drain])
        self.assertEqual(self.stop(rabbitmq_upgrade=never_soon), [wait] * 21 + [drain])
        # A DNS that answers nothing says nothing.
        silent = {"hosts warren-rabbitmq": [2], "hosts kubernetes.default": [2]}
        self.assertEqual(self.stop(rabbitmq_upgrade=never_soon, getent=silent), [wait] * 21 + [drain])

    def test_a_node_of_a_removed_release_or_that_does_not_run_does_not_wait(self):
        wait, drain = "rabbitmq-upgrade await_online_quorum_plus_one -t 30", "rabbitmq-upgrade drain"
        never = {"await_online_quorum_plus_one -t 30": [1]}
        self.assertEqual(self.stop(rabbitmq_upgrade=never, getent={"hosts warren-rabbitmq": [0, 0, 2]}), [wait] * 3 + [drain])
        self.assertEqual(self.stop(rabbitmq_upgrade=never, rabbitmq_diagnostics={"--quiet check_running": [69]}), [wait, drain])


if __name__ == "__main__":
    unittest.main()
