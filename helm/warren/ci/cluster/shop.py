"""One release in a namespace of its own that enforces Pod Security "restricted", and what an operator does to it."""
import json
import re
import subprocess
from contextlib import contextmanager

from cluster import CHART, CONTEXT, HELM_ARGS, JOURNEY_IMAGE, PATIENCE, TAG, eventually, helm, kubectl, said

RELEASE = "warren"
QUEUES = ["email-queue", "analytics-queue"]
# Enough for a laptop that runs two shops at once.
SMALL = {"rabbitmq.persistence.size": "4Gi", "rabbitmq.resources.requests.cpu": "50m"}


class Shop:
    def __init__(self, namespace, values=None, files=()):
        self.namespace, self.values, self.files = namespace, {**SMALL, "global.image.tag": TAG, **(values or {})}, files
        kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait")
        kubectl("create", "namespace", namespace)
        kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")

    def kubectl(self, *arguments, **options):
        return kubectl("--namespace", self.namespace, *arguments, **options)

    def upgrade(self, values=None, **options):
        """Installs the release, or changes these values of it, and waits until all is ready."""
        self.values.update(values or {})
        settings = [option for file in self.files for option in ("--values", file)]
        for name, value in self.values.items():
            settings += ["--set-string" if isinstance(value, str) else "--set", f"{name}={json.dumps(value).strip(chr(34))}"]
        return helm("upgrade", "--install", RELEASE, CHART, "--namespace", self.namespace, *settings, *HELM_ARGS, "--wait", "--timeout", f"{PATIENCE}s", **options)

    def uninstall(self):
        helm("uninstall", RELEASE, "--namespace", self.namespace, "--wait", "--timeout", f"{PATIENCE}s")

    def test(self):
        return helm("test", RELEASE, "--namespace", self.namespace, "--logs", "--timeout", f"{PATIENCE}s")

    def delete(self):
        # First the release and its pods: a namespace with a pod that may take a week to stop is looked at again only after minutes.
        helm("uninstall", RELEASE, "--namespace", self.namespace, "--wait", "--timeout", f"{PATIENCE}s", "--ignore-not-found")
        self.kubectl("wait", "pod", "--for=delete", f"--timeout={PATIENCE}s", "--selector", "app.kubernetes.io/name=rabbitmq")
        kubectl("delete", "namespace", self.namespace, "--wait")

    # -- what runs beside it --

    def apply(self, api, kind, name, **rest):
        """An object in the shop's namespace."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": api, "kind": kind, "metadata": {"name": name}, **rest}))

    def serve(self, name, port):
        """A Service to the pod of this name, and waits until it answers."""
        self.apply("v1", "Service", name, spec={"selector": {"app": name}, "ports": [{"port": port}]})
        self.kubectl("wait", f"pod/{name}", "--for=condition=Ready", f"--timeout={PATIENCE}s")

    def run_beside(self, name, *command):
        """A pod of the journey's own image, as restricted as any."""
        security = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
        container = {"name": name, "image": JOURNEY_IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["python3", *command], "securityContext": security}
        spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "automountServiceAccountToken": False, "containers": [container]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(pod))

    def start_mail_server(self):
        self.run_beside("mail", "/mail_server.py")
        self.serve("mail", 2525)
        self.values["email.settings.SMTP_URL"] = "smtp://mail:2525"

    def place_order(self):
        """A customer's one order, and its id once it is accepted."""
        self.run_beside("customer", "/customers.py", "http://warren-order/orders", "ada@example.com")
        accepted = lambda: [event["accepted"] for event in said(self.kubectl("logs", "customer")) if "accepted" in event]
        [order] = eventually("an order is accepted", accepted)
        return order

    def redrive(self, service):
        """A Job that moves the dead letters; where it fails, what it said."""
        self.kubectl("create", "job", "redrive-now", f"--from=cronjob/{RELEASE}-{service}-redrive")
        conditions = lambda: {condition["type"] for condition in self.object("job", "redrive-now")["status"].get("conditions", [])}
        if "Complete" not in eventually("the redrive ends", conditions, {"Complete", "Failed"}.intersection):
            raise AssertionError(self.kubectl("logs", "job/redrive-now"))

    def mails(self):
        """The id of each mailed order, as often as it was mailed."""
        return [event["subject"].split()[-1] for event in said(self.kubectl("logs", "mail"))]

    # -- what is seen of it --

    def object(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def pods(self, component):
        return [pod["metadata"]["name"] for pod in self.object("pods", "--selector", f"app.kubernetes.io/name={component}")["items"]]

    def rabbitmq(self, *command, pod=f"{RELEASE}-rabbitmq-0", **options):
        return self.kubectl("exec", pod, "--container=rabbitmq", "--", *command, **options)

    def queues(self, *columns):
        """A row for each queue of the shop: its name, and these columns of rabbitmqctl's list."""
        listed = json.loads(self.rabbitmq("rabbitmqctl", "--quiet", "list_queues", "name", *columns, "--formatter=json"))
        return {row.pop("name"): row for row in listed}

    def wait_for_members(self, count):
        whole = lambda queues: all(len(queues[queue]["members"]) == len(queues[queue]["online"]) == count for queue in QUEUES)
        eventually(f"every queue has {count} members online", lambda: self.queues("members", "online"), whole)

    def roll_out(self, kind, component):
        self.kubectl("rollout", "status", f"{kind}/{RELEASE}-{component}", f"--timeout={PATIENCE}s")

    def scale(self, component, replicas):
        self.kubectl("scale", f"deployment/{RELEASE}-{component}", f"--replicas={replicas}")
        self.roll_out("deployment", component)
        eventually(f"there are {replicas} pods of {component}", lambda: len(self.pods(component)), lambda count: count == replicas)

    @contextmanager
    def forwarded(self, component, port):
        """An address on this machine that leads to a pod of this component."""
        command = ["kubectl", "--context", CONTEXT, "--namespace", self.namespace, "port-forward", f"deployment/{RELEASE}-{component}", f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                [local] = re.findall(r":(\d+) ->", process.stdout.readline()) or [None]
                if not local:
                    raise AssertionError(f"kubectl forwards no port to {component}")
                yield f"http://localhost:{local}"
            finally:
                process.kill()

    def ask_prometheus(self, query):
        """The values of a query, which Prometheus's own promtool asks."""
        answer = self.kubectl("exec", f"deployment/{RELEASE}-prometheus", "--", "promtool", "query", "instant", "--format=json", "http://127.0.0.1:9090", query)
        return json.loads(answer)
