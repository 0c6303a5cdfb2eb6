"""What customers were promised, held against what was mailed."""
from contextlib import contextmanager

from cluster import eventually, said, say


class Books:
    def __init__(self, shop):
        self.shop, self.customers = shop, []
        shop.start_mail_server()

    def open_doors(self):
        """Lets customers in, who order until the doors are closed."""
        self.let_in("customers")
        eventually("customers order", self.accepted, lambda accepted: len(accepted) >= 10)

    def let_in(self, name, *address):
        """Customers in a pod of this name; with an address, one with a single order."""
        self.shop.run_beside(name, "/customers.py", "http://warren-order/orders", *address)
        self.customers.append(name)

    def events(self, kind):
        logs = [self.shop.kubectl("logs", pod) for pod in self.customers]
        return [event[kind] for log in logs for event in said(log) if kind in event]

    def accepted(self):
        return self.events("accepted")

    def wait_for_mails(self):
        accepted = set(self.accepted())
        eventually("every accepted order is mailed", lambda: accepted - set(self.shop.mails()), lambda missing: not missing)

    @contextmanager
    def while_orders_flow(self, what):
        """Orders are accepted before, and again after, what happens inside; all that were accepted are mailed."""
        before = len(self.accepted())
        eventually("orders flow", self.accepted, lambda accepted: len(accepted) >= before + 10)
        yield
        after = len(self.accepted())
        eventually("orders flow again", self.accepted, lambda accepted: len(accepted) >= after + 10)
        self.wait_for_mails()
        say(f"{what}: {len(self.accepted()) - before} orders accepted, all mailed")

    def close_doors(self):
        if not self.events("done"):
            self.shop.kubectl("exec", "customers", "--", "touch", "/tmp/stop")
        eventually("all customers have their answer", lambda: self.events("done"))

    def close(self):
        """Closes the doors and balances: nothing accepted is missing, nothing is mailed that nobody ordered."""
        self.close_doors()
        self.wait_for_mails()
        accepted, mails = set(self.accepted()), self.shop.mails()
        invented = set(mails) - accepted
        figures = f"{len(accepted)} accepted, {len(set(mails))} mailed, {len(mails) - len(set(mails))} of them again, {len(invented)} that nobody ordered"
        say(f"{self.shop.namespace}: {figures}; {len(self.events('put_off'))} answers were 503, {len(self.events('unanswered'))} did not come, {len(self.events('refused'))} connections were refused")
        if invented:
            raise AssertionError(f"mailed, and ordered by nobody: {invented}")
        if self.events("unexpected"):
            raise AssertionError(f"answers that no customer understands: {self.events('unexpected')}")
