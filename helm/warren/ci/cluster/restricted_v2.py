"""A webhook that does to a pod what OpenShift's restricted-v2 does, SELinux apart: gives it the namespace's user and group, and refuses others.

    restricted_v2.py FIRST LAST     the range of the namespace
"""
import base64
import http.server
import json
import socket
import ssl
import sys

FIRST, LAST = int(sys.argv[1]), int(sys.argv[2])


def judge(spec):
    """Whether the pod may be, and what of it is changed."""
    pod, containers = spec.setdefault("securityContext", {}), [c.setdefault("securityContext", {}) for c in spec["containers"] + spec.get("initContainers", [])]
    asked = [pod.get("fsGroup"), *(context.get("runAsUser") for context in [pod, *containers])]
    for wrong in [number for number in asked if number is not None and not FIRST <= number <= LAST]:
        return {"allowed": False, "status": {"message": f"restricted-v2: {wrong} is not in the range {FIRST} to {LAST}"}}
    pod.setdefault("fsGroup", FIRST)
    for context in containers:
        context.setdefault("runAsUser", pod.get("runAsUser", FIRST))
    patch = json.dumps([{"op": "replace", "path": "/spec", "value": spec}]).encode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))
        review["response"] = {"uid": review["request"]["uid"], **judge(review["request"]["object"]["spec"])}
        del review["request"]
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/webhook.crt", "/webhook.key")
server = Server(("", 8443), Webhook)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
