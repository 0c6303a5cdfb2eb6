"""Each alert fires, stays and ends as its trouble does; what happens every day fires none; one event calls nobody twice."""
import functools
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from chart import CHART, Manifests
from shop import MINUTES, Shop

OWN_BROKER = ("rabbitmq.enabled=false", "global.broker.existingSecret=urls")
RUNBOOKS = "https://example.com/RUNBOOK.md"


@functools.cache
def rules(*values):
    spec = Manifests("monitoring.rules.enabled=true", f"monitoring.rules.runbookUrl={RUNBOOKS}", *values).get("PrometheusRule", "warren-alerts")["spec"]
    return spec, {rule["alert"]: rule for group in spec["groups"] for rule in group["rules"]}


def promtool(folder, *arguments):
    done = subprocess.run([os.environ.get("PROMTOOL", "promtool"), *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)


class Alerts(unittest.TestCase):
    """A shop, what happens to it, and which alerts fire at which minutes; all others have to be silent then."""

    seen = set()

    def hold(self, shop, firing, values=(), summary=None):
        """`firing` is {minute: {alert: number of alerts}}; `summary` is what an alert says at the first minute at which it fires."""
        spec, by_name = rules(*values)
        queries = [{"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": f"{minute}m",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": number} for alert, number in alerts.items()]}
                   for minute, alerts in firing.items()]
        told = [(minute, alert, *summary[alert]) for alert in summary or {} for minute in [next(m for m in firing if alert in firing[m])]]
        rendered = [{"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": [self.expected(by_name[alert], labels, text)]}
                    for minute, alert, labels, text in told]
        test = {"interval": "30s", "input_series": shop.as_input(), "promql_expr_test": queries, "alert_rule_test": rendered}
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "rules.yaml").write_text(json.dumps(spec))
            Path(folder, "test.yaml").write_text(json.dumps({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}))
            promtool(folder, "test", "rules", "test.yaml")
        for minute, alerts in firing.items():
            calling = [alert for alert in alerts if by_name[alert]["labels"]["severity"] == "critical"]
            self.assertLessEqual(len(calling), 1, f"at minute {minute} one event calls for {calling}")
            self.seen.update(alerts)

    def expected(self, rule, labels, summary):
        labels = {"namespace": "shop", "release": "warren", **rule["labels"], **labels}
        told = {name: re.sub(r"{{ \$labels\.(\w+) }}", lambda label: labels[label[1]], text) for name, text in rule["annotations"].items()}
        return {"exp_labels": labels, "exp_annotations": {**told, "summary": summary}}

    def quiet(self, shop, minutes, values=()):
        self.hold(shop, {minute: {} for minute in minutes}, values)


class EveryDay(Alerts):
    """What fires nothing."""

    def test_orders_come_and_are_handled(self):
        self.quiet(Shop(), [1, 30, 120, MINUTES])
        self.quiet(Shop(nodes=0), [1, 30, 120, MINUTES], OWN_BROKER)

    def test_an_idle_shop_and_one_with_an_order_every_quarter_of_an_hour(self):
        for nodes, values in ((3, ()), (0, OWN_BROKER)):
            shop = Shop(orders=0, nodes=nodes)
            self.quiet(shop, [1, 30, 120, MINUTES], values)
            now_and_then = lambda was, minute: int(minute % 15 == 0)
            shop.change(0, MINUTES, now_and_then, "messaging_published_total", outcome="confirmed", instance="a")
            shop.change(0, MINUTES, now_and_then, "messaging_consumed_total", outcome="handled", instance="b")
            self.quiet(shop, range(10, 100, 3), values)

    def test_a_rollout_of_all_services(self):
        shop = Shop()
        for service in ("order", "email", "analytics"):
            for pod in "cd":
                shop.pod(service, pod)
        for minute, old, new in ((30, "a", "c"), (32, "b", "d")):
            shop.gone(0, minute, instance=new).change(minute, minute + 0.5, 0, "up", instance=new)
            for service, state in (("order", "connecting"), ("email", "connecting"), ("analytics", "connecting")):
                shop.state(minute + 0.5, minute + 1, state, job=service, instance=new)
                shop.state(minute + 0.5, minute + 1, "draining", job=service, instance=old)
            shop.change(minute + 1, minute + 1.5, 0, "up", instance=old).gone(minute + 1.5, MINUTES, instance=old)
        self.quiet(shop, [*range(29, 50), 90])

    def test_a_redrive_of_old_dead_letters(self):
        shop = Shop().change(0, 40, 500, "rabbitmq_detailed_queue_messages", queue="email-queue.dead")
        shop.change(40, 43, 1, "messaging_oldest_event_timestamp_seconds", queue="email-queue")
        shop.change(40, 43, 50, "messaging_consumed_total", queue="email-queue", outcome="handled")
        self.quiet(shop, [*range(38, 60), 110])

    def test_a_redrive_that_takes_longer_than_the_age_that_calls(self):
        shop = Shop().change(40, 70, 1, "messaging_oldest_event_timestamp_seconds", queue="email-queue")
        shop.change(40, 70, 50, "messaging_redriven_total", queue="email-queue")
        self.quiet(shop, [*range(38, 90), 110])

    def test_a_consumer_that_starts_handles_the_only_order_before_it_is_read(self):
        shop = Shop(orders=0, nodes=0).pod("email", "c")
        shop.gone(0, 40, instance="c").change(39.5, 40, 1, "messaging_published_total", outcome="confirmed", instance="a")
        shop.change(40, 40.5, 1, "messaging_consumed_total", outcome="handled", instance="c")
        shop.change(40, 40.5, 1, "messaging_consumed_total", outcome="handled", job="analytics", instance="a")
        shop.gone(40, MINUTES, job="email", instance="a")
        self.quiet(shop, range(38, 60), OWN_BROKER)

    def test_a_restart_of_the_broker_node_after_node(self):
        shop = Shop()
        for minute, node in ((30, "2"), (33, "1"), (36, "0")):
            shop.gone(minute, minute + 1.5, pod=f"warren-rabbitmq-{node}", job="rabbitmq")
            shop.change(minute, minute + 1.5, lambda was, _: was and 0 if was is None else 1, "rabbitmq_unreachable_cluster_peers_count")
            shop.change(minute + 1.5, MINUTES, 60, "rabbitmq_erlang_uptime_seconds", pod=f"warren-rabbitmq-{node}")
            shop.refused(minute, minute + 0.5, "unavailable", instance="a")
            shop.state(minute, minute + 0.5, "connecting", job="email", instance="a")
        self.quiet(shop, [*range(29, 60), 90])

    def test_a_restart_of_the_only_node(self):
        shop = Shop(nodes=1).gone(30, 31.5, job="rabbitmq").refused(30, 31.5, "unavailable")
        for service in ("order", "email", "analytics"):
            shop.state(30, 31.5, "connecting", job=service)
        self.quiet(shop, [*range(29, 60), 90])


class Orders(Alerts):
    def test_every_order_is_refused(self):
        firing = {35: {}, 37: {"WarrenOrdersRefused": 1}, 89: {"WarrenOrdersRefused": 1}, 93: {}}
        summary = {"WarrenOrdersRefused": ({}, "100% of the orders are refused.")}
        for outcome in ("unavailable", "rejected", "unconfirmed", "overloaded"):
            self.hold(Shop().refused(31, 90, outcome), firing, summary=summary)
        self.hold(Shop(nodes=0).refused(31, 90, "unavailable"), firing, OWN_BROKER)

    def test_one_order_in_ten_is_refused(self):
        self.hold(Shop(orders=20).refused(31, 90, "overloaded", 0.1), {35: {}, 38: {"WarrenOrdersRefused": 1}, 89: {"WarrenOrdersRefused": 1}, 93: {}})

    def test_one_order_in_a_hundred_is_refused(self):
        self.quiet(Shop(orders=100).refused(31, 90, "overloaded", 0.01), [40, 60, 89])

    def test_each_of_a_few_orders_is_refused(self):
        shop = Shop(orders=0).change(30, 150, lambda was, minute: int(minute % 7 == 0), "messaging_published_total", outcome="unavailable", instance="a")
        self.hold(shop, {29: {}, 60: {"WarrenOrdersRefused": 1}, 150: {"WarrenOrdersRefused": 1}, 180: {}})

    def test_a_third_of_a_few_orders_is_refused(self):
        shop = Shop(orders=0)
        every_two_minutes = lambda third: lambda was, minute: int(minute % 2 == 0 and (minute % 6 == 0) == third)
        shop.change(0, MINUTES, every_two_minutes(False), "messaging_published_total", outcome="confirmed", instance="a")
        shop.change(0, 30, every_two_minutes(True), "messaging_published_total", outcome="confirmed", instance="a")
        shop.change(30, 90, every_two_minutes(True), "messaging_published_total", outcome="overloaded", instance="a")
        self.hold(shop, {29: {}, 60: {"WarrenOrdersRefused": 1}, 89: {"WarrenOrdersRefused": 1}, 115: {}})

    def test_no_queue_is_bound(self):
        shop = Shop().refused(30, 60, "unroutable")
        told = {"WarrenUnroutable": ({"routing_key": "order.placed"}, "order.placed reaches no queue: those orders were refused.")}
        self.hold(shop, {29: {}, 32: {"WarrenUnroutable": 1}, 59: {"WarrenUnroutable": 1}, 70: {}}, summary=told)

    def test_no_pod_takes_orders(self):
        firing = {32: {}, 35: {"WarrenNobodyTakesOrders": 1}, 89: {"WarrenNobodyTakesOrders": 1}, 97: {}}
        told = {"WarrenNobodyTakesOrders": ({}, "Nobody takes orders.")}
        self.hold(Shop().gone(30, 90, job="order"), firing, summary=told)
        self.hold(Shop(nodes=0).gone(30, 90, job="order"), firing, OWN_BROKER)
        for state in ("connecting", "access-refused", "topology-conflict"):
            self.hold(Shop().state(30, 90, state, job="order").change(30, 90, 0, "messaging_published_total"), firing)

    def test_the_pods_of_order_do_not_answer(self):
        shop = Shop().gone(30, 90, job="order").change(30, 90, 0, "up", job="order")
        self.hold(shop, {35: {"WarrenNobodyTakesOrders": 1}, 89: {"WarrenNobodyTakesOrders": 1, "WarrenRestarts": 1}, 110: {}})

    def test_the_only_node_of_the_broker_is_away(self):
        for nodes, values, more in ((1, (), {"WarrenBrokerNodeDown": 1}), (0, OWN_BROKER, {})):
            shop = Shop(nodes=nodes).refused(30, 90, "unavailable")
            if nodes:
                shop.gone(30, 90, job="rabbitmq")
            for service in ("order", "email", "analytics"):
                shop.state(30, 90, "connecting", job=service)
            self.hold(shop, {29: {}, 34: {"WarrenNobodyTakesOrders": 1}, 89: {"WarrenNobodyTakesOrders": 1, **more}, 97: {}}, values)


class Consumers(Alerts):
    def test_nobody_consumes(self):
        firing = {32: {}, 35: {"WarrenNobodyConsumes": 1}, 89: {"WarrenNobodyConsumes": 1}, 97: {}}
        told = {"WarrenNobodyConsumes": ({"queue": "email-queue"}, "Nobody consumes email-queue.")}
        for nodes, values in ((3, ()), (0, OWN_BROKER)):
            self.hold(Shop(nodes=nodes).gone(30, 90, job="email"), firing, values, told)
            self.hold(Shop(nodes=nodes).state(30, 90, "access-refused", job="email"), firing, values)

    def test_a_consumer_that_ends_soon_after_each_start_calls_once(self):
        shop = Shop().gone(30, 90, job="email", instance="a").gone(30, 90, job="email", instance="b")
        for minute in range(34, 90, 5):
            shop.change(minute, minute + 1, 1, "messaging_consumer_active", job="email", instance="a")
        self.hold(shop, {32: {}, **{minute: {"WarrenNobodyConsumes": 1} for minute in range(35, 90)}, 97: {}})

    def test_all_consumers_are_gone(self):
        shop = Shop(nodes=0).gone(30, 90, job="email").gone(30, 90, job="analytics")
        self.hold(shop, {32: {}, 35: {"WarrenNobodyConsumes": 2}, 89: {"WarrenNobodyConsumes": 2}, 97: {}}, OWN_BROKER)

    def test_the_mail_server_is_down(self):
        shop = Shop().state(30, 90, "paused", job="email").change(30, 95, 1800, "messaging_oldest_event_timestamp_seconds", job="email")
        shop.change(30, 90, lambda was, minute: (minute - 30) * 60, "rabbitmq_detailed_queue_messages", queue="email-queue")
        firing = {35: {"WarrenNobodyConsumes": 1}, 89: {"WarrenNobodyConsumes": 1, "WarrenEventsOld": 1}, 97: {}}
        self.hold(shop, firing, summary={"WarrenEventsOld": ({"queue": "email-queue"}, "The oldest event that waits in email-queue is 59m 0s old.")})

    def test_a_consumer_with_a_subscription_is_stuck_while_its_queue_grows(self):
        shop = Shop().change(30, 90, 0, "messaging_consumed_total", job="email")
        shop.change(30, 90, lambda was, minute: (minute - 30) * 60, "rabbitmq_detailed_queue_messages", queue="email-queue")
        told = {"WarrenConsumerStuck": ({"queue": "email-queue"}, "Events wait in email-queue, and its consumers handle none.")}
        self.hold(shop, {40: {}, 44: {"WarrenConsumerStuck": 1}, 89: {"WarrenConsumerStuck": 1}, 93: {}}, summary=told)
        # Orders may end; what waits still waits.
        shop.change(40, 90, 0, "messaging_published_total")
        self.hold(shop, {44: {"WarrenConsumerStuck": 1}, 89: {"WarrenConsumerStuck": 1}})

    def test_a_consumer_of_ones_own_broker_is_stuck(self):
        shop = Shop(nodes=0).change(30, 90, 0, "messaging_consumed_total", job="email")
        told = {"WarrenConsumerStuck": ({"queue": "email-queue"}, "Orders are taken, and the consumers of email-queue handle none.")}
        self.hold(shop, {40: {}, 46: {"WarrenConsumerStuck": 1}, 89: {"WarrenConsumerStuck": 1}, 92: {}}, OWN_BROKER, told)

    def test_events_wait_for_long(self):
        shop = Shop().change(30, 90, lambda was, minute: int(minute * 60) - 1200, "messaging_oldest_event_timestamp_seconds", job="email", instance="a")
        told = {"WarrenEventsOld": ({"queue": "email-queue"}, "The oldest event that waits in email-queue is 20m 0s old.")}
        self.hold(shop, {33: {}, 36: {"WarrenEventsOld": 1}, 89: {"WarrenEventsOld": 1}, 91: {}}, summary=told)

    def test_dead_letters_come_and_stay(self):
        for outcome in ("dead", "undecodable", "suspect"):
            shop = Shop().change(30, 30.5, 3, "messaging_consumed_total", job="email", instance="b", outcome=outcome)
            shop.change(30, 150, 3, "rabbitmq_detailed_queue_messages", queue="email-queue.dead")
            told = {"WarrenDeadLetters": ({"queue": "email-queue"}, "Events from email-queue were set aside as dead letters."),
                    "WarrenDeadLettersStay": ({"queue": "email-queue.dead"}, "Dead letters have waited in email-queue.dead for an hour: 3 of them.")}
            came, stay = {"WarrenDeadLetters": 1}, {"WarrenDeadLettersStay": 1}
            self.hold(shop, {29: {}, 31: came, 44: came, 50: {}, 88: {}, 91: stay, 149: stay, 151: {}}, summary=told)

    def test_a_dead_letter_comes_before_its_consumer_is_read_for_the_first_time(self):
        for nodes, values in ((3, ()), (0, OWN_BROKER)):
            shop = Shop(nodes=nodes).pod("email", "c").gone(0, 40, instance="c")
            shop.change(40, MINUTES, 40 * 60, "process_start_time_seconds", instance="c")
            shop.change(40, 40.5, 1, "messaging_consumed_total", outcome="suspect", instance="c")
            self.hold(shop, {39: {}, 41: {"WarrenDeadLetters": 1}, 54: {"WarrenDeadLetters": 1}, 56: {}}, values)
        # A Prometheus that has forgotten all sees old counts for the first time.
        shop = Shop().change(0, 30.5, 3, "messaging_consumed_total", outcome="dead", instance="a", job="email").gone(0, 30, job="email")
        self.quiet(shop, [35, 44])

    def test_dead_letters_stay_while_the_node_that_leads_their_queue_starts_anew(self):
        shop = Shop().change(30, 150, 3, "rabbitmq_detailed_queue_messages", queue="email-queue.dead")
        shop.gone(60, 63, name="rabbitmq_detailed_queue_messages")
        self.hold(shop, {88: {}, 91: {"WarrenDeadLettersStay": 1}, 149: {"WarrenDeadLettersStay": 1}, 151: {}})

    def test_deliveries_fail_again_and_again(self):
        told = {"WarrenRetryStorm": ({"queue": "email-queue"}, "25% of the deliveries from email-queue fail and are tried again.")}
        for outcome in ("delayed", "postponed"):
            shop = Shop(orders=30).change(30, 90, 10, "messaging_consumed_total", job="email", outcome=outcome)
            self.hold(shop, {38: {}, 46: {"WarrenRetryStorm": 1}, 89: {"WarrenRetryStorm": 1}, 96: {}}, summary=told)

    def test_every_delivery_is_postponed(self):
        shop = Shop().change(30, 90, 0, "messaging_consumed_total", job="email")
        shop.change(30, 90, 15, "messaging_consumed_total", job="email", outcome="postponed")
        self.hold(shop, {38: {}, 46: {"WarrenRetryStorm": 1}, 89: {"WarrenRetryStorm": 1}, 96: {}})

    def test_a_few_deliveries_are_postponed_before_a_pause(self):
        shop = Shop().change(30, 31, 15, "messaging_consumed_total", job="email", outcome="postponed")
        self.quiet(shop, range(29, 60))


class Pods(Alerts):
    def test_one_pod_of_two_is_not_ready(self):
        for service, state in (("order", "connecting"), ("email", "access-refused"), ("analytics", "paused")):
            shop = Shop().state(30, 90, state, job=service, instance="a")
            told = {"WarrenNotReady": ({"job": service, "state": state}, f"Of {service}, 1 pods are {state}.")}
            self.hold(shop, {34: {}, 37: {"WarrenNotReady": 1}, 89: {"WarrenNotReady": 1}, 91: {}}, summary=told)

    def test_a_pod_with_several_publishers_and_consumers_counts_once(self):
        shop = Shop().state(30, 90, "connecting", job="email", instance="a")
        shop.add("messaging_state", 0, job="email", instance="a", state="connecting", exchange="mails")
        shop.change(30, 90, 1, "messaging_state", exchange="mails")
        told = {"WarrenNotReady": ({"job": "email", "state": "connecting"}, "Of email, 1 pods are connecting.")}
        self.hold(shop, {37: {"WarrenNotReady": 1}, 91: {}}, summary=told)

    def test_a_consumer_goes_on_beside_a_queue_that_is_not_as_declared(self):
        shop = Shop().change(30, 90, 0, "messaging_state", job="email").change(30, 90, 1, "messaging_state", job="email", state="topology-conflict")
        self.hold(shop, {37: {"WarrenNotReady": 1}, 91: {}})

    def test_a_pod_restarts_again_and_again(self):
        shop = Shop().change(30, 90, lambda was, minute: 1 + minute // 6, "process_start_time_seconds", job="email", instance="a")
        told = {"WarrenRestarts": ({"job": "email"}, "A pod of email restarts again and again, or does not answer.")}
        self.hold(shop, {29: {}, 60: {"WarrenRestarts": 1}, 89: {"WarrenRestarts": 1}, 156: {}}, summary=told)

    def test_a_pod_ends_before_it_answers(self):
        shop = Shop().gone(30, 90, job="analytics", instance="a").change(30, 90, 0, "up", job="analytics", instance="a")
        self.hold(shop, {32: {}, 50: {"WarrenRestarts": 1}, 89: {"WarrenRestarts": 1}, 105: {}})

    def test_a_pod_that_does_not_answer_is_taken_away(self):
        shop = Shop().gone(30, MINUTES, job="order", instance="a").change(30, 60, 0, "up", job="order", instance="a")
        self.hold(shop, {32: {}, 50: {"WarrenRestarts": 1}, 59: {"WarrenRestarts": 1}, 61: {}})

    def test_memory_is_near_its_limit(self):
        shop = Shop().change(30, 90, 152e6, "process_resident_memory_bytes", job="order", instance="b")
        told = {"WarrenMemoryNearLimit": ({"job": "order"}, "A pod of order uses 95% of the memory that it may have.")}
        self.hold(shop, {38: {}, 42: {"WarrenMemoryNearLimit": 1}, 89: {"WarrenMemoryNearLimit": 1}, 91: {}}, summary=told)
        self.quiet(Shop().change(0, MINUTES, 0, "warren_memory_limit_bytes").change(0, MINUTES, 1e12, "process_resident_memory_bytes"), [60])

    def test_the_certificate_is_near_its_end(self):
        end = 20 * 86400
        shop = Shop().change(0, 60, end, "messaging_broker_certificate_not_after_seconds", job="order")
        self.quiet(shop, [30])
        shop.change(60, 120, 10 * 86400, "messaging_broker_certificate_not_after_seconds", job="order").change(120, MINUTES, end, "messaging_broker_certificate_not_after_seconds")
        told = {"WarrenCertificateExpires": ({}, "The broker's certificate expires in 9d 23h 0m 0s.")}
        self.hold(shop, {59: {}, 60: {"WarrenCertificateExpires": 1}, 119: {"WarrenCertificateExpires": 1}, 121: {}}, summary=told)


class Broker(Alerts):
    def test_a_node_of_three_is_missing_until_it_is_back(self):
        told = {"WarrenBrokerNodeDown": ({}, "Nodes of RabbitMQ that are missing: 1.")}
        firing = {33: {}, 37: {"WarrenBrokerNodeDown": 1}, 120: {"WarrenBrokerNodeDown": 1}, 219: {"WarrenBrokerNodeDown": 1}, 221: {}}
        others = {"name": "rabbitmq_unreachable_cluster_peers_count", "pod": ["warren-rabbitmq-0", "warren-rabbitmq-1"]}
        self.hold(Shop().gone(30, 220, pod="warren-rabbitmq-2").change(30, 220, 1, **others), firing, summary=told)
        shop = Shop().gone(30, 220, pod="warren-rabbitmq-2").change(30, 220, 0, "up", pod="warren-rabbitmq-2")
        self.hold(shop, firing, summary=told)

    def test_the_only_node_is_missing_until_it_is_back(self):
        shop = Shop(orders=0, nodes=1).gone(30, 220, job="rabbitmq")
        firing = {33: {}, 37: {"WarrenBrokerNodeDown": 1}, 120: {"WarrenBrokerNodeDown": 1}, 219: {"WarrenBrokerNodeDown": 1}, 221: {}}
        self.hold(shop, firing)
        self.hold(shop.change(30, 220, 0, "up", job="rabbitmq"), firing)

    def test_one_page_of_a_node_cannot_be_read_while_the_other_can(self):
        told = {"WarrenRestarts": ({"job": "rabbitmq"}, "A pod of rabbitmq restarts again and again, or does not answer.")}
        for page in ("/metrics", "/metrics/detailed"):
            shop = Shop().change(30, 90, 0, "up", pod="warren-rabbitmq-1", metrics_path=page)
            self.hold(shop, {36: {}, 50: {"WarrenRestarts": 1}, 89: {"WarrenRestarts": 1}, 105: {}}, summary=told)

    def test_a_node_comes_back_as_a_cluster_of_its_own(self):
        told = {"WarrenBrokerNodeDown": ({}, "Nodes of RabbitMQ that are missing: 1.")}
        shop = Shop().gone(30, 220, name="rabbitmq_identity_info", pod="warren-rabbitmq-0")
        shop.add("rabbitmq_identity_info", None, job="rabbitmq", pod="warren-rabbitmq-0", instance="warren-rabbitmq-0", rabbitmq_cluster_permanent_id="two")
        shop.change(30, 220, 1, "rabbitmq_identity_info", rabbitmq_cluster_permanent_id="two")
        self.hold(shop, {33: {}, 37: {"WarrenBrokerNodeDown": 1}, 219: {"WarrenBrokerNodeDown": 1}, 221: {}}, summary=told)

    def test_an_alarm_is_there(self):
        told = {"WarrenBrokerAlarm": ({"pod": "warren-rabbitmq-1"}, "warren-rabbitmq-1 is short of memory or disk.")}
        firing = {30: {}, 32: {"WarrenBrokerAlarm": 1}, 89: {"WarrenBrokerAlarm": 1}, 91: {}}
        for alarm in ("memory_used", "free_disk_space"):
            shop = Shop().change(30, 90, 1, f"rabbitmq_alarms_{alarm}_watermark", pod="warren-rabbitmq-1")
            shop.refused(30, 90, "blocked").state(30, 90, "blocked", job="order").change(30, 90, 1, "messaging_blocked")
            self.hold(shop, firing, summary=told)

    def test_ones_own_broker_has_an_alarm(self):
        shop = Shop(nodes=0).refused(30, 90, "blocked").state(30, 90, "blocked", job="order").change(30, 90, 1, "messaging_blocked")
        told = {"WarrenBrokerAlarm": ({}, "The broker is short of memory or disk.")}
        self.hold(shop, {30: {}, 32: {"WarrenBrokerAlarm": 1}, 89: {"WarrenBrokerAlarm": 1}, 91: {}}, OWN_BROKER, told)

    def test_an_alarm_is_near(self):
        near = {"WarrenBrokerAlarmNear": 1}
        told = {"WarrenBrokerAlarmNear": ({"pod": "warren-rabbitmq-0"}, "warren-rabbitmq-0 will soon be short of memory or disk.")}
        for name, value in (("rabbitmq_disk_space_available_bytes", 3.9e9), ("rabbitmq_process_resident_memory_bytes", 4.6e8)):
            shop = Shop().change(30, 90, value, name, pod="warren-rabbitmq-0")
            self.hold(shop, {43: {}, 47: near, 89: near, 150: {}}, summary=told)
        # The disk fills at 2 GB an hour and is far from full.
        shop = Shop().change(30, 120, lambda was, minute: 8e9 - 2e9 * (minute - 30) / 60, "rabbitmq_disk_space_available_bytes", pod="warren-rabbitmq-0")
        self.hold(shop, {29: {}, 90: near, 119: near, MINUTES: {}})

    def test_a_node_restarts_again_and_again(self):
        shop = Shop().change(30, 120, lambda was, minute: 60 + minute % 15, "rabbitmq_erlang_uptime_seconds", pod="warren-rabbitmq-1")
        self.hold(shop, {40: {}, 90: {"WarrenRestarts": 1}, 119: {"WarrenRestarts": 1}, 181: {}})


def load_tests(loader, tests, _pattern):
    """The last asks whether the others have shown each alert."""
    class Together(unittest.TestCase):
        def test_each_alert_is_shown(self):
            for values in ((), OWN_BROKER):
                self.assertLessEqual(set(rules(*values)[1]), Alerts.seen)

        def test_prometheus_takes_the_rules(self):
            for values in ((), OWN_BROKER):
                with tempfile.TemporaryDirectory() as folder:
                    Path(folder, "rules.yaml").write_text(json.dumps(rules(*values)[0]))
                    promtool(folder, "check", "rules", "rules.yaml")

    tests.addTests(loader.loadTestsFromTestCase(Together))
    return tests


if __name__ == "__main__":
    unittest.main()
