"""What is a credential, by its name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

_SECRET_PART = re.compile("secret|password|passphrase|token|credential|privatekey|sshkey|accesskey")
_SECRET_NAME = re.compile("sastoken|sasuri|connectionstring|accesskeyid|pwd|signature|authorization|.*key")


def looks_secret(parameter: str) -> bool:
    """Whether the name of a parameter suggests a credential, for example ``secretKey`` or ``sasKey``."""
    folded = parameter.replace("_", "").replace("-", "").lower()
    return bool(_SECRET_NAME.fullmatch(folded) or _SECRET_PART.search(folded))


def without_secrets(value: Any, secrets: Collection[str] = ()) -> Any:
    """Return a copy of a JSON value for messages, with credentials replaced.

    :param secrets: values to replace in addition to those whose names suggest a credential.
    """
    if isinstance(value, Mapping):
        return {k: "***" if looks_secret(str(k)) else without_secrets(v, secrets) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(item, secrets) for item in value]
    return "***" if str(value) in secrets else value
