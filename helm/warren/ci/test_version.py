"""There is one version, in Cargo.toml."""
import re
import unittest

import yaml

from chart import CHART, PROJECT, Manifests

VERSION = re.search(r'^\[workspace\.package\]\nversion = "(.*)"$', (PROJECT / "Cargo.toml").read_text(), re.M)[1]


class Version(unittest.TestCase):
    def test_every_chart_has_it(self):
        charts = [yaml.safe_load(path.read_text()) for path in CHART.rglob("Chart.yaml")]
        self.assertEqual(len(charts), 4)
        for chart in charts:
            self.assertEqual(chart["version"], VERSION, chart["name"])
            self.assertEqual({dependency["version"] for dependency in chart.get("dependencies", [])} or {VERSION}, {VERSION})
            if chart["name"] in ("warren", "service"):
                self.assertEqual(chart["appVersion"], VERSION, chart["name"])

    def test_the_chart_asks_for_images_of_it_by_the_names_that_make_gives_them(self):
        images = {template["spec"]["containers"][0]["image"] for owner, template in Manifests(tests=True).pods() if owner["kind"] != "StatefulSet"}
        self.assertEqual(images, {f"warren-{service}:{VERSION}" for service in ("order", "email", "analytics", "redrive")})
        makefile = (PROJECT / "Makefile").read_text()
        self.assertIn("TAG ?= $(VERSION)\n", makefile)
        self.assertIn("warren-$$service:$(TAG)", makefile)

    def test_the_images_and_the_changelog_have_it(self):
        self.assertIn(f"ARG VERSION={VERSION}\n", (PROJECT / "Dockerfile").read_text())
        # What is not released yet stands above the versions.
        headings = re.findall(r"^## \[(.+?)\]", (PROJECT / "CHANGELOG.md").read_text(), re.M)
        self.assertEqual([heading for heading in headings if heading != "Unreleased"][:1] or [VERSION], [VERSION])


if __name__ == "__main__":
    unittest.main()
