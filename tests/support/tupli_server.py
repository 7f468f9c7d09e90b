"""Run PyTupli's service in this process, without MongoDB: see `support.tupli`.

This runs in a virtual environment of its own, which `scripts/tupli` makes. The service is the one
of the original's distribution; only the driver of its database is replaced, by one in memory.
"""

import argparse
import json
import os
import socket
import threading
import time
import urllib.request


def settings() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--secret", required=True, help="key of the tokens")
    parser.add_argument("--password", required=True, help="of the user admin")
    parser.add_argument("--access-minutes", type=float, default=30)
    parser.add_argument("--refresh-minutes", type=float, default=12600)
    parser.add_argument("--closed-access", action="store_true", help="no guests")
    parser.add_argument("--closed-signup", action="store_true", help="users are made by users")
    return parser.parse_args()


def replace_database() -> None:
    """Let the service keep its data in memory."""
    import motor.motor_asyncio as motor
    from mongomock.gridfs import enable_gridfs_integration
    from mongomock_motor import AsyncMongoMockClient

    enable_gridfs_integration()

    class Bucket(motor.AsyncIOMotorGridFSBucket):  # type: ignore[misc]
        """Motor's own one, whose cursor needs what only the driver has."""

        def __init__(self, database, bucket_name="fs", **settings):
            super().__init__(database, bucket_name, **settings)
            self._files = database[f"{bucket_name}.files"]

        def find(self, *wanted, **settings):
            return self._files.find(*wanted, **settings)

    motor.AsyncIOMotorClient = AsyncMongoMockClient
    motor.AsyncIOMotorGridFSBucket = Bucket


def configure(given: argparse.Namespace) -> None:
    """Set what the service does not read from the environment as it should."""
    from pytupli.server import config

    config.ACCESS_TOKEN_EXPIRE_MINUTES = given.access_minutes
    config.REFRESH_TOKEN_EXPIRE_MINUTES = given.refresh_minutes
    config.OPEN_ACCESS_MODE = "" if given.closed_access else "True"
    config.OPEN_SIGNUP_MODE = "" if given.closed_signup else "True"
    os.environ["API_SECRET_KEY"] = given.secret
    os.environ["DB_ADMIN_PW"] = given.password

    from pytupli.server.management import authorization

    authorization.pwd_context = authorization.pwd_context.using(bcrypt__rounds=4)


def announce(url: str, told) -> None:
    """Say where the service is, once it answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(200):
        try:
            opener.open(f"{url}/", timeout=2).close()
            break
        except OSError:
            time.sleep(0.05)
    print(json.dumps({"url": url, "pid": os.getpid()}), file=told, flush=True)


def main() -> None:
    """Run it until it is stopped."""
    given = settings()
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the service prints answers of its database
    replace_database()
    configure(given)

    import uvicorn
    from pytupli.server.main import app

    # The protocol is named so that asyncio switches Nagle's algorithm off.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    threading.Thread(target=announce, args=(url, told), daemon=True).start()
    uvicorn.Server(uvicorn.Config(app, log_level="info")).run(sockets=[listener])


if __name__ == "__main__":
    main()
