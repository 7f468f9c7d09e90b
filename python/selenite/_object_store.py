"""How others read the objects of a gypsum registry, by the protocol of S3."""

from __future__ import annotations

from selenite import _core
from selenite._exceptions import InvalidArgumentError, SeleniteError
from selenite._failures import asking
from selenite._place import place


def object_store_options(address: str, *, endpoint: str | None = None) -> dict[str, str]:
    """Get what polars, obstore, Delta and others need to read the bucket of a gypsum service.

    Objects have the keys ``project/asset/version/path``. Links are no objects there: a manifest
    says where they lead.

    Args:
        address: An address such as ``gypsum:project``; only the kind of registry matters.
        endpoint: URL of the service, as for ``selenite.open``.

    Returns:
        A dictionary with ``aws_endpoint_url``, ``aws_bucket``, ``aws_access_key_id``,
        ``aws_secret_access_key`` and ``aws_region``, for ``storage_options`` or ``config``.

    Raises:
        InvalidArgumentError: If it is no address of gypsum.
        SeleniteError: If the service does not say how, or cannot be reached.

    Example:
        >>> import selenite
        >>> options = selenite.object_store_options("gypsum:demo", endpoint=gypsum_url)
        >>> sorted(options)[:2]
        ['aws_access_key_id', 'aws_bucket']
    """
    if _core.parse_address(address)["scheme"] != "gypsum":
        message = f"invalid address `{address}`: only gypsum keeps its files in a bucket"
        raise InvalidArgumentError(message, "address", address)
    where = place("gypsum", endpoint)
    site = (where.endpoint or "", True)
    with asking(where):
        _, found = _core.gypsum_request(site, "GET", "credentials/s3-api", [], None, "", None)
    names = ("endpoint", "bucket", "key", "secret")
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in names):
        raise SeleniteError(f"{where.title} at {where.shown} does not say how its bucket is read")
    return {
        "aws_endpoint_url": found["endpoint"],
        "aws_bucket": found["bucket"],
        "aws_access_key_id": found["key"],
        "aws_secret_access_key": found["secret"],
        "aws_region": "auto",
    }
