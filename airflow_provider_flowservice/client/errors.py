"""What went wrong, as one tree.

.. code-block:: text

    FlowServiceError
    ├── InvalidInputError          an argument or a setting is wrong; nothing was sent
    ├── NotSentError               no connection was made: the request had no effect
    │   └── UntrustedServerError   the server's certificate does not verify
    ├── ResponseLostError          sent, but no complete response came back: it may have had an effect
    ├── InvalidResponseError       the response is not what the endpoint promises
    ├── DriftError                 AEP holds something else than what is desired, and it cannot be changed
    └── ApiError                   AEP responded with an error status
        ├── BadRequestError        400, 409, 413, 415, 422 and other statuses that a retry does not fix
        ├── AuthenticationError    401, and the gateway's "token is missing"
        ├── PermissionDeniedError  403
        │   └── SandboxNotFoundError   404 for the sandbox, which says nothing about a resource
        ├── NotFoundError          404
        ├── PreconditionError      412: the resource changed since it was read
        ├── RateLimitError         429
        └── ServerError            5xx
"""

from __future__ import annotations

from typing import Any


class FlowServiceError(Exception):
    """Base of everything that the client raises.

    :param message: what happened and what to do, free of secrets.
    :param method: HTTP method of the request, if one was made or attempted.
    :param path: path of the request without host and query.
    """

    #: HTTP status of the response, where there was one.
    status: int | None = None
    #: AEP's own error code, such as ``FLOW-1439-404`` or ``401013``.
    code: str | None = None
    #: AEP's request id, to give to Adobe's support.
    request_id: str | None = None
    #: Seconds that the server asked to wait.
    retry_after: float | None = None

    def __init__(self, message: str, *, method: str | None = None, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.method = method
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Make the error picklable, whatever its constructor takes."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[FlowServiceError], args: tuple[Any, ...], state: dict[str, Any]) -> FlowServiceError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InvalidInputError(FlowServiceError, ValueError):
    """A value given by the caller is wrong. Raised before anything is sent.

    :param field: name of the argument or setting.
    :param problem: what is wrong with it, with the value unless it is secret.
    :param remedy: what to do instead.
    """

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem}. {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy


class NotSentError(FlowServiceError):
    """No connection could be made (DNS, refused, proxy): the request had no effect."""


class UntrustedServerError(NotSentError):
    """The server's certificate does not verify. Never retried, never switched off.

    :param origin: scheme, host and port of the server.
    :param problem: what the TLS library says.
    """

    def __init__(self, origin: str, problem: str) -> None:
        super().__init__(
            f"{origin}: the server's certificate does not verify: {problem}. Name your CA's file in the extra"
            " 'ca_file' of the connection or in REQUESTS_CA_BUNDLE."
        )


class ResponseLostError(FlowServiceError):
    """The connection broke or timed out after the request went out: it may have had an effect."""


class InvalidResponseError(FlowServiceError):
    """The response is not JSON, or not of the endpoint's shape."""


class DriftError(FlowServiceError):
    """AEP holds something else than what is desired, and it cannot, or must not, be changed."""


class ApiError(FlowServiceError):
    """AEP responded with an error status.

    :param message: AEP's message, with the request.
    :param status: HTTP status.
    :param code: AEP's error code, if the body has one.
    :param request_id: AEP's request id, if the response has one.
    :param retry_after: seconds from a ``Retry-After`` header.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message, method=method, path=path)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after


class BadRequestError(ApiError):
    """AEP does not accept the request (400, 409, 413, 415, 422 ...)."""


class AuthenticationError(ApiError):
    """The token is missing, invalid or expired, or IMS rejected the credential."""


class PermissionDeniedError(ApiError):
    """The credential is valid but may not do this (403)."""


class SandboxNotFoundError(PermissionDeniedError):
    """The sandbox does not exist, or the credential has no access to it."""


class NotFoundError(ApiError):
    """The resource does not exist or is hidden from this credential (404)."""


class PreconditionError(ApiError):
    """The resource changed since it was read (412)."""


class RateLimitError(ApiError):
    """Too many requests (429)."""


class ServerError(ApiError):
    """AEP failed (5xx)."""


#: Gateway codes whose status alone would mislead: for a *missing* token it is 403.
_AUTHENTICATION_CODES = frozenset({"403010", "401013"})
#: AEP responds 404 if the sandbox does not exist. Read as "the resource is gone", a deletion would seem done.
_SANDBOX_CODES = ("FLOW-2100", "FLOW-2101", "FLOW-2102", "FLOW-2103")
_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    412: PreconditionError,
    429: RateLimitError,
}


def api_error_class(status: int, code: str | None) -> type[ApiError]:
    """The class of error for a status and a code."""
    if code in _AUTHENTICATION_CODES:
        return AuthenticationError
    if code is not None and code.startswith(_SANDBOX_CODES):
        return SandboxNotFoundError
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status, BadRequestError)


_PERMANENT = (
    AuthenticationError,
    BadRequestError,
    DriftError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UntrustedServerError,
)


def is_permanent(error: FlowServiceError) -> bool:
    """Whether a further attempt would meet the same error."""
    return isinstance(error, _PERMANENT)


def is_ambiguous(error: FlowServiceError) -> bool:
    """Whether a write that ended with ``error`` may have had its effect nevertheless."""
    return isinstance(error, (ResponseLostError, InvalidResponseError, ServerError))
