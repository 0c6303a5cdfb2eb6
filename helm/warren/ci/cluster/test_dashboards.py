"""What is seen on the dashboards is what happened: every panel has data, and the first row agrees with the books."""
import base64
import json
import re
import sys
import unittest
import urllib.parse

from books import Books
from cluster import CHART, eventually, helm, run, say
from shop import RELEASE, Shop

sys.path.append(str(CHART / "ci"))
from live_dashboards import DASHBOARDS, Grafana, Prometheus, amiss, amiss_in_grafana, filled  # noqa: E402

# What nobody orders has no age and takes no time.
OF_ORDERS = {"Age when handled", "Accepting an order", "Publishing", "Handling"}


class Dashboards(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = Shop("dashboards", {"monitoring.prometheus.enabled": True})
        cls.addClassCleanup(cls.shop.delete)
        cls.books = Books(cls.shop)
        cls.shop.upgrade()
        cls.books.open_doors()
        cls.boards = [(path.name, json.loads(path.read_text())) for path in DASHBOARDS]
        cls.chosen = {"namespace": cls.shop.namespace, "release": RELEASE}

    def test_every_panel_has_data_and_the_first_row_agrees_with_the_books(self):
        self.every_panel_has_data("busy")
        with self.books.while_orders_flow("mail server away"):
            self.shop.kubectl("delete", "service", "mail")
            eventually("email pauses", lambda: self.shop.ask_prometheus('messaging_state{job="email", state="paused"} == 1'))
            self.shop.serve("mail", 2525)
        with self.books.while_orders_flow("the broker's only pod deleted"):
            self.shop.kubectl("delete", "pod", f"{RELEASE}-rabbitmq-0", "--wait")
            self.shop.roll_out("statefulset", "rabbitmq")
        with self.books.while_orders_flow("order rolled"):
            self.shop.kubectl("rollout", "restart", f"deployment/{RELEASE}-order")
            self.shop.roll_out("deployment", "order")
        self.every_panel_has_data("after a rollout")
        self.books.let_in("nobody", "nobody@refused.example")
        eventually("the letter is dead", lambda: self.shop.queues("messages")["email-queue.dead"]["messages"], lambda count: count == 1)
        self.books.close_doors()
        accepted = len(self.books.accepted())
        self.first_row_says(Accepted=accepted, Mailed=accepted - 1, Counted=accepted, Waiting=0, Dead=1)
        self.shop.kubectl("exec", "mail", "--", "touch", "/tmp/knows-everybody")
        self.shop.kubectl("create", "job", "redrive-now", f"--from=cronjob/{RELEASE}-email-redrive")
        self.books.close()
        self.first_row_says(Accepted=accepted, Mailed=accepted, Counted=accepted, Waiting=0, Dead=0)
        self.every_panel_has_data("after a redrive")
        self.every_panel_has_data("quiet", OF_ORDERS, minutes=1)

    def every_panel_has_data(self, when, but=(), minutes=5):
        without = {f"warren.json, {title}: no data" for title in but}
        with self.shop.forwarded("prometheus", 9090) as url:
            seen = lambda: set(amiss(Prometheus(url, minutes), self.boards, self.chosen)) - without
            eventually(f"{when}, every panel has data", seen, lambda faults: not faults)
        say(f"{when}: every panel has data")

    def first_row_says(self, **books):
        """The numbers of the first row, of orders alone: repeats have a number of their own."""
        titles = {"Dead letters": "Dead"}
        first = [panel for panel in dict(self.boards)["warren.json"]["panels"] if panel["type"] == "stat"][:5]
        times = {"__interval": "5s", "__interval_ms": "5000", "__range": "3600s"}

        def shown():
            values = {}
            for panel in first:
                asked = [target["expr"] for target in panel["targets"] if target["legendFormat"] != "repeats"]
                found = [one for query in asked for one in self.shop.ask_prometheus(filled(query, {**times, **self.chosen}))]
                values[titles.get(panel["title"], panel["title"])] = sum(float(one["value"][1]) for one in found)
            return values

        eventually(f"the first row says {books}", shown, lambda values: values == books)
        say(f"the first row says what the books say: {books}")

    def test_grafana_has_the_dashboards_and_runs_every_query(self):
        settings = ["--kube-version", "1.34.0", "--set", "monitoring.grafana.enabled=true,monitoring.prometheus.enabled=true", "--show-only", "charts/monitoring/templates/grafana.yaml"]
        [image] = re.findall(r'image: "(.+)"', helm("template", RELEASE, CHART, *settings))
        pulled = run("docker", "pull", "--quiet", image, check=False)
        if pulled.returncode:
            self.skipTest(f"Grafana's image {image} cannot be pulled: {pulled.stderr.strip().splitlines()[-1]}")
        self.shop.upgrade({"monitoring.grafana.enabled": True})
        password = base64.b64decode(self.shop.object("secret", f"{RELEASE}-grafana")["data"]["admin-password"]).decode()
        with self.shop.forwarded("grafana", 3000) as url:
            # What is seen in it may be of minutes ago, when nobody ordered any more.
            self.books.let_in("customer", "ada@example.com")
            grafana = Grafana(url.replace("//", f"//admin:{urllib.parse.quote(password)}@"))
            eventually("Grafana has all", lambda: list(amiss_in_grafana(grafana, self.shop.namespace, RELEASE)), lambda faults: not faults)
        say(f"{image}: its data source is healthy, it has the chart's dashboards, and every panel has data")


if __name__ == "__main__":
    unittest.main()
