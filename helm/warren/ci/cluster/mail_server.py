"""A real SMTP server (aiosmtpd) on port 2525 that prints each mail it takes, a line of JSON each.

Whom it does not know, at refused.example, it refuses for good until /tmp/knows-everybody exists.
"""
import email
import email.policy
import json
import os
import signal

from aiosmtpd.controller import Controller


class Letters:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.endswith("@refused.example") and not os.path.exists("/tmp/knows-everybody"):
            return "550 5.1.1 no such customer"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({"mail": letter["Message-ID"], "subject": letter["Subject"]}), flush=True)
        return "250 OK"


# No name stands for all addresses, of IPv4 and of IPv6.
Controller(Letters(), hostname="", port=2525).start()
print("listening", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
