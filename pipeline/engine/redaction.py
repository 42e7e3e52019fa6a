"""Removes keys and passwords from URLs in everything that is shown, logged or stored."""

from __future__ import annotations

import re

HIDDEN = "***"
_SCHEME = r"[a-z][a-z0-9+.-]*(?::|%3A)(?:/|%2F){2}"
_URL = re.compile(rf"{_SCHEME}[^\s'\"<>]*", re.IGNORECASE)
# Up to the last @ before the path; gs://anonymous@ is pyarrow's syntax and no secret.
_USER = re.compile(rf"({_SCHEME})(?!anonymous@)[^/?#&]*(?:@|%40)", re.IGNORECASE)
# A secret key may hold unescaped slashes; host:port/ is none.
_UNESCAPED = re.compile(rf"({_SCHEME})[^/@:]+:(?!\d{{1,5}}(?:[/?#]|$))[^@]*@", re.IGNORECASE)
# Parameters whose value is a secret: secret_key, X-Amz-Signature, sig, api_key, ...
_SECRET_NAME = r"[\w.%-]*?(?:key|secret|token|passw|pwd|sig|credential|auth)[\w.%-]*"
_PARAMETER = re.compile(rf"([?&;]{_SECRET_NAME}=)[^&;#]*", re.IGNORECASE)
_HIDDEN_PARAMETER = re.compile(rf"(?<=[?&;]){_SECRET_NAME}={re.escape(HIDDEN)}[&;]?", re.IGNORECASE)
_DANGLING = re.compile(r"[?&;]+(?=$|#)")
_ADVICE = {
    "s3://": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs://": "GOOGLE_APPLICATION_CREDENTIALS",
    "gcs://": "GOOGLE_APPLICATION_CREDENTIALS",
    "az://": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


def redact(text: str) -> str:
    """Returns the text with the user and password of every URL, and the values of secret parameters, as ``***``.

    ``s3://KEY:SECRET@bucket/x?secret_key=S&region=r`` becomes ``s3://***@bucket/x?secret_key=***&region=r``.
    """
    return _URL.sub(lambda found: _hide(found[0]), text)


def without_keys(text: str) -> str:
    """Returns the text without them, so that the rest can be typed again.

    ``s3://KEY:SECRET@bucket/x?secret_key=S&region=r`` becomes ``s3://bucket/x?region=r``.
    """
    return _URL.sub(lambda found: _drop(found[0]), text)


def advice(text: str) -> str:
    """Returns how to give what `without_keys` removes; empty where it removes nothing."""
    lacking = [url for url in _URL.findall(text) if _drop(url) != url]
    if not lacking:
        return ""
    named = {variables for url in lacking for scheme, variables in _ADVICE.items() if url.lower().startswith(scheme)}
    how = f"set {' and '.join(sorted(named))}" if named else "add them again"
    return f"keys and passwords are left out of its URLs: {how}"


def _hide(url: str) -> str:
    url = _UNESCAPED.sub(rf"\1{HIDDEN}@", _USER.sub(rf"\1{HIDDEN}@", url))
    return _PARAMETER.sub(rf"\1{HIDDEN}", url)


def _drop(url: str) -> str:
    hidden = _hide(url)
    return url if hidden == url else _DANGLING.sub("", _HIDDEN_PARAMETER.sub("", hidden.replace(f"{HIDDEN}@", "")))
