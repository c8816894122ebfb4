"""Transport: one HTTP session to the API server, with its errors as data."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
import yaml
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import Configuration

from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import Ref, Resource

log = logging.getLogger(__name__)

METADATA_OF_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_OF_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
APPLY = "application/apply-patch+yaml"
PATCH = "application/strategic-merge-patch+json"
JSON = "application/json"
RELOAD_SECONDS = 60.0
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)


@dataclass(slots=True)
class ApiError(Exception):
    """The API server, or the way to it, said no.

    Attributes:
        status: HTTP status; 0 when there was no answer.
        reason: the Status object's reason, such as Conflict, or the kind of transport error.
        message: the Status object's message; never holds a request's body.
        retry_after: seconds, when the server asked for it.
        causes: the Status object's causes, for conflicts of field managers and invalid fields.
    """

    status: int
    reason: str
    message: str
    retry_after: float | None = None
    causes: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.status} {self.reason}: {self.message}"


class NoLoginError(Exception):
    """There is no way to an API server; the message says what was looked for."""


class Login:
    """Where the API server is and who we are there.

    The token is looked after each minute: in a pod its file is read again, of a kubeconfig the plugin or the identity
    provider is asked for the next one.
    """

    def __init__(self, configuration: Configuration, kubeconfig: Any = None) -> None:
        self.configuration = configuration
        self._kubeconfig = kubeconfig
        self._loaded = time.monotonic()
        self._token: str | None = None

    @classmethod
    async def load(cls, kubeconfig: str | None = None, context: str | None = None) -> Login:
        """From a kubeconfig, or from the pod's service account when none is named.

        Args:
            kubeconfig: a file, or several as $KUBECONFIG lists them.
            context: the one to use; its own current one when None.

        Raises:
            NoLoginError: there is neither, or the kubeconfig is not one.
        """
        configuration = Configuration()
        if kubeconfig is None and context is None:
            try:
                kubernetes_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
                return cls(configuration)
            except kubernetes_config.ConfigException:
                pass
        try:
            loader = await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=kubeconfig, context=context, client_configuration=configuration
            )
        except kubernetes_config.ConfigException as error:
            raise NoLoginError(f"no login: {kubeconfig or '~/.kube/config'}: {error}; give --kubeconfig") from None
        except (yaml.YAMLError, AttributeError, OSError, TypeError):
            # Its words could quote the file, which holds tokens.
            raise NoLoginError(f"no login: {kubeconfig} is no kubeconfig; give --kubeconfig") from None
        return cls(configuration, loader)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self.configuration.host).rstrip("/")

    @property
    def namespace(self) -> str:
        """The namespace that the context of the kubeconfig names."""
        context = self._kubeconfig.current_context["context"] if self._kubeconfig else {}
        return str(context.get("namespace") or "default")

    def proxy(self) -> str | None:
        """The proxy on the way to the API server, of the kubeconfig or else of the environment."""
        if self.configuration.proxy:
            return str(self.configuration.proxy)
        url = urlsplit(self.server)
        return None if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme)

    async def authorization(self) -> str | None:
        """The Authorization header. While it cannot be read anew the last one is used; the API server judges it."""
        try:
            await self._reload()
            value = await self.configuration.get_api_key_with_prefix("BearerToken")
            self._token = str(value) if value else None
        except (kubernetes_config.ConfigException, OSError, ValueError) as error:
            log.warning("login not read", extra={"error": type(error).__name__})
        return self._token

    async def _reload(self) -> None:
        """Ask the plugin or the identity provider of a kubeconfig, where there is one and what it gave has expired."""
        if self._kubeconfig is None or time.monotonic() - self._loaded < RELOAD_SECONDS:
            return
        self._loaded = time.monotonic()
        await self._kubeconfig.load_and_set(self.configuration)

    def tls(self) -> ssl.SSLContext:
        """Trust in the API server, and the client certificate if there is one."""
        configuration = self.configuration
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Client:
    """Requests to the API server; every answer but 2xx is an ApiError."""

    def __init__(self, login: Login, user_agent: str) -> None:
        self._login = login
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=login.tls(), keepalive_timeout=60),
            headers={"User-Agent": user_agent},
            read_bufsize=2**21,
            # Not trust_env: that looks through the whole environment, and into ~/.netrc, at each request.
            proxy=login.proxy(),
        )

    @property
    def namespace(self) -> str:
        """Where people mean who name no namespace."""
        return self._login.namespace

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Manifest:
        """One request and its answer as JSON.

        Raises:
            ApiError: any answer but 2xx, and no answer at all.
        """
        return (await self._exchange(method, path, query, body, content_type, accept))[0]

    async def warned(
        self, method: str, path: str, query: Mapping[str, str], body: Manifest
    ) -> tuple[Manifest, tuple[str, ...]]:
        """As `request`, with the warnings that came along.

        Raises:
            ApiError: as `request`; warnings that come with a refusal are not told.
        """
        return await self._exchange(method, path, query, body, JSON, JSON)

    async def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Manifest | None,
        content_type: str,
        accept: str,
    ) -> tuple[Manifest, tuple[str, ...]]:
        headers = await self._headers(accept)
        data = None
        if body is not None:
            data = orjson.dumps(body)
            headers["Content-Type"] = content_type
        try:
            async with self._session.request(
                method, self._login.server + path, params=query, data=data, headers=headers, timeout=REQUEST_TIMEOUT
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, "Unreachable", f"no answer from the API server ({type(error).__name__})") from None
        if response.status >= 300:
            raise _error_of(response, content)
        try:
            return orjson.loads(content), _warnings(response.headers.getall("Warning", ()))
        except orjson.JSONDecodeError:
            raise ApiError(0, "Unreadable", "the answer is no JSON; something between us and the API server") from None

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], accept: str, silence: float
    ) -> AsyncIterator[AsyncIterator[Manifest]]:
        """A watch: its events one by one; `silence` seconds without a byte end it.

        Raises:
            ApiError: the watch was refused, or its connection broke.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=silence)
        url = self._login.server + path
        try:
            async with self._session.get(
                url, params=query, headers=await self._headers(accept), timeout=timeout
            ) as response:
                if response.status >= 300:
                    raise _error_of(response, await response.read())
                yield _events(response.content)
        except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
            raise ApiError(0, "StreamBroken", f"the watch ended ({type(error).__name__})") from None

    async def _headers(self, accept: str) -> dict[str, str]:
        authorization = await self._login.authorization()
        return {"Accept": accept} | ({"Authorization": authorization} if authorization else {})


def _warnings(headers: Iterable[str]) -> tuple[str, ...]:
    """The texts of Warning headers: code 299, an agent, and a quoted string (RFC 7234, section 5.5)."""
    quoted = (re.fullmatch(r'299 \S+ "(.*)"', header, re.DOTALL) for header in headers)
    return tuple(re.sub(r"\\(.)", r"\1", match[1]) for match in quoted if match)


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[Manifest]:
    pending = b""
    async for chunk in content.iter_any():
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if line:
                yield orjson.loads(line)
        # A burst of thousands of buffered events must not starve the workers.
        await asyncio.sleep(0)


def _error_of(response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    try:
        status = orjson.loads(content)
    except orjson.JSONDecodeError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    return error_of_status(response.status, status, response.headers.get("Retry-After"))


def error_of_status(code: int, status: Mapping[str, Any], retry_after: str | None = None) -> ApiError:
    """An error from a Status object, as answers and ERROR events of a watch carry it."""
    details = status.get("details") or {}
    seconds = retry_after or details.get("retryAfterSeconds")
    return ApiError(
        code,
        status.get("reason") or "",
        status.get("message") or "",
        float(seconds) if seconds and str(seconds).isdigit() else None,
        tuple(details.get("causes") or ()),
    )


def collection_path(resource: Resource, namespace: str = "") -> str:
    """The path of a type, in all namespaces or in one."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    place = f"/namespaces/{namespace}" if namespace and resource.namespaced else ""
    return f"{root}{place}/{resource.plural}"


def object_path(ref: Ref, subresource: str = "") -> str:
    """The path of one object or of its subresource."""
    path = f"{collection_path(ref.resource, ref.namespace)}/{ref.name}"
    return f"{path}/{subresource}" if subresource else path
