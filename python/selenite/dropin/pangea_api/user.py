"""Who uses the service."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .knex import Knex

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


class User:
    """Somebody with an account, or who wants one."""

    def __init__(self, knex: Knex, email: str, password: str) -> None:
        """Name the server, and who it is."""
        self.knex = knex
        self.email = email
        self.password = password

    @property
    def username(self) -> str:
        """The e-mail address."""
        return self.email

    def login(self) -> User:
        """Log in: the server's requests are this user's from now on."""
        self.knex.login(self.username, self.password)
        return self

    def register(self) -> User:
        """Make an account, and log in.

        Raises:
            PangeaOtherError: If there is one, or the password is too weak.
        """
        body = {"email": self.email, "password": self.password}
        # Whoever is logged in has no part in it.
        before, self.knex.auth = self.knex.auth, None
        try:
            self.knex._call("post", "auth/users/", body)
        finally:
            self.knex.auth = before
        return self.login()
