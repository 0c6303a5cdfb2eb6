"""A real SMTP server (aiosmtpd) that a test drives: what it is told on stdin it does, what happens it tells on stdout.

A trouble is {"at": greeting|ehlo|auth|mail|rcpt|data|body, "do": reply|hang|drop|delay, "text"|"seconds": …, "times": n|null,
"for": text|null}; the last means only commands, or at body recipients, that contain the text. Over its limit of sessions it
greets with 421, and over its limit of mails a second it answers MAIL with 454.
"""

import asyncio
import email
import email.policy
import json
import re
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult

MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


def tell(**event):
    print(json.dumps(event), flush=True)


class Troubles:
    def __init__(self):
        self.waiting = []

    def take(self, step, command=""):
        for trouble in self.waiting:
            if trouble["at"] == step and (trouble["for"] or "") in (command or ""):
                if trouble["times"] is not None:
                    trouble["times"] -= 1
                    if trouble["times"] == 0:
                        self.waiting.remove(trouble)
                tell(event="trouble", at=step)
                return trouble
        return None


class Limits:
    """How many sessions there are, and when the latest mails began."""

    def __init__(self, most, rate):
        self.most, self.rate = most, rate
        self.sessions = 0
        self.begun = []

    def too_fast(self):
        now = time.monotonic()
        self.begun = [begun for begun in self.begun if now - begun < 1]
        if self.rate is None or len(self.begun) < self.rate:
            self.begun.append(now)
            return False
        return True


class Server(SMTP):
    """Asks for trouble before each step; True means that the step has been dealt with."""

    def __init__(self, handler, troubles, limits, **options):
        super().__init__(handler, **options)
        self.troubles = troubles
        self.limits = limits

    async def troubled(self, step, command=""):
        trouble = self.troubles.take(step, command)
        if trouble is None:
            return False
        if trouble["do"] == "delay":
            await asyncio.sleep(trouble["seconds"])
            return False
        if trouble["do"] == "reply":
            await self.push(trouble["text"])
        elif trouble["do"] == "hang":
            await asyncio.Event().wait()
        else:
            self.transport.abort()
        return True

    async def _handle_client(self):
        # After STARTTLS it is called again, without a greeting of its own worth a trouble.
        if self._tls_protocol is None:
            tell(event="session")
            if self.limits.most is not None and self.limits.sessions >= self.limits.most:
                tell(event="throttled")
                await self.push("421 4.7.0 mail.test Error: too many connections")
                self.transport.close()
                return
            if await self.troubled("greeting"):
                self.transport.close()
                return
            self.limits.sessions += 1
            try:
                await super()._handle_client()
            finally:
                self.limits.sessions -= 1
            return
        await super()._handle_client()

    async def smtp_EHLO(self, arg):
        if not await self.troubled("ehlo"):
            await super().smtp_EHLO(arg)

    async def smtp_AUTH(self, arg):
        if not await self.troubled("auth"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg):
        if self.limits.too_fast():
            tell(event="throttled")
            await self.push("454 Throttling failure: Maximum sending rate exceeded.")
        elif not await self.troubled("mail", arg):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        if not await self.troubled("rcpt", arg):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        if not await self.troubled("data"):
            await super().smtp_DATA(arg)


class Letters:
    def __init__(self, troubles, brief):
        self.troubles = troubles
        self.brief = brief

    async def handle_DATA(self, server, session, envelope):
        trouble = self.troubles.take("body", " ".join(envelope.rcpt_tos))
        do = trouble and trouble["do"]
        if do == "reply":
            return trouble["text"]
        if do == "drop":
            server.transport.abort()
            return "451 nobody reads this"
        if do == "delay":
            await asyncio.sleep(trouble["seconds"])
        self.keep(server.transport, session, envelope)
        if do == "hang":
            await asyncio.Event().wait()
        return "250 OK"

    def keep(self, transport, session, envelope):
        if self.brief:
            # Parsing costs more than all the rest; a million mails are told apart by their ids.
            found = MESSAGE_ID.search(envelope.content)
            headers = {"message-id": found.group(1).decode() if found else ""}
            tell(event="mail", sender=envelope.mail_from, recipients=envelope.rcpt_tos, headers=headers)
            return
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        tell(
            event="mail",
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            headers={name.lower(): str(value) for name, value in letter.items()},
            text=letter.get_body(("plain",)).get_content(),
            html=letter.get_body(("html",)).get_content(),
            encrypted=transport.get_extra_info("ssl_object") is not None,
            login=session.login_data.decode() if session.login_data else None,
        )


async def obey(troubles, limits, login):
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        if "trouble" in order:
            troubles.waiting.append(order["trouble"])
        elif "password" in order:
            login["password"] = order["password"]
        elif "most" in order:
            limits.most, limits.rate = order["most"], order["rate"]
        else:
            troubles.waiting.clear()
        tell(event="done")


async def main(options):
    troubles = Troubles()
    limits = Limits(options["most"], options["rate"])
    login = {"password": options["password"]}
    tls = None
    if options["certificate"]:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options["certificate"], options["key"])

    def authenticate(server, session, envelope, mechanism, data):
        right = data.login.decode() == options["user"] and data.password.decode() == login["password"]
        return AuthResult(success=right, handled=False, auth_data=data)

    def serve():
        start_tls = tls if options["tls"] == "start" else None
        return Server(
            Letters(troubles, options["brief"]),
            troubles,
            limits,
            hostname="mail.test",
            enable_SMTPUTF8=options["utf8"],
            tls_context=start_tls,
            require_starttls=start_tls is not None,
            authenticator=authenticate,
            auth_required=options["user"] is not None,
            auth_require_tls=options["tls"] == "start",
        )

    loop = asyncio.get_running_loop()
    from_the_start = tls if options["tls"] == "always" else None
    await loop.create_server(serve, "127.0.0.1", options["port"], ssl=from_the_start)
    tell(event="listening")
    # The end of stdin is the end of the test that started it.
    await obey(troubles, limits, login)


asyncio.run(main(json.loads(sys.argv[1])))
