"""The store of logins as the older service has it, by the library that it uses.

write KEY FILE: logins from standard input ({reference: {...}}), read KEY FILE: logins to standard output.
"""

import json
import sys

from cryptography.fernet import Fernet

doing, key, path = sys.argv[1:]
fernet = Fernet(key.encode("ascii"))
if doing == "write":
    logins = json.load(sys.stdin)
    tokens = {
        reference: {"token": fernet.encrypt(json.dumps(login).encode("utf-8")).decode("ascii"), "note": 1}
        for reference, login in logins.items()
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"credentials": tokens, "further": True}, file, indent=2)
else:
    with open(path, encoding="utf-8") as file:
        kept = json.load(file)["credentials"]
    logins = {
        reference: json.loads(fernet.decrypt(entry["token"].encode("ascii")).decode("utf-8"))
        for reference, entry in kept.items()
    }
    json.dump(logins, sys.stdout)
