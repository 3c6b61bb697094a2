"""A mail server on loopback that takes everything but mails to nobody@… (never) and to later@… (not the first time).

serve FOLDER   says where it is on the first line of standard output, then keeps every mail as a file in the folder until it is killed:
               one line of JSON with sender and recipients, then the mail as it came
"""

import asyncio
import itertools
import json
import pathlib
import sys

from aiosmtpd.smtp import SMTP


class Keep:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.numbers = itertools.count(1)
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such user"
        if address.startswith("later@") and address not in self.seen:
            self.seen.add(address)
            return "451 come again"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        head = json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos}).encode()
        name = f"{next(self.numbers):04}"
        whole = self.folder / f"{name}.new"
        whole.write_bytes(head + b"\n" + envelope.original_content)
        whole.rename(self.folder / f"{name}.mail")
        return "250 kept"


async def serve(folder):
    keep = Keep(folder)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(keep), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(json.dumps({"host": host, "port": port}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    {"serve": lambda folder: asyncio.run(serve(folder))}[sys.argv[1]](*sys.argv[2:])
