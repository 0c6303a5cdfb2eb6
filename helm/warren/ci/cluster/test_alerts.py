"""Alerts fire for what they promise, in a real cluster, and end with it. What needs hours, or a full disk, is shown with promtool alone."""
import unittest

from books import Books
from cluster import eventually, say
from shop import RELEASE, Shop

# An alert waits for up to five minutes before it fires, and some go on for as long; a dead letter is told of for a quarter of an hour.
PATIENCE = 1200


class Alerts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = Shop("alerts", {"monitoring.prometheus.enabled": True})
        cls.addClassCleanup(cls.shop.delete)
        cls.books = Books(cls.shop)
        cls.shop.upgrade()
        cls.books.open_doors()

    def test_alerts_fire_and_end_with_their_trouble(self):
        self.until(set())
        self.books.let_in("nobody", "nobody@refused.example")
        self.until({"WarrenDeadLetters"}, pending={"WarrenDeadLettersStay"})
        self.size("deployment", "order", 0)
        self.until({"WarrenNobodyTakesOrders"}, may={"WarrenDeadLetters"})
        # Without the broker nobody takes orders either, and nobody is called for the consumers too.
        self.size("statefulset", "rabbitmq", 0)
        self.size("deployment", "order", 2)
        self.until({"WarrenNobodyTakesOrders", "WarrenBrokerNodeDown"}, may={"WarrenDeadLetters"})
        self.size("statefulset", "rabbitmq", 1)
        self.shop.roll_out("statefulset", "rabbitmq")
        # A queue that nobody consumes and that takes no event any more.
        self.size("deployment", "email", 0)
        eventually("the queue is bounded", self.bound_queue)
        # Where no DNS answers for names outside the cluster, Prometheus goes on asking a pod that is gone.
        self.until({"WarrenNobodyConsumes", "WarrenOrdersRefused"}, may={"WarrenDeadLetters", "WarrenNobodyTakesOrders", "WarrenRestarts"})
        self.shop.rabbitmq("rabbitmqctl", "clear_operator_policy", "full")
        self.size("deployment", "email", 1)
        self.shop.kubectl("exec", "mail", "--", "touch", "/tmp/knows-everybody")
        self.shop.kubectl("create", "job", "redrive-now", f"--from=cronjob/{RELEASE}-email-redrive")
        self.until(set())
        self.books.close()

    def bound_queue(self):
        self.shop.rabbitmq("rabbitmqctl", "set_operator_policy", "full", "^email-queue$", '{"max-length": 1}', "--apply-to", "quorum_queues")
        return True

    def size(self, kind, component, replicas):
        self.shop.kubectl("scale", f"{kind}/{RELEASE}-{component}", f"--replicas={replicas}")

    def alerts(self):
        """Each alert, and whether it is pending or firing."""
        return {one["metric"]["alertname"]: one["metric"]["alertstate"] for one in self.shop.ask_prometheus("ALERTS")}

    def until(self, firing, pending=frozenset(), may=frozenset()):
        """Waits until these alerts fire and those are pending at least; of others only those in `may` may still fire."""
        def fulfilled(alerts):
            fire = {name for name, state in alerts.items() if state == "firing"}
            return firing <= fire <= firing | may and pending <= set(alerts)

        alerts = eventually(f"fire: {sorted(firing) or 'none'}", self.alerts, fulfilled, PATIENCE)
        say(f"alerts: {alerts or 'none'}")


if __name__ == "__main__":
    unittest.main()
