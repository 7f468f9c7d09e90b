"""What the commands have in common."""

from .._options import (
    State,
    common_options,
    email_option,
    endpoint_option,
    is_uuid,
    lines_of,
    outfile_option,
    password_option,
    use_common_state,
)
from ..knex import Knex
from ..user import User

__all__ = [
    "Knex",
    "State",
    "User",
    "common_options",
    "email_option",
    "endpoint_option",
    "is_uuid",
    "lines_of",
    "outfile_option",
    "password_option",
    "use_common_state",
]
