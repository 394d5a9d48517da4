"""The examples of docs/reference/ make one project together, and it works. That the pages have every key is a test of
the room tasks."""
import re
import unittest

from harness import SOURCE, ProjectTest

EXAMPLE = re.compile(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples():
    pages = sorted((SOURCE / "docs/reference").glob("*.md"))
    return {path: text for page in pages for path, text in EXAMPLE.findall(page.read_text())}


class TestReference(ProjectTest):
    def test_the_examples_are_one_project_that_runs(self):
        shop = self.project()
        for path, text in examples().items():
            shop.write(path, text)
        in_order = self.assertRuns(shop.millrace("check"))
        self.assertIn("1 Dag, 1 source, 4 SQL models, 2 suites, 1 training set", in_order.out)
        self.assertRuns(shop.millrace("check", "--target", "night"))

        for day in range(1, 29):
            rows = [f"o{day:02}{n:03},c{n % 7},2026-02-{day:02}T{n % 24:02}:00:00Z,{n % 5},{n}.5,"
                    f"{int((n * 7 + day) % 5 < n % 5)},2026-02-{day:02}T23:{n % 60:02}:00Z" for n in range(60)]
            header = "order_id,customer,ordered_at,items,amount,returned,closed_at"
            shop.write(f"deliveries/orders-2026-02-{day:02}.csv", "\n".join([header, *rows, ""]))
        run = self.assertRuns(shop.millrace("run", "returns", "--logical-date", "2026-03-02", "--json")).json()
        self.assertEqual({task["state"] for task in run["tasks"]}, {"success"})
        self.assertEqual(shop.value("select sum(orders) from marts.daily_returns"), (6 + 3) * 60)
        self.assertRuns(shop.millrace("validate", "orders", "--table", "raw.orders"))


if __name__ == "__main__":
    unittest.main()
