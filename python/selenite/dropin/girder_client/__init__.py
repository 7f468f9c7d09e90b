"""A client for Girder: collections, folders, items and their files."""

from __future__ import annotations

import contextlib
import json as _json
import os
import re
import time

import requests

from selenite import _rest

from . import (
    _bodies,
    _direct,
    _download_tree,
    _downloads,
    _listing,
    _local,
    _login,
    _names,
    _old,
    _upload_tree,
    _uploads,
)
from ._errors import (
    AuthenticationError,
    ChecksumError,
    HttpError,
    IncompleteResponseError,
    IncorrectUploadLengthError,
)
from ._names import _safeNameRegex as _safeNameRegex
from ._old import _safeMakedirs as _safeMakedirs
from ._reporting import _logger as _logger
from ._reporting import _NoopProgressReporter
from ._reporting import _ProgressBytesIO as _ProgressBytesIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    Record = dict[str, Any]
    _Path = str | os.PathLike[str]
    _Callback = Callable[[dict[str, int]], object]

__version__ = "5.0.21"
__license__ = "Apache 2.0"

DEFAULT_PAGE_LIMIT = 50
REQ_BUFFER_SIZE = 65536

__all__ = [
    "DEFAULT_PAGE_LIMIT",
    "REQ_BUFFER_SIZE",
    "AuthenticationError",
    "ChecksumError",
    "GirderClient",
    "HttpError",
    "IncompleteResponseError",
    "IncorrectUploadLengthError",
    "__license__",
    "__version__",
]

# Longer query strings are refused by servers and by what stands before them.
_LONGEST_QUERY = 4096
_SECRETS = {"password", "key"}


class GirderClient:
    """Talks to one Girder server.

    Everything goes through `sendRestRequest` or, where nobody would miss it there, through
    selenite's core: the content of files.

    Attributes:
        urlBase: URL that the paths of requests are added to.
        token: What the server knows the user by.
        incomingMetadata: Items that were downloaded, by their ids.
        localMetadata: Items of the local copy, by their ids.
        maxWorkers: How many files are moved at once; None for what ``SELENITE_JOBS`` says, or 8.
        verbose: Whether messages go to standard output, else to the log.
        direct: Whether files go to an S3 store themselves, not through Girder.

    Example:
        >>> client = GirderClient(apiUrl="https://data.example.org/api/v1")
        >>> client.urlBase
        'https://data.example.org/api/v1/'
    """

    MAX_CHUNK_SIZE = 64 * 1024 * 1024
    DEFAULT_API_ROOT = "api/v1"
    DEFAULT_HOST = "localhost"
    DEFAULT_LOCALHOST_PORT = 8080
    DEFAULT_HTTP_PORT = 80
    DEFAULT_HTTPS_PORT = 443
    METHODS = _old.METHODS

    @staticmethod
    def getDefaultPort(hostname: str, scheme: str) -> int:
        """Say which port a server has.

        Args:
            hostname: Its name.
            scheme: ``http`` or ``https``.
        """
        if scheme == "https":
            return GirderClient.DEFAULT_HTTPS_PORT
        if hostname == "localhost":
            return GirderClient.DEFAULT_LOCALHOST_PORT
        return GirderClient.DEFAULT_HTTP_PORT

    @staticmethod
    def getDefaultScheme(hostname: str) -> str:
        """Say which scheme a server has.

        Args:
            hostname: Its name.
        """
        return "http" if hostname == "localhost" else "https"

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        apiRoot: str | None = None,
        scheme: str | None = None,
        apiUrl: str | None = None,
        cacheSettings: Mapping[str, Any] | None = None,
        progressReporterCls: type[Any] | None = None,
        *,
        verbose: bool = True,
        direct: bool = False,
        dryrun: bool = False,
        blacklist: Iterable[str] | None = None,
    ) -> None:
        """Say where the server is. Nothing is sent.

        Args:
            host: Name of the server, by default this machine.
            port: Its port.
            apiRoot: Path of its API.
            scheme: ``http`` or ``https``.
            apiUrl: URL of its API; the other parts do not count then.
            cacheSettings: Arguments for the `diskcache.Cache` that downloads are kept in; None for
                no cache.
            progressReporterCls: Shows the progress of single files.
            verbose: Whether messages go to standard output, else to the log.
            direct: Whether files go to an S3 store themselves, not through Girder.
            dryrun: Whether uploads of trees only say what they would do.
            blacklist: Names that uploads of trees leave out.

        Raises:
            ValueError: If ``apiUrl`` is empty.
        """
        self.host = self.scheme = self.port = None
        url = apiUrl
        if url is None:
            self.host = host or self.DEFAULT_HOST
            self.scheme = scheme or GirderClient.getDefaultScheme(self.host)
            self.port = port or GirderClient.getDefaultPort(self.host, self.scheme)
            root = apiRoot or self.DEFAULT_API_ROOT
            root = root if root.startswith("/") else f"/{root}"
            url = f"{self.scheme}://{self.host}:{self.port}{root}"
        elif not url:
            raise _old.EmptyUrlError
        self.urlBase = url if url.endswith("/") else f"{url}/"
        self.token = ""
        self.incomingMetadata: dict[str, Record] = {}
        self.localMetadata: dict[str, Record] = {}
        self.cache: Any = None
        if cacheSettings is not None:
            from selenite._needing import needing

            with needing("a cache of downloads", "diskcache"):
                import diskcache
            self.cache = diskcache.Cache(**cacheSettings)
        self.progressReporterCls: type[Any] = progressReporterCls or _NoopProgressReporter
        self.verbose = verbose
        self.direct = direct
        self.dryrun = _old.keyword("dryrun", dryrun)
        self.blacklist = list(_old.keyword("blacklist", blacklist or ()))
        self.maxWorkers: int | None = None
        self._session: Any = None
        self._connections = _rest.Connections(("Girder-Token",))
        self._apiKey: str | None = None
        self._date: tuple[str, float] | None = None
        # Whether another server has sent the last content that was fetched, as a store does.
        self._hasStore: bool | None = None
        self._local = _local.Local(self)
        self._folderUploadCallbacks: list[Callable[[Record, str], object]] = []
        self._itemUploadCallbacks: list[Callable[[Record, str], object]] = []
        self._serverVersion: list[str] = []
        self._serverApiDescription: dict[str, Any] = {}

    @contextlib.contextmanager
    def session(self, session: requests.Session | None = None) -> Iterator[requests.Session]:
        """Send all requests of a block through one session of `requests`.

        Args:
            session: The session; None for a new one, which is closed afterwards.

        Yields:
            The session.
        """
        before = self._session
        self._session = _rest.Session(self._connections.secrets) if session is None else session
        try:
            yield self._session
        finally:
            if session is None:
                self._session.close()
            self._session = before

    # -- requests

    def _requestFunc(self, method: str) -> Callable[..., requests.Response]:
        try:
            return self._connections.function(self._session, method.lower())
        except AttributeError as error:
            raise _old.UnknownMethodError(*error.args) from None

    def sendRestRequest(
        self,
        method: str,
        path: str,
        parameters: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        headers: Mapping[str, Any] | None = None,
        jsonResp: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Send a request.

        Args:
            method: Method, in any case of letters.
            path: Path below ``urlBase``, which is sent as it is.
            parameters: What goes into the query string; None as a value is left out.
            data: The body.
            files: Files of a form.
            json: What is sent as JSON.
            headers: Further headers; None as a value takes one away.
            jsonResp: Whether the answer is JSON, else it is returned itself.
            **kwargs: Further arguments of `requests.request`.

        Returns:
            What the answer holds, None if it is empty, or the answer itself.

        Raises:
            HttpError: If the answer is no success.
        """
        send = self._requestFunc(method)
        url = self.urlBase + path
        is_repeatable = not hasattr(data, "read") and not hasattr(data, "__next__") and not files
        is_start = method.upper() == "PUT" and path.endswith("/contents")

        token = self.token

        def once() -> requests.Response:
            own = {"Girder-Token": self.token, **(headers or {})}
            return send(
                url, params=parameters, data=data, files=files, json=json, headers=own, **kwargs
            )

        response = self._sent(once, method, is_repeatable and not is_start)
        own_token = "Girder-Token" not in (headers or {})
        if response.status_code == 401 and own_token and is_repeatable and self._renew(token):
            response.close()
            response = self._sent(once, method, is_repeatable and not is_start)
        date = response.headers.get("Date")
        if date is not None:
            self._date = (date, time.monotonic())
        if response.status_code >= 400:
            address = _rest.without_secrets(response.url or url)
            raise HttpError(response.status_code, response.text, address, method, response)
        if not jsonResp:
            return response
        if response.status_code == 204 or not response.content:
            return None
        return response.json()

    def _sent(
        self, once: Callable[[], requests.Response], method: str, is_repeatable: bool
    ) -> requests.Response:
        try:
            return _rest.sent(once, method, is_repeatable=is_repeatable)
        except requests.exceptions.SSLError as error:
            text = str(error)
            if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
                hint = "the server does not speak TLS here: is it `scheme='http'`?"
                raise requests.exceptions.SSLError(f"{text}; {hint}") from error
            raise

    def _renew(self, refused: str) -> bool:
        """Have another token than one that was refused, if it came by an API key."""
        return _login.renewed(self, refused)

    def get(self, path: str, parameters: Any = None, jsonResp: bool = True) -> Any:
        """Send a GET request; see `sendRestRequest`.

        Args:
            path: Path below ``urlBase``.
            parameters: What goes into the query string.
            jsonResp: Whether the answer is JSON.
        """
        return self.sendRestRequest("GET", path, parameters, jsonResp=jsonResp)

    def post(
        self,
        path: str,
        parameters: Any = None,
        files: Any = None,
        data: Any = None,
        json: Any = None,
        headers: Mapping[str, Any] | None = None,
        jsonResp: bool = True,
    ) -> Any:
        """Send a POST request; see `sendRestRequest`.

        Args:
            path: Path below ``urlBase``.
            parameters: What goes into the query string.
            files: Files of a form.
            data: The body.
            json: What is sent as JSON.
            headers: Further headers.
            jsonResp: Whether the answer is JSON.
        """
        return self.sendRestRequest(
            *("POST", path, parameters),
            files=files,
            data=data,
            json=json,
            headers=headers,
            jsonResp=jsonResp,
        )

    def put(
        self,
        path: str,
        parameters: Any = None,
        data: Any = None,
        json: Any = None,
        jsonResp: bool = True,
    ) -> Any:
        """Send a PUT request; see `sendRestRequest`.

        Args:
            path: Path below ``urlBase``.
            parameters: What goes into the query string.
            data: The body.
            json: What is sent as JSON.
            jsonResp: Whether the answer is JSON.
        """
        return self.sendRestRequest(
            "PUT", path, parameters, data=data, json=json, jsonResp=jsonResp
        )

    def delete(self, path: str, parameters: Any = None, jsonResp: bool = True) -> Any:
        """Send a DELETE request; see `sendRestRequest`.

        Args:
            path: Path below ``urlBase``.
            parameters: What goes into the query string.
            jsonResp: Whether the answer is JSON.
        """
        return self.sendRestRequest("DELETE", path, parameters, jsonResp=jsonResp)

    def patch(
        self,
        path: str,
        parameters: Any = None,
        data: Any = None,
        json: Any = None,
        jsonResp: bool = True,
    ) -> Any:
        """Send a PATCH request; see `sendRestRequest`.

        Args:
            path: Path below ``urlBase``.
            parameters: What goes into the query string.
            data: The body.
            json: What is sent as JSON.
            jsonResp: Whether the answer is JSON.
        """
        return self.sendRestRequest(
            "PATCH", path, parameters, data=data, json=json, jsonResp=jsonResp
        )

    def _change(self, method: str, path: str, parameters: Mapping[str, Any]) -> Any:
        """Send parameters: as a form where a query string would be too long, or tell a secret."""
        given = {name: value for name, value in parameters.items() if value is not None}
        length = sum(len(str(name)) + len(str(value).encode()) + 2 for name, value in given.items())
        send = self.post if method == "POST" else self.put
        if length > _LONGEST_QUERY or _SECRETS & set(given):
            return send(path, data=given)
        return send(path, parameters=given)

    # -- who one is, and what the server is

    def authenticate(
        self,
        username: str | None = None,
        password: str | None = None,
        interactive: bool = False,
        apiKey: str | None = None,
        *,
        otp: str | None = None,
    ) -> Any:
        """Log in.

        Args:
            username: Login or email.
            password: The password.
            interactive: Whether to ask on the terminal for the password, and for what is missing.
            apiKey: An API key, instead of all that. It is kept to renew the token.
            otp: The one-time password, if the account asks for one.

        Returns:
            The document of the user; by an API key, an object with the id alone.

        Raises:
            AuthenticationError: If the server refuses name and password.
            HttpError: If something else fails, or the server refuses the API key.
        """
        if apiKey:
            return _login.by_key(self, apiKey)
        return _login.by_password(self, username, password, interactive, otp)

    def setToken(self, token: str) -> None:
        """Be known to the server by a token.

        Args:
            token: The token.
        """
        self.token = token

    def getServerVersion(self, useCached: bool = True) -> list[str]:
        """Say which version the server has.

        Args:
            useCached: Whether it is enough to have asked before.

        Returns:
            Up to three parts, such as ``['5', '0', '21']``.
        """
        if not (self._serverVersion and useCached):
            answer = self.get("system/version")
            version = str(answer.get("release") or answer.get("apiVersion") or "")
            self._serverVersion = version.split(".", 2)
        return self._serverVersion

    def getServerAPIDescription(self, useCached: bool = True) -> dict[str, Any]:
        """Ask for the description of the server's API.

        Args:
            useCached: Whether it is enough to have asked before.
        """
        if not (self._serverApiDescription and useCached):
            self._serverApiDescription = self.get("describe")
        return self._serverApiDescription

    # -- records

    def createResource(self, path: str, params: Mapping[str, Any]) -> Any:
        """Make a record.

        Args:
            path: Path of its kind.
            params: What the server is told of it.
        """
        return self._change("POST", path, params)

    def getResource(self, path: str, id: str | None = None, property: str | None = None) -> Any:
        """Ask for a record.

        Args:
            path: Path of its kind.
            id: Its id.
            property: A part of it.
        """
        parts = [path, id, property]
        return self.get("/".join(part for part in parts if part is not None))

    @_old.may_test
    def resourceLookup(self, path: str) -> Any:
        """Find a record by its path.

        Args:
            path: Such as ``/collection/NAME/FOLDER/ITEM``.

        Raises:
            HttpError: If there is none.
        """
        return self.get("resource/lookup", parameters={"path": path})

    def listResource(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> _listing.Listing:
        """List records, which are asked for page by page when they are needed.

        Args:
            path: Path of the list.
            params: What the server is told.
            limit: How many; None for all.
            offset: How many to leave out.
        """
        given = dict(params or {})

        def ask(offset: int, limit: int) -> list[Record]:
            page: list[Record] = self.get(path, {**given, "offset": offset, "limit": limit})
            return page

        return _listing.Listing(
            lambda: _listing.pages(ask, lambda: DEFAULT_PAGE_LIMIT, limit, offset or 0)
        )

    def setResourceTimestamp(
        self, id: str, type: str, created: object = None, updated: object = None
    ) -> Any:
        """Change when a record was made or changed. Only administrators of the site may.

        Args:
            id: Its id.
            type: Its kind.
            created: When it was made.
            updated: When it was changed.
        """
        given: dict[str, Any] = {"type": type}
        if created:
            given["created"] = str(created)
        if updated:
            given["updated"] = str(updated)
        return self.put(f"resource/{id}/timestamp", parameters=given)

    def getFile(self, fileId: str) -> Any:
        """Ask for the document of a file.

        Args:
            fileId: Its id.
        """
        return self.getResource("file", fileId)

    def listFile(
        self, itemId: str, limit: int | None = None, offset: int | None = None
    ) -> _listing.Listing:
        """List the files of an item.

        Args:
            itemId: Id of the item.
            limit: How many; None for all.
            offset: How many to leave out.
        """
        return self.listResource(f"item/{itemId}/files", {"id": itemId}, limit, offset)

    def createItem(
        self,
        parentFolderId: str,
        name: str,
        description: str = "",
        reuseExisting: bool = False,
        metadata: Any = None,
    ) -> Any:
        """Make an item.

        Args:
            parentFolderId: Id of the folder that it comes to.
            name: Its name.
            description: What it is.
            reuseExisting: Whether an item of that name is taken if there is one.
            metadata: Its metadata, as an object or as JSON.
        """
        given = {
            "folderId": parentFolderId,
            "name": name,
            "description": description,
            "reuseExisting": reuseExisting,
            "metadata": _dumped(metadata),
        }
        return self.createResource("item", given)

    def getItem(self, itemId: str) -> Any:
        """Ask for the document of an item.

        Args:
            itemId: Its id.
        """
        return self.getResource("item", itemId)

    def listItem(
        self,
        folderId: str,
        text: str | None = None,
        name: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> _listing.Listing:
        """List the items of a folder.

        Args:
            folderId: Id of the folder.
            text: Words that they hold.
            name: Their name.
            limit: How many; None for all.
            offset: How many to leave out.
        """
        given = {"folderId": folderId}
        if text:
            given["text"] = text
        if name:
            given["name"] = name
        return self.listResource("item", given, limit, offset)

    def listUser(self, limit: int | None = None, offset: int | None = None) -> _listing.Listing:
        """List users.

        Args:
            limit: How many; None for all.
            offset: How many to leave out.
        """
        return self.listResource("user", limit=limit, offset=offset)

    def getUser(self, userId: str) -> Any:
        """Ask for the document of a user.

        Args:
            userId: Id of the user.
        """
        return self.getResource("user", userId)

    def createUser(
        self,
        login: str,
        email: str,
        firstName: str,
        lastName: str,
        password: str,
        admin: bool | None = None,
    ) -> Any:
        """Make a user.

        Args:
            login: The login.
            email: The address.
            firstName: The first name.
            lastName: The last name.
            password: The password. It is not written into any URL.
            admin: Whether the user is an administrator.
        """
        given = {
            "login": login,
            "email": email,
            "firstName": firstName,
            "lastName": lastName,
            "password": password,
            "admin": admin,
        }
        return self.createResource("user", given)

    def listCollection(
        self, limit: int | None = None, offset: int | None = None
    ) -> _listing.Listing:
        """List collections.

        Args:
            limit: How many; None for all.
            offset: How many to leave out.
        """
        return self.listResource("collection", limit=limit, offset=offset)

    def getCollection(self, collectionId: str) -> Any:
        """Ask for the document of a collection.

        Args:
            collectionId: Its id.
        """
        return self.getResource("collection", collectionId)

    def createCollection(self, name: str, description: str = "", public: bool = False) -> Any:
        """Make a collection.

        Args:
            name: Its name.
            description: What it is.
            public: Whether everybody sees it.
        """
        given = {"name": name, "description": description, "public": public}
        return self.createResource("collection", given)

    def createFolder(
        self,
        parentId: str,
        name: str,
        description: str = "",
        parentType: str = "folder",
        public: bool | None = None,
        reuseExisting: bool = False,
        metadata: Any = None,
    ) -> Any:
        """Make a folder.

        Args:
            parentId: Id of what it comes to.
            name: Its name.
            description: What it is.
            parentType: ``folder``, ``collection`` or ``user``.
            public: Whether everybody sees it; None for what holds for its parent.
            reuseExisting: Whether a folder of that name is taken if there is one.
            metadata: Its metadata, as an object or as JSON.
        """
        name, description, kind = _old.folder_arguments(name, description, parentType)
        given = {
            "parentId": parentId,
            "parentType": kind,
            "name": name,
            "description": description,
            "reuseExisting": reuseExisting,
            "metadata": _dumped(metadata),
            "public": public,
        }
        return self.createResource("folder", given)

    def getFolder(self, folderId: str) -> Any:
        """Ask for the document of a folder.

        Args:
            folderId: Its id.
        """
        return self.getResource("folder", folderId)

    def listFolder(
        self,
        parentId: str,
        parentFolderType: str = "folder",
        name: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> _listing.Listing:
        """List the folders of something.

        Args:
            parentId: Its id.
            parentFolderType: ``folder``, ``collection`` or ``user``.
            name: Their name.
            limit: How many; None for all.
            offset: How many to leave out.
        """
        given = {"parentId": parentId, "parentType": parentFolderType}
        if name:
            given["name"] = name
        return self.listResource("folder", given, limit, offset)

    def getFolderAccess(self, folderId: str) -> Any:
        """Ask who may do what with a folder.

        Args:
            folderId: Its id.
        """
        return self.getResource("folder", folderId, "access")

    def setFolderAccess(self, folderId: str, access: Any, public: bool) -> Any:
        """Say who may do what with a folder.

        Args:
            folderId: Its id.
            access: As `getFolderAccess` gives it, or as JSON.
            public: Whether everybody sees it.
        """
        given = {"access": _dumped(access), "public": public}
        return self._change("PUT", f"folder/{folderId}/access", given)

    def inheritAccessControlRecursive(
        self, ancestorFolderId: str, access: Any = None, public: bool | None = None
    ) -> None:
        """Let all folders below one have its rights.

        Args:
            ancestorFolderId: Its id.
            access: The rights; None for those that it has.
            public: Whether everybody sees it; None for what holds for it.
        """
        if public is None:
            public = self.getFolder(ancestorFolderId)["public"]
        if access is None:
            access = self.getFolderAccess(ancestorFolderId)
        self.setFolderAccess(ancestorFolderId, access, bool(public))
        for folder in self.listFolder(ancestorFolderId):
            self.inheritAccessControlRecursive(folder["_id"], access, public)

    def addMetadataToItem(self, itemId: str, metadata: Mapping[str, Any]) -> Any:
        """Add to the metadata of an item; None as a value takes one away.

        Args:
            itemId: Its id.
            metadata: What is added.
        """
        return self.put(f"item/{itemId}/metadata", json=metadata)

    def addMetadataToFolder(self, folderId: str, metadata: Mapping[str, Any]) -> Any:
        """Add to the metadata of a folder; None as a value takes one away.

        Args:
            folderId: Its id.
            metadata: What is added.
        """
        return self.put(f"folder/{folderId}/metadata", json=metadata)

    def addMetadataToCollection(self, collectionId: str, metadata: Mapping[str, Any]) -> Any:
        """Add to the metadata of a collection; None as a value takes one away.

        Args:
            collectionId: Its id.
            metadata: What is added.
        """
        return self.put(f"collection/{collectionId}/metadata", json=metadata)

    def loadOrCreateFolder(
        self, folderName: str, parentId: str, parentType: str, metadata: Any = None
    ) -> Any:
        """Find a folder by its name, or make it.

        Args:
            folderName: Its name.
            parentId: Id of what it is in.
            parentType: What that is.
            metadata: Its metadata if it is made.
        """
        for folder in self.listFolder(parentId, parentType, name=folderName):
            return folder
        return self.createFolder(parentId, folderName, parentType=parentType, metadata=metadata)

    def loadOrCreateItem(
        self, name: str, parentFolderId: str, reuseExisting: bool = True, metadata: Any = None
    ) -> Any:
        """Find an item by its name, or make it.

        Args:
            name: Its name.
            parentFolderId: Id of the folder that it is in.
            reuseExisting: Whether one that is there is taken.
            metadata: Its metadata if it is made.
        """
        if reuseExisting:
            for item in self.listItem(parentFolderId, name=name):
                return item
        return self.createItem(parentFolderId, name, description="", metadata=metadata)

    # -- uploads

    def isFileCurrent(self, itemId: str, filename: str, filepath: _Path) -> tuple[str | None, bool]:
        """Find a file of an item, and say whether its content is that of a local file.

        Args:
            itemId: Id of the item.
            filename: Name of the file.
            filepath: The local file.

        Returns:
            The id of the file, None if there is none, and whether it has the same content: by the
            SHA-512 digest if the server has one, else by the size.
        """
        return _uploads.is_current(self, itemId, filename, os.fspath(filepath))

    def uploadFileToItem(
        self,
        itemId: str,
        filepath: _Path,
        reference: str | None = None,
        mimeType: str | None = None,
        filename: str | None = None,
        progressCallback: _Callback | None = None,
    ) -> Any:
        """Upload a file into an item, in the place of one of the same name if there is one.

        Args:
            itemId: Id of the item.
            filepath: The file.
            reference: What the server tells its plugins.
            mimeType: Media type, by default guessed by the name.
            filename: Name on the server, by default that of the file.
            progressCallback: Called with ``{'current': ..., 'total': ...}`` after each chunk.

        Returns:
            The document of the file, None if the same content is there.
        """
        path = os.fspath(filepath)
        name = os.path.basename(filename or path)
        return _uploads.upload_to_item(
            self, itemId, path, name, reference, mimeType, progressCallback
        )

    def uploadStreamToFolder(
        self,
        folderId: str,
        stream: Any,
        filename: str,
        size: int,
        reference: str | None = None,
        mimeType: str | None = None,
        progressCallback: _Callback | None = None,
    ) -> Any:
        """Upload what can be read as a new item.

        Args:
            folderId: Id of the folder.
            stream: What is read, as bytes or text.
            filename: Name of the item and its file.
            size: Bytes in all; further ones are not read.
            reference: What the server tells its plugins.
            mimeType: Media type.
            progressCallback: Called after each chunk, if there are several.

        Returns:
            The document of the file.

        Raises:
            IncorrectUploadLengthError: If there is less to read.
        """
        given = {
            "parentType": "folder",
            "parentId": folderId,
            "name": filename,
            "mimeType": mimeType,
            "reference": reference or None,
        }
        if size > self.MAX_CHUNK_SIZE:
            return self._upload_new(stream, size, progressCallback, given)
        # What takes a while goes in two requests: the first tells how to go on after a failure.
        if size > _uploads.LARGEST_WHOLE or self.direct or not self._takes_whole_files():
            return self._upload_new(stream, size, None, given)
        return _uploads.upload_whole(self, stream, size, given)

    def _takes_whole_files(self) -> bool:
        numbers = [
            int(found[0])
            for part in self.getServerVersion()
            if (found := re.findall(r"^\d+", part))
        ]
        return numbers >= [2, 3]

    def _upload_new(self, stream: Any, size: int, callback: _Callback | None, given: Record) -> Any:
        upload = _uploads.start(self, size, given)
        return self._uploadContents(upload, stream, size, callback)

    def uploadFileToFolder(
        self,
        folderId: str,
        filepath: _Path,
        reference: str | None = None,
        mimeType: str | None = None,
        filename: str | None = None,
        progressCallback: _Callback | None = None,
    ) -> Any:
        """Upload a file as a new item.

        Args:
            folderId: Id of the folder.
            filepath: The file.
            reference: What the server tells its plugins.
            mimeType: Media type, by default guessed by the name.
            filename: Name on the server, by default that of the file.
            progressCallback: Called after each chunk, if there are several.

        Returns:
            The document of the file.
        """
        path = os.fspath(filepath)
        name = os.path.basename(filename or path)
        kind = _uploads.guessed(path) if mimeType is None else mimeType
        with open(path, "rb") as stream:
            size = os.path.getsize(path)
            return self.uploadStreamToFolder(
                folderId, stream, name, size, reference, kind, progressCallback
            )

    def uploadFile(
        self,
        parentId: str,
        stream: Any,
        name: str,
        size: int,
        parentType: str = "item",
        progressCallback: _Callback | None = None,
        reference: str | None = None,
        mimeType: str | None = None,
    ) -> Any:
        """Upload what can be read as a new file of an item, or as a new item of a folder.

        Args:
            parentId: Id of the item or folder.
            stream: What is read, as bytes or text.
            name: Name of the file.
            size: Bytes in all; further ones are not read.
            parentType: ``item`` or ``folder``.
            progressCallback: Called after each chunk.
            reference: What the server tells its plugins.
            mimeType: Media type, by default guessed by the name.

        Returns:
            The document of the file.

        Raises:
            IncorrectUploadLengthError: If there is less to read.
        """
        given = {
            "parentType": parentType,
            "parentId": parentId,
            "name": name,
            "mimeType": mimeType or _uploads.guessed(name),
            "reference": reference,
        }
        return self._upload_new(stream, size, progressCallback, given)

    def uploadFileContents(
        self, fileId: str, stream: Any, size: int, reference: str | None = None
    ) -> Any:
        """Replace the content of a file, which keeps its id.

        Args:
            fileId: Its id.
            stream: What is read, as bytes or text.
            size: Bytes in all; further ones are not read.
            reference: What the server tells its plugins.

        Returns:
            The document of the file.

        Raises:
            IncorrectUploadLengthError: If there is less to read.
        """
        given = _uploads.parameters({"size": size, "reference": reference or None})
        answer = self.put(f"file/{fileId}/contents", parameters=given)
        upload = _uploads.checked(answer, _uploads.REPLACED)
        return self._uploadContents(upload, stream, size)

    def _uploadContents(
        self,
        uploadObj: Record,
        stream: Any,
        size: int,
        progressCallback: _Callback | None = None,
    ) -> Any:
        if self.direct and uploadObj.get("behavior") == "s3":
            return _direct.upload_contents(self, uploadObj, stream, size, progressCallback)
        return _uploads.upload_contents(self, uploadObj, stream, size, progressCallback)

    def addFolderUploadCallback(self, callback: Callable[[Record, str], object]) -> None:
        """Call a function after each folder of uploads of trees.

        Args:
            callback: Called with the document of the folder and the local path.
        """
        self._folderUploadCallbacks.append(callback)

    def addItemUploadCallback(self, callback: Callable[[Record, str], object]) -> None:
        """Call a function after each item of uploads of trees.

        Args:
            callback: Called with the document of the item and the local path.
        """
        self._itemUploadCallbacks.append(callback)

    @_old.named
    def upload(
        self,
        filePattern: _Path | Iterable[_Path],
        parentId: str,
        parentType: str = "folder",
        leafFoldersAsItems: bool = False,
        reuseExisting: bool = False,
        blacklist: Iterable[str] | None = None,
        dryRun: bool = False,
        reference: str | None = None,
    ) -> None:
        """Upload files and folders, many at once.

        Args:
            filePattern: A path, a pattern, or several of them.
            parentId: Id or path of what they come to.
            parentType: What that is: ``folder``, ``collection`` or ``user``.
            leafFoldersAsItems: Whether folders of files alone become items.
            reuseExisting: Whether items that are there are taken for those of the same names.
            blacklist: Names that are left out.
            dryRun: Whether nothing is changed.
            reference: What the server tells its plugins.

        Raises:
            HttpError: If the server refuses something.
        """
        self._upload(
            filePattern,
            *(parentId, parentType, leafFoldersAsItems, reuseExisting),
            *(blacklist, dryRun, reference),
        )

    def _upload(
        self,
        patterns: Any,
        parent: str,
        kind: str,
        leaves: bool,
        reuse: bool,
        blacklist: Iterable[str] | None,
        dry: bool,
        reference: str | None,
    ) -> int:
        return _upload_tree.upload(
            *(self, patterns, parent, kind),
            reuse=reuse,
            dry=dry or self.dryrun,
            blacklist=blacklist,
            leaves=leaves,
            reference=reference,
        )

    def _hasOnlyFiles(self, localFolder: str) -> bool:
        with os.scandir(localFolder) as entries:
            return not any(entry.is_dir() for entry in entries)

    def _uploadAsItem(
        self,
        localFile: str,
        parentFolderId: str,
        filePath: str,
        reuseExisting: bool = False,
        dryRun: bool = False,
        reference: str | None = None,
    ) -> None:
        _upload_tree.single(
            *(self, lambda tree: tree.item(localFile, parentFolderId, filePath)),
            reuse=reuseExisting,
            dry=dryRun,
            reference=reference,
        )

    def _uploadFolderAsItem(
        self,
        localFolder: str,
        parentFolderId: str,
        reuseExisting: bool = False,
        blacklist: Iterable[str] | None = None,
        dryRun: bool = False,
        reference: str | None = None,
    ) -> None:
        _upload_tree.single(
            *(self, lambda tree: tree.folder_as_item(localFolder, parentFolderId)),
            reuse=reuseExisting,
            dry=dryRun,
            blacklist=blacklist,
            reference=reference,
        )

    def _uploadFolderRecursive(
        self,
        localFolder: str,
        parentId: str,
        parentType: str,
        leafFoldersAsItems: bool = False,
        reuseExisting: bool = False,
        blacklist: Iterable[str] | None = None,
        dryRun: bool = False,
        reference: str | None = None,
    ) -> None:
        _upload_tree.single(
            *(self, lambda tree: tree.folder(localFolder, parentId, parentType)),
            reuse=reuseExisting,
            dry=dryRun,
            blacklist=blacklist,
            leaves=leafFoldersAsItems,
            reference=reference,
        )

    # -- downloads

    def transformFilename(self, name: str) -> str:
        """Make a name that can be that of a local file.

        Args:
            name: A name on the server.
        """
        own = vars(GirderClient)["_transformFilename"]
        if getattr(type(self), "_transformFilename", own) is not own:
            return self._transformFilename(name)
        return _names.local_name(name)

    def _transformFilename(self, name: str) -> str:
        return _names.local_name(name)

    def downloadFile(
        self,
        fileId: str,
        path: Any,
        created: str | None = None,
        *,
        skip: str | None = None,
    ) -> None:
        """Download a file. It has its name, with the mode of new files, when it is whole.

        Args:
            fileId: Its id.
            path: Where to: a path, a folder, or an open file.
            created: When the file was made, if that is known: a part of its key in the cache.
            skip: ``path``, ``size`` or ``hash`` to leave out a file that is there already.

        Raises:
            IncompleteResponseError: If it does not come whole.
        """
        _downloads.download_file(self, fileId, path, created, skip=skip)

    def downloadFileAsIterator(
        self, fileId: str, chunkSize: int = REQ_BUFFER_SIZE
    ) -> Iterator[bytes]:
        """Download a file piece by piece. Nothing is checked.

        Args:
            fileId: Its id.
            chunkSize: Bytes at a time.

        Returns:
            An iterator of bytes.
        """
        return _downloads.pieces(self._streamingFileDownload(fileId), chunkSize)

    def _streamingFileDownload(self, fileId: str) -> requests.Response:
        headers = {"Accept-Encoding": "identity"}
        answer: requests.Response = self.sendRestRequest(
            "get", f"file/{fileId}/download", headers=headers, stream=True, jsonResp=False
        )
        return answer

    def _copyFile(self, fp: Any, path: Any) -> None:
        _downloads.copy(fp, path)

    def downloadItem(
        self, itemId: str, dest: _Path, name: str | None = None, *, skip: str | None = None
    ) -> None:
        """Download an item.

        Args:
            itemId: Its id.
            dest: Folder in which it comes: as a file if it has one that is named like it, else as
                a folder.
            name: Its name there, by default that on the server.
            skip: ``path``, ``size`` or ``hash`` to leave out files that are there already.
        """
        _download_tree.download_one_item(self, itemId, os.fspath(dest), name, skip)

    def downloadFolderRecursive(
        self, folderId: str, dest: _Path, sync: bool = False, *, skip: str | None = None
    ) -> None:
        """Download a folder and all that is in it, many files at once.

        Args:
            folderId: Its id or path.
            dest: Where to.
            sync: Whether items are left out that `loadLocalMetadata` knows, if they are unchanged.
            skip: ``path``, ``size`` or ``hash`` to leave out files that are there already.
        """
        _download_tree.download_folder(self, folderId, os.fspath(dest), sync, skip)

    def downloadResource(
        self,
        resourceId: str,
        dest: _Path,
        resourceType: str = "folder",
        sync: bool = False,
        *,
        skip: str | None = None,
    ) -> None:
        """Download a folder, or all folders of a collection or of a user.

        Args:
            resourceId: Its id or path.
            dest: Where to.
            resourceType: ``folder``, ``collection`` or ``user``.
            sync: Whether items are left out that `loadLocalMetadata` knows, if they are unchanged.
            skip: ``path``, ``size`` or ``hash`` to leave out files that are there already.
        """
        _download_tree.download_resource(
            self, resourceId, os.fspath(dest), resourceType, sync, skip
        )

    def saveLocalMetadata(self, dest: _Path) -> None:
        """Remember beside a local copy what was downloaded.

        Args:
            dest: The folder of the copy.
        """
        self._local.save(os.fspath(dest))

    def loadLocalMetadata(self, dest: _Path) -> None:
        """Read what is remembered beside a local copy.

        Args:
            dest: The folder of the copy.
        """
        self._local.load(os.fspath(dest))

    def _checkResourcePath(self, objId: Any) -> Any:
        if isinstance(objId, str) and objId.startswith("/"):
            return self.resourceLookup(objId)["_id"]
        return objId

    # -- what older versions had

    file_chunker = _old.file_chunker
    sha512_hasher = staticmethod(_old.sha512_hasher)
    load_or_create_folder = _old.load_or_create_folder
    load_or_create_item = _old.load_or_create_item
    add_folder_upload_callback = _old.add_folder_upload_callback
    add_item_upload_callback = _old.add_item_upload_callback


def _dumped(value: Any) -> str | None:
    """JSON of what is no text yet."""
    return value if value is None or isinstance(value, str) else _json.dumps(value)


_bodies.remember(GirderClient)
