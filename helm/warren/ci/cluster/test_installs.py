"""What an operator installs, upgrades, removes and gets wrong."""
import json
import unittest

from cluster import CONTEXT, NODE, eventually, run
from shop import Shop


class Installs(unittest.TestCase):
    def shop(self, namespace, values=None):
        shop = Shop(namespace, values)
        self.addCleanup(shop.delete)
        return shop

    def test_two_releases_of_the_same_name_live_in_two_namespaces(self):
        shops = [self.shop("installs-one"), self.shop("installs-two")]
        for shop in shops:
            shop.upgrade()
        for shop in shops:
            self.assertIn("counted", shop.test())

    def test_three_nodes_are_installed_at_once(self):
        shop = self.shop("installs-three", {"rabbitmq.replicas": 3})
        shop.upgrade()
        shop.test()
        shop.wait_for_members(3)
        self.assert_restricted(shop)

    def test_what_was_ordered_before_an_uninstall_is_mailed_after_the_next_install(self):
        shop = self.shop("installs-again")
        shop.start_mail_server()
        shop.upgrade()
        shop.scale("email", 0)
        order = shop.place_order()
        self.assertEqual(shop.mails(), [])
        shop.uninstall()
        shop.upgrade()
        eventually("the order is mailed", shop.mails, lambda mails: mails == [order])

    def test_volumes_are_enlarged_by_the_procedure_of_the_refusal_and_no_pod_stops(self):
        shop = self.shop("installs-larger")
        shop.upgrade()
        pod = lambda: shop.object("pod", "warren-rabbitmq-0")["metadata"]["uid"]
        before = pod()
        refused = shop.upgrade({"rabbitmq.persistence.size": "5Gi"}, check=False)
        self.assertNotEqual(refused.returncode, 0)
        [procedure] = [line for line in refused.stderr.splitlines() if "enlarge them: " in line]
        # What it says, typed as it stands. The class of this cluster expands nothing itself, so it is told to allow it.
        commands = procedure.split("enlarge them: ")[1].split(", then upgrade again")[0]
        [name] = [one["metadata"]["name"] for one in json.loads(run("kubectl", "--context", CONTEXT, "get", "storageclass", "--output=json"))["items"]]
        run("kubectl", "--context", CONTEXT, "patch", "storageclass", name, "--patch", '{"allowVolumeExpansion": true}')
        run("sh", "-ec", commands.replace("kubectl ", f"kubectl --context {CONTEXT} "))
        shop.upgrade()
        self.assertEqual(shop.object("pvc", "data-warren-rabbitmq-0")["spec"]["resources"]["requests"]["storage"], "5Gi")
        [claims] = shop.object("statefulset", "warren-rabbitmq")["spec"]["volumeClaimTemplates"]
        self.assertEqual(claims["spec"]["resources"]["requests"]["storage"], "5Gi")
        self.assertEqual(pod(), before)
        self.assertIn("counted", shop.test())

    def test_a_node_does_not_start_beside_the_data_of_another_name(self):
        shop = self.shop("installs-foreign")
        shop.upgrade()
        mnesia = "/var/lib/rabbitmq/mnesia"
        shop.rabbitmq("mkdir", f"{mnesia}/rabbit@warren-rabbitmq-0.warren-rabbitmq-nodes.elsewhere.svc.cluster.local")
        shop.rabbitmq("sh", "-c", f"mkdir {mnesia}/away && mv {mnesia}/rabbit@*installs-foreign* {mnesia}/away/")
        shop.kubectl("delete", "pod", "warren-rabbitmq-0", "--wait", "--grace-period=60")
        said = eventually("it says whose data they are", lambda: shop.kubectl("logs", "warren-rabbitmq-0", "--container=setup"), lambda said: "elsewhere" in said)
        self.assertIn("elsewhere", said)
        self.assertNotIn("True", [at["status"] for at in shop.object("pod", "warren-rabbitmq-0")["status"]["conditions"] if at["type"] == "Ready"])

    def test_wrong_values_are_refused_in_one_line_that_names_them(self):
        shop = self.shop("installs-wrong")
        for value, wrong in {"email.replicass": 2, "order.replicas": "many", "rabbitmq.replicas": 2}.items():
            with self.subTest(value=value):
                refused = shop.upgrade({value: wrong}, check=False)
                del shop.values[value]
                self.assertNotEqual(refused.returncode, 0)
                component, _, key = value.partition(".")
                [line] = [line for line in refused.stderr.splitlines() if key in line]
                self.assertIn(component, refused.stderr)
        self.assertEqual(shop.object("pods")["items"], [])

    def assert_restricted(self, shop):
        """What runs has neither root nor a capability, and cannot write where its image lies."""
        for pod in shop.object("pods")["items"]:
            for container in pod["status"]["containerStatuses"]:
                if "running" not in container["state"]:
                    continue
                with self.subTest(pod=pod["metadata"]["name"]):
                    process = self.process(container["containerID"].removeprefix("containerd://"))
                    status = dict(line.split(":\t", 1) for line in self.node("cat", f"{process}/status").splitlines() if ":\t" in line)
                    self.assertNotIn("0", status["Uid"].split())
                    self.assertEqual(int(status["CapEff"], 16), 0)
                    mounts = [line.split() for line in self.node("cat", f"{process}/mountinfo").splitlines()]
                    self.assertEqual([fields[5].split(",")[0] for fields in mounts if fields[4] == "/"], ["ro"])

    def node(self, *command):
        return run("docker", "exec", NODE, *command)

    def process(self, container):
        """The folder in the node's /proc of a process in this container."""
        found = self.node("sh", "-c", f"grep -ls {container} /proc/[0-9]*/cgroup | head -n 1")
        self.assertTrue(found, f"{container} runs on {NODE}")
        return found.strip().removesuffix("/cgroup")


if __name__ == "__main__":
    unittest.main()
