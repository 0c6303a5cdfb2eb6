"""While orders flow, everything in the cluster is broken, moved, scaled and rolled; each accepted order is mailed."""
import unittest

from books import Books
from cluster import PATIENCE, eventually
from shop import Shop


class Faults(unittest.TestCase):
    """A shop with customers, and books that have to balance when they leave."""

    namespace, values = None, {}

    @classmethod
    def setUpClass(cls):
        if cls is Faults:
            raise unittest.SkipTest("it is what the others are made of")
        cls.shop = Shop(cls.namespace, cls.values)
        cls.addClassCleanup(cls.shop.delete)
        cls.books = Books(cls.shop)
        cls.shop.upgrade()
        cls.books.open_doors()

    @classmethod
    def tearDownClass(cls):
        cls.books.close()


class OneNode(Faults):
    namespace = "faults-one"

    def test_a_broker_of_one_node_is_deleted(self):
        with self.books.while_orders_flow("the broker's only pod deleted"):
            self.shop.kubectl("delete", "pod", "warren-rabbitmq-0", "--wait")
            self.shop.roll_out("statefulset", "rabbitmq")

    def test_one_node_grows_to_three_nodes_and_loses_the_first(self):
        with self.books.while_orders_flow("one node made three"):
            self.shop.upgrade({"rabbitmq.replicas": 3})
            self.shop.wait_for_members(3)
        with self.books.while_orders_flow("the first of three deleted"):
            self.shop.kubectl("delete", "pod", "warren-rabbitmq-0", "--wait")
            self.shop.roll_out("statefulset", "rabbitmq")
            self.shop.wait_for_members(3)
        refused = self.shop.upgrade({"rabbitmq.replicas": 1}, check=False)
        self.shop.values["rabbitmq.replicas"] = 3
        self.assertIn("rabbitmq.replicas=1: there are 3 nodes", refused.stderr)


class ThreeNodes(Faults):
    namespace, values = "faults-three", {"rabbitmq.replicas": 3, "monitoring.prometheus.enabled": True}

    def test_each_node_restarts_in_turn(self):
        with self.books.while_orders_flow("three nodes restarted in turn"):
            self.shop.kubectl("rollout", "restart", "statefulset/warren-rabbitmq")
            self.shop.roll_out("statefulset", "rabbitmq")
            self.shop.wait_for_members(3)

    def test_the_process_of_the_leaders_node_is_killed(self):
        with self.books.while_orders_flow("the leader's process killed"):
            leader = self.shop.queues("leader")["email-queue"]["leader"].removeprefix("rabbit@").partition(".")[0]
            restarts = lambda: self.shop.object("pod", leader)["status"]["containerStatuses"][0]["restartCount"]
            before = restarts()
            self.shop.rabbitmq("sh", "-c", "kill -9 $(pidof beam.smp)", pod=leader, check=False)
            eventually("its container has restarted", restarts, lambda count: count > before)
            self.shop.kubectl("wait", f"pod/{leader}", "--for=condition=Ready", f"--timeout={PATIENCE}s")
            self.shop.wait_for_members(3)

    def test_the_email_pods_are_deleted(self):
        with self.books.while_orders_flow("email's pods deleted"):
            self.shop.kubectl("delete", "pod", "--selector", "app.kubernetes.io/name=email", "--wait")
            self.shop.roll_out("deployment", "email")

    def test_a_rolled_order_service_refuses_no_connection(self):
        lost = lambda: len(self.books.events("refused")) + len(self.books.events("unanswered"))
        before = lost()
        with self.books.while_orders_flow("order rolled"):
            self.shop.kubectl("rollout", "restart", "deployment/warren-order")
            self.shop.roll_out("deployment", "order")
        self.assertEqual(lost(), before)

    def test_email_is_scaled_up_and_down_and_away(self):
        with self.books.while_orders_flow("email scaled to five and back"):
            self.shop.scale("email", 5)
            self.shop.scale("email", 1)
        with self.books.while_orders_flow("email scaled to none and back"):
            self.shop.scale("email", 0)
            nobody = lambda: self.shop.ask_prometheus('ALERTS{alertname="WarrenNobodyConsumes", queue="email-queue"}')
            eventually("Prometheus sees that nobody consumes", nobody)
            self.shop.scale("email", 1)
            eventually("Prometheus sees that it is over", nobody, lambda alerts: not alerts)

    def test_passwords_are_rotated_and_settings_changed(self):
        with self.books.while_orders_flow("passwords rotated"):
            self.shop.upgrade({"global.rabbitmq.auth.revision": 2})
        with self.books.while_orders_flow("settings changed"):
            self.shop.upgrade({"global.settings.LOG_FORMAT": "json", "rabbitmq.config": "heartbeat = 30"})

    def test_a_dead_letter_is_seen_and_moved_back(self):
        self.books.let_in("nobody", "nobody@refused.example")
        dead = lambda: self.shop.queues("messages")["email-queue.dead"]["messages"]
        eventually("the letter is dead", dead, lambda count: count == 1)
        for query in ('ALERTS{alertname="WarrenDeadLetters", alertstate="firing"}', 'rabbitmq_detailed_queue_messages{queue="email-queue.dead"} == 1'):
            eventually(f"Prometheus knows {query}", lambda: self.shop.ask_prometheus(query))
        self.shop.kubectl("exec", "mail", "--", "touch", "/tmp/knows-everybody")
        self.shop.redrive("email")
        self.books.wait_for_mails()
        eventually("no dead letter is left", dead, lambda count: count == 0)


if __name__ == "__main__":
    unittest.main()
