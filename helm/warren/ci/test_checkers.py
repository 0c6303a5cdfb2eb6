"""What others' tools say of everything that the chart can render."""
import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import kubernetes_validate
import yaml

from chart import CHART, DIGEST, EXAMPLES, helm, text

# Objects that an operator brings to a cluster.
CUSTOM = {"gateway.networking.k8s.io", "keda.sh", "monitoring.coreos.com"}
KUBERNETES = [f"1.{minor}" for minor in range(28, 38)]
# As production should: an image that is named by its digest is always the same.
DIGESTS = [f"global.image.digests.{name}={DIGEST}" for name in ("order", "email", "analytics", "redrive")]
DIGESTS += [f"{name}.image.digest={DIGEST}" for name in ("rabbitmq", "monitoring.prometheus", "monitoring.grafana")]


class Checkers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        for name, files in [("defaults", ()), *((e.stem, (e,)) for e in EXAMPLES)]:
            (cls.folder / f"{name}.yaml").write_text(text(*DIGESTS, files=files))

    def test_helm_lints_every_set_of_values(self):
        for files in [[], *(["--values", example] for example in EXAMPLES)]:
            done = helm("lint", "--strict", CHART, *files)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_kubernetes_knows_every_field_in_every_version(self):
        # Most objects are the same in every set of values.
        objects = {json.dumps(d, sort_keys=True): d for path in self.folder.glob("*.yaml") for d in yaml.safe_load_all(path.read_text()) if d}
        known = [d for d in objects.values() if d["apiVersion"].split("/")[0] not in CUSTOM]
        self.assertGreater(len(known), 50)
        for version in KUBERNETES:
            for document in known:
                with self.subTest(version=version, object=document["metadata"]["name"]):
                    kubernetes_validate.validate(document, version, strict=True)

    def test_checkov_finds_nothing(self):
        done = subprocess.run(
            ["checkov", "--directory", self.folder, "--config-file", CHART / "ci/checkov.yaml", "--skip-download", "--output", "json"],
            capture_output=True, text=True)
        report = json.loads(done.stdout)
        failed = {(c["check_id"], c["resource"]) for c in report["results"]["failed_checks"]}
        self.assertEqual(failed, set())
        self.assertGreater(report["summary"]["passed"], 1000)
        print(f"checkov: {report['summary']['passed']} passed, 0 failed", flush=True)

    def test_checkov_skips_at_most_four_checks_each_for_a_reason(self):
        skips = [line for line in (CHART / "ci/checkov.yaml").read_text().splitlines() if line.startswith("  - CKV")]
        self.assertLessEqual(len(skips), 4)
        for line in skips:
            self.assertRegex(line, r"# \w.{20,}")


if __name__ == "__main__":
    unittest.main()
