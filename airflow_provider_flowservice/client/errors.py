"""The exceptions that the client raises.

.. code-block:: text

    FlowServiceError
    ├── InvalidInputError          an argument or a setting is wrong; nothing was sent
    │   └── NameNotFoundError      AEP has nothing with the given name
    ├── NotSentError               no connection was established: the request had no effect
    │   ├── UntrustedServerError   the certificate of the server cannot be verified
    │   └── NotTheEmulatorError    in a test: the request is for another host than the emulator
    ├── ResponseLostError          sent, but no complete response came back: it may have had an effect
    ├── InvalidResponseError       the response does not have the format of the endpoint
    │   └── ResponseTooLargeError  the response is larger than the client reads
    ├── MissingConnectionError     Airflow has not found a connection, or could not look it up
    ├── RunFailedError             a run of a flow has failed in AEP; another one may succeed
    ├── DriftError                 AEP's state differs from the desired state and cannot be changed
    └── ApiError                   AEP responded with an error status
        ├── BadRequestError        400, 409, 413, 415, 422 and other statuses for which a retry does not help
        ├── AuthenticationError    401, and the gateway's "token is missing"
        │   └── RenewedTokenError  401 again, for a token that IMS has just issued: passes by itself
        ├── PermissionDeniedError  403
        │   └── SandboxNotFoundError   404 for the sandbox, not for a resource in it
        ├── NotFoundError          404
        ├── PreconditionError      412: the resource has changed since it was read
        ├── RateLimitError         429
        └── ServerError            5xx
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from airflow_provider_flowservice.connection_fields import field_name

E = TypeVar("E", bound="ApiError")


class FlowServiceError(Exception):
    """Base class of all exceptions that the client raises.

    :param message: the problem and its remedy, without secrets.
    :param method: HTTP method of the request, if one was sent or attempted.
    :param path: path of the request, without host and query.
    """

    #: HTTP status of the response, if there was one.
    status: int | None = None
    #: AEP's own error code, such as ``FLOW-1439-404`` or ``401013``.
    code: str | None = None
    #: AEP's request id, for Adobe's support.
    request_id: str | None = None
    #: Seconds to wait before the next attempt, if the server sent ``Retry-After``.
    retry_after: float | None = None

    def __init__(self, message: str, *, method: str | None = None, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.method = method
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickling for subclasses with other constructor arguments."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[FlowServiceError], args: tuple[Any, ...], state: dict[str, Any]) -> FlowServiceError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InvalidInputError(FlowServiceError, ValueError):
    """A value given by the caller is invalid. Raised before the request that would use it is sent.

    :param field: name of the argument or setting.
    :param problem: what is wrong, including the value unless it may be secret.
    :param remedy: what to do instead.
    """

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem}. {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy

    @classmethod
    def reject(cls, problems: Iterable[InvalidInputError]) -> None:
        """Raise one error that lists all problems, so that they can be fixed together; nothing if there is none.

        Its attributes are those of the first problem; the others follow its remedy.
        """
        found = list(problems)
        if found:
            first = found[0]
            raise cls(first.field, first.problem, " ".join([first.remedy, *map(str, found[1:])]))


class NameNotFoundError(InvalidInputError):
    """AEP has nothing with the given name, or nothing with that name that is as required."""


class NotSentError(FlowServiceError):
    """No connection could be established (DNS, connection refused, proxy): the request had no effect.

    :param problem: what happened, without the name of a host.
    :param remedy: what to do, without the name of a host.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str | None = None,
        path: str | None = None,
        problem: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message, method=method, path=path)
        self.problem = problem
        self.remedy = remedy


class UntrustedServerError(NotSentError):
    """The certificate of the server cannot be verified. Not retried; verification cannot be disabled.

    :param origin: scheme, host and port of the server.
    :param problem: message of the TLS library.
    """

    def __init__(self, origin: str, problem: str) -> None:
        super().__init__(
            f"{origin}: the server's certificate cannot be verified: {problem}. Set your CA file as"
            f" {field_name('ca_file')} of the connection, or in REQUESTS_CA_BUNDLE."
        )


class NotTheEmulatorError(NotSentError):
    """A test tried to send a request to another host than its emulator. Not retried.

    :param origin: scheme, host and port that the request is for.
    :param emulator: scheme, host and port of the emulator.
    """

    def __init__(self, origin: str, emulator: str) -> None:
        super().__init__(
            f"{origin}: a test may reach nothing but its emulator ({emulator}). Use FlowServiceHook, whose"
            " connections lead to the emulator."
        )


class ResponseLostError(FlowServiceError):
    """The connection broke or timed out after the request was sent: the request may have had an effect."""


class InvalidResponseError(FlowServiceError):
    """The response is not JSON, or does not have the format of the endpoint."""


class ResponseTooLargeError(InvalidResponseError):
    """The response is larger than the client reads. Not retried; the request may have had an effect."""


class DriftError(FlowServiceError):
    """AEP's state differs from the desired state, and it cannot or must not be changed."""


class MissingConnectionError(FlowServiceError):
    """Airflow has not found a connection. It does not tell whether it is missing or could not be looked up."""


class RunFailedError(FlowServiceError):
    """A run of a flow has failed in AEP. Another run may succeed."""


class ApiError(FlowServiceError):
    """AEP responded with an error status.

    :param message: the request and AEP's message.
    :param status: HTTP status.
    :param code: AEP's error code, if the body contains one.
    :param request_id: AEP's request id, if the response contains one.
    :param retry_after: seconds to wait, from the ``Retry-After`` header.
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
    """AEP rejected the request (400, 409, 413, 415, 422 and others)."""


class AuthenticationError(ApiError):
    """The token is missing, invalid or expired, or IMS rejected the credential (401)."""


class RenewedTokenError(AuthenticationError):
    """AEP rejected the renewed token, too, although IMS accepts the credential. Another attempt can succeed."""


class PermissionDeniedError(ApiError):
    """The credential is valid but lacks a permission (403)."""


class SandboxNotFoundError(PermissionDeniedError):
    """The sandbox does not exist, or the credential has no access to it."""


class NotFoundError(ApiError):
    """The resource does not exist or is not visible to the credential (404)."""


class PreconditionError(ApiError):
    """The resource has changed since it was read (412)."""


class RateLimitError(ApiError):
    """Too many requests (429)."""


class ServerError(ApiError):
    """AEP failed (5xx)."""


def retyped(error: ApiError, kind: type[E], message: str) -> E:
    """Return an error of another class, or with another message, about the same response."""
    return kind(
        message,
        status=error.status or 400,
        code=error.code,
        request_id=error.request_id,
        retry_after=error.retry_after,
        method=error.method,
        path=error.path,
    )


#: Gateway codes for token errors. The status alone is misleading: the gateway returns 403 if the token is missing.
_AUTHENTICATION_CODES = frozenset({"403010", "401013"})
#: AEP responds 404 if the sandbox does not exist. Taken for a missing resource, it would make a deletion seem done.
_SANDBOX_CODES = ("FLOW-2100", "FLOW-2101", "FLOW-2102", "FLOW-2103")
_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    412: PreconditionError,
    429: RateLimitError,
}


def api_error_class(status: int, code: str | None) -> type[ApiError]:
    """Return the exception class for an HTTP status and AEP's error code."""
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
    NotTheEmulatorError,
    PermissionDeniedError,
    ResponseTooLargeError,
    UntrustedServerError,
)


def is_permanent(error: FlowServiceError) -> bool:
    """Whether another attempt would fail with the same error."""
    return isinstance(error, _PERMANENT) and not isinstance(error, RenewedTokenError)


def is_final(error: FlowServiceError) -> bool:
    """Whether asking again would fail with the same error, although another attempt of the task may not."""
    return is_permanent(error) or isinstance(error, (MissingConnectionError, RunFailedError))


def is_ambiguous(error: FlowServiceError) -> bool:
    """Whether a request that failed with ``error`` may have had its effect nevertheless."""
    return isinstance(error, (ResponseLostError, InvalidResponseError, ServerError))
