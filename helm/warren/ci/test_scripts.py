"""What the scripts of deploy say where they cannot work."""
import os
import re
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from chart import PROJECT


class Scripts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bin = Path(folder.name)

    def program(self, name, text):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def said(self, script, *arguments, alone=False, **environment):
        path = str(self.bin) if alone else f"{self.bin}:{os.environ['PATH']}"
        done = subprocess.run(["/bin/bash", PROJECT / "deploy" / script, *arguments], env={"PATH": path, "HOME": str(self.bin), **environment},
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 69, done.stderr)
        return done.stderr

    def test_where_there_is_no_linux_one_line_says_what_to_use(self):
        for script in ("run", "broker"):
            text = (PROJECT / "deploy" / script).read_text()
            # What bash 3.2 does not know comes after the line that asks for its version.
            self.assertLess(text.index("BASH_VERSINFO"), text.index("shopt -s inherit_errexit"))
            said = self.said(script, alone=True)
            self.assertEqual(len(said.splitlines()), 1, said)
            self.assertIn("docker compose -f deploy/compose.yaml up --build", said)

    def a_kind(self, helm="v3.20.0", kind="kind v0.30.0 go1.26 linux/amd64", port="127.0.0.1:8080"):
        self.program("docker", f'case "$1" in port) [ "$3" != 30080/tcp ] || echo {port} ;; esac')
        self.program("kind", f'case "$1" in version) echo "{kind}" ;; get) echo warren ;; esac')
        self.program("helm", f'case "$1" in version) echo "{helm}" ;; esac')
        self.program("kubectl", "exit 1")

    def test_old_versions_of_helm_and_kind_are_refused_before_anything_is_made(self):
        for old in ({"helm": "v3.9.4"}, {"helm": "v2.17.0"}, {"kind": "kind v0.19.0 go1.20 linux/amd64"}):
            with self.subTest(old):
                self.a_kind(**old)
                self.assertRegex(self.said("kind", "up"), r"^kind: (helm|kind) is v[0-9.]+: \w+ \S+ or later is needed.*\n$")

    def test_a_port_that_the_cluster_does_not_have_is_noticed(self):
        self.a_kind()
        self.assertIn("ORDER_PORT=8081, and the cluster was made with 8080", self.said("kind", "up", ORDER_PORT="8081"))
        # A cluster that was made with other ports keeps them.
        self.a_kind(port="127.0.0.1:8081")
        self.program("kubectl", "exit 0")
        self.program("make", "echo no images; exit 1")
        self.assertIn("building images failed", self.said("kind", "up"))

    def test_a_family_of_addresses_that_the_cluster_does_not_have_is_noticed(self):
        self.a_kind()
        self.program("make", "echo no images; exit 1")
        self.assertIn("IP_FAMILY=ipv5: there are ipv4, ipv6 and dual", self.said("kind", "up", IP_FAMILY="ipv5"))
        for has, networks in {"ipv4": '["10.244.0.0/24"]', "ipv6": '["fd00:10:244::/64"]', "dual": '["fd00:10:244::/64","10.244.0.0/24"]'}.items():
            self.program("kubectl", f"echo '{networks}'")
            for asked in ("ipv4", "ipv6", "dual"):
                with self.subTest(has=has, asked=asked):
                    said = self.said("kind", "up", IP_FAMILY=asked)
                    self.assertIn("building images failed" if asked == has else f"IP_FAMILY={asked}, and the cluster was made as {has}", said)

    def test_a_cluster_of_another_family_is_asked_for_with_its_own_address_of_this_machine(self):
        for asked, expected in {"": ("ipv4", "127.0.0.1"), "dual": ("dual", "127.0.0.1"), "ipv6": ("ipv6", "::1")}.items():
            self.a_kind()
            self.program("kind", f'case "$1" in version) echo "kind v0.30.0 go1.26 linux/amd64" ;; create) while [ "$1" != --config ]; do shift; done; cat "$2"; exit 1 ;; esac')
            with self.subTest(asked=asked):
                # Nobody can listen on port 0.
                ports = dict.fromkeys(("ORDER_PORT", "MANAGEMENT_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"), "0")
                config = yaml.safe_load(self.said("kind", "up", IP_FAMILY=asked, **ports).partition("making the cluster failed:\n")[2])
                [node] = config["nodes"]
                self.assertEqual((config["networking"]["ipFamily"], {port["listenAddress"] for port in node["extraPortMappings"]}), (expected[0], {expected[1]}))

    def test_a_release_names_its_registry_and_its_sources(self):
        for missing, given in (("REGISTRY", {}), ("SOURCE", {"REGISTRY": "ghcr.io/somebody"})):
            self.assertIn(f"{missing} is not set", self.said("release", "chart", **given))

    def test_ci_runs_every_module_of_the_clusters_tests_once(self):
        named = " ".join(re.findall(r'make kind-test TESTS="([^"]+)"', (PROJECT / ".github/workflows/ci.yaml").read_text())).split()
        self.assertEqual(sorted(named), sorted(path.stem for path in PROJECT.glob("helm/warren/ci/cluster/test_*.py")))

    def test_workflows_that_may_write_use_nothing_that_can_move(self):
        for name in ("release.yml", "weekly.yml"):
            text = (PROJECT / ".github/workflows" / name).read_text()
            used = re.findall(r"uses: (\S+)", text)
            self.assertTrue(used)
            for action in used:
                self.assertRegex(action, r"@[0-9a-f]{40}$")
            self.assertIn("\npermissions:\n  contents: read\n", text)


if __name__ == "__main__":
    unittest.main()
