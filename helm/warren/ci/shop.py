"""A shop in series of Prometheus: what its pods and its broker show on an ordinary day, and how that changes."""

STEP = 0.5  # minutes between two samples, as for a Prometheus operator by default
MINUTES = 240
PUBLISHED = ("confirmed", "unavailable", "blocked", "unroutable", "rejected", "unconfirmed", "overloaded", "abandoned")
CONSUMED = ("handled", "duplicate", "delayed", "dead", "undecodable", "suspect", "given-back", "postponed")
STATES = ("connecting", "connected", "blocked", "consuming", "paused", "access-refused", "topology-conflict", "draining")
QUEUES = {"email": "email-queue", "analytics": "analytics-queue"}


def at(minute):
    return round(minute / STEP)


class Series:
    """One series: at each sample its value, or for a counter what it grew by; None where it is not there."""

    def __init__(self, name, labels, value):
        self.name, self.labels, self.samples = name, labels, [value] * (at(MINUTES) + 1)

    def has(self, labels):
        return all(self.labels.get(name) in ([value] if isinstance(value, str) else value) for name, value in labels.items())

    def text(self):
        labels = ", ".join(f'{name}="{value}"' for name, value in self.labels.items())
        return {"series": f"{self.name}{{{labels}}}", "values": " ".join(runs(self.values()))}

    def values(self):
        total = 0
        for sample in self.samples:
            if not self.name.endswith("_total"):
                yield sample
            elif sample is None:
                total = 0  # a new process counts from the beginning
                yield None
            else:
                total += sample
                yield total


def runs(values):
    """Values as promtool reads them: equal steps together."""
    values = list(values)
    start = 0
    while start < len(values):
        first, end = values[start], start + 1
        if first is None:
            while end < len(values) and values[end] is None:
                end += 1
            yield "stale" if start else "_"
            if end - start > 1:
                yield f"_x{end - start - 1}" if end - start > 2 else "_"
        else:
            step = values[end] - first if end < len(values) and values[end] is not None else 0
            while end < len(values) and values[end] is not None and values[end] - values[end - 1] == step:
                end += 1
            yield f"{first}{step:+}x{end - start - 1}" if end - start > 1 else str(first)
        start = end


class Shop:
    """Two pods of each service and some nodes of the broker; every order is mailed and counted at once."""

    def __init__(self, orders=15, nodes=3):
        self.orders, self.series = orders, []
        for service in ("order", "email", "analytics"):
            for pod in "ab":
                self.pod(service, pod)
        for node in range(nodes):
            self.node(nodes, node)
        for queue in QUEUES.values() if nodes else ():
            for name, depth in (("", 2 if orders else 0), (".dead", 0), (".retry.10m", 0)):
                self.add("rabbitmq_detailed_queue_messages", depth, job="rabbitmq", pod="warren-rabbitmq-0", queue=queue + name)

    def add(self, name, value, **labels):
        self.series.append(Series(name, {"namespace": "shop", "release": "warren", **labels}, value))

    def pod(self, service, pod):
        labels = {"job": service, "instance": pod}
        self.add("up", 1, **labels)
        self.add("process_start_time_seconds", 1, **labels)
        self.add("process_resident_memory_bytes", 20e6, **labels)
        self.add("warren_memory_limit_bytes", 160e6, **labels)
        # A publisher has the label `exchange`, a consumer the label `queue`.
        of = {"exchange": "order-exchange"} if service == "order" else {"queue": QUEUES[service]}
        for state in STATES:
            self.add("messaging_state", int(state == ("connected" if service == "order" else "consuming")), state=state, **of, **labels)
        for connection in ("publish",) if service == "order" else ("publish", "consume"):
            self.add("messaging_connected", 1, connection=connection, **of, **labels)
            self.add("messaging_blocked", 0, connection=connection, **of, **labels)
            self.add("messaging_broker_certificate_not_after_seconds", 0, connection=connection, **of, **labels)
        if service == "order":
            for outcome in PUBLISHED:
                self.add("messaging_published_total", self.orders * (outcome == "confirmed"),
                         exchange="order-exchange", routing_key="order.placed", outcome=outcome, **labels)
            return self
        labels["queue"] = QUEUES[service]
        self.add("messaging_consumer_active", 1, **labels)
        self.add("messaging_oldest_event_timestamp_seconds", 0, **labels)
        self.add("messaging_redriven_total", 0, **labels)
        for outcome in CONSUMED:
            self.add("messaging_consumed_total", self.orders * (outcome == "handled"), routing_key="order.placed", outcome=outcome, **labels)
        return self

    def node(self, nodes, number):
        labels = {"job": "rabbitmq", "pod": f"warren-rabbitmq-{number}", "instance": f"warren-rabbitmq-{number}"}
        for path in ("/metrics", "/metrics/detailed"):
            self.add("up", 1, metrics_path=path, **labels)
        self.add("rabbitmq_unreachable_cluster_peers_count", 0, **labels)
        self.add("rabbitmq_erlang_uptime_seconds", 5000, **labels)
        self.add("rabbitmq_identity_info", 1, rabbitmq_cluster_permanent_id="one", **labels)
        for alarm in ("memory_used", "free_disk_space"):
            self.add(f"rabbitmq_alarms_{alarm}_watermark", 0, **labels)
        self.add("rabbitmq_disk_space_available_bytes", 8e9, **labels)
        self.add("rabbitmq_disk_space_available_limit_bytes", 2e9, **labels)
        self.add("rabbitmq_process_resident_memory_bytes", 2e8, **labels)
        self.add("rabbitmq_resident_memory_limit_bytes", 5e8, **labels)

    def change(self, start, end, value, name=None, **labels):
        """From one minute to another the series of this name, or of any, with these labels have this value, or f(value, minute)."""
        found = [series for series in self.series if name in (None, series.name) and series.has(labels)]
        if not found:
            raise AssertionError(f"there is no series {name} {labels}")
        for series in found:
            for index in range(at(start), min(at(end), len(series.samples))):
                series.samples[index] = value(series.samples[index], index * STEP) if callable(value) else value
        return self

    def gone(self, start, end, **labels):
        """Nothing with these labels is there; `name` leaves the other metrics as they are."""
        return self.change(start, end, None, **labels)

    def state(self, start, end, state, **labels):
        """All pods with these labels are in this state, and the series that follow from it say the same."""
        self.change(start, end, 0, "messaging_state", **labels).change(start, end, 1, "messaging_state", state=state, **labels)
        if labels.get("job") != "order":
            self.change(start, end, int(state == "consuming"), "messaging_consumer_active", **labels)
            self.change(start, end, 0, "messaging_consumed_total", **labels)
        if state == "connecting":
            self.change(start, end, 0, "messaging_connected", **labels)
        return self

    def refused(self, start, end, outcome, share=1, **labels):
        """That share of the orders is refused."""
        published = {"name": "messaging_published_total", **labels}
        self.change(start, end, lambda was, _: was * (1 - share), outcome="confirmed", **published)
        return self.change(start, end, self.orders * share, outcome=outcome, **published)

    def as_input(self):
        return [series.text() for series in self.series]
