"""Careful customers: each repeats an order with the same key until it is accepted. What happens they print, a line of JSON each.

    customers.py URL [ADDRESS]     orders until /tmp/stop exists; with ADDRESS, one order for it
"""
import http.client
import json
import os
import sys
import threading
import time
import urllib.parse
import uuid

CUSTOMERS = 4
PAUSE = 0.2  # seconds between two orders of a customer, and before a repetition


def tell(**event):
    sys.stdout.write(json.dumps(event) + "\n")


def order_for(address):
    return json.dumps({
        "customer": {"name": "Ada Lovelace", "email": address},
        "items": [{"sku": "TEA-1", "name": "Earl Grey", "quantity": 1, "unit_price": 450}],
    })


def ask(url, key, body):
    """The status and the answer, on a connection of its own as a new customer has it."""
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=30)
    try:
        connection.request("POST", url.path, body, {"content-type": "application/json", "idempotency-key": key})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def place(url, address):
    """Places one order, however often it has to be repeated."""
    key, body = str(uuid.uuid4()), order_for(address)
    while True:
        try:
            status, answer = ask(url, key, body)
        except ConnectionRefusedError:
            tell(refused=key)
        except (OSError, http.client.HTTPException, ValueError) as error:
            tell(unanswered=key, error=repr(error))
        else:
            if status == 202:
                tell(accepted=answer["id"])
                return
            if status != 503:
                tell(unexpected=status, answer=answer)
                return
            tell(put_off=key, type=answer["type"])
        time.sleep(PAUSE)


def shop(url):
    while not os.path.exists("/tmp/stop"):
        place(url, "ada@example.com")
        time.sleep(PAUSE)


def main():
    url = urllib.parse.urlsplit(sys.argv[1])
    if len(sys.argv) > 2:
        return place(url, sys.argv[2])
    customers = [threading.Thread(target=shop, args=(url,)) for _ in range(CUSTOMERS)]
    for customer in customers:
        customer.start()
    for customer in customers:
        customer.join()
    tell(done=True)


main()
