from __future__ import annotations

import pytest

from pipeline.engine.redaction import advice, redact, without_keys

KEYS = [
    ("s3://KEYID:S3cr3t@bucket/x?region=r", "s3://***@bucket/x?region=r", "s3://bucket/x?region=r"),
    ("S3://KEYID:S3cr3t@bucket", "S3://***@bucket", "S3://bucket"),
    ("s3://KEYID:S3%2Fcr3t@bucket/a@b", "s3://***@bucket/a@b", "s3://bucket/a@b"),
    ("s3://KEYID:S3/cr3t+=@bucket/x", "s3://***@bucket/x", "s3://bucket/x"),
    ("https://me:S3cr3t@host:8443/f.zip", "https://***@host:8443/f.zip", "https://host:8443/f.zip"),
    ("https://me:S3@cr3t@host/f", "https://***@host/f", "https://host/f"),
    ("https://S3cr3t@host/f", "https://***@host/f", "https://host/f"),
    ("redis://:S3cr3t@host:6379", "redis://***@host:6379", "redis://host:6379"),
    ("s3://b/x?access_key=S3cr3t&region=r", "s3://b/x?access_key=***&region=r", "s3://b/x?region=r"),
    ("s3://b/x?region=r&secret_key=S3cr3t", "s3://b/x?region=r&secret_key=***", "s3://b/x?region=r"),
    ("s3://b?access_key=S3cr3t&secret_key=S3cr3t", "s3://b?access_key=***&secret_key=***", "s3://b"),
    ("https://h/f?X-Amz-Signature=S3cr3t&v=1#top", "https://h/f?X-Amz-Signature=***&v=1#top", "https://h/f?v=1#top"),
    ("https://h/f?v=1&sig=S3cr3t#top", "https://h/f?v=1&sig=***#top", "https://h/f?v=1#top"),
    ("s3://b?endpoint_override=http%3A%2F%2Fme%3AS3cr3t%40host", "s3://b?endpoint_override=http%3A%2F%2F***@host", "s3://b?endpoint_override=http%3A%2F%2Fhost"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "hidden", "left"), KEYS)
def test_keys_of_a_url_are_hidden_or_left_out(url, hidden, left):
    assert (redact(url), without_keys(url)) == (hidden, left)
    assert "cr3t" not in redact(url) + without_keys(url)
    sentence = "cannot open {!r}, see '--set store={}'"
    assert redact(sentence.format(url, url)) == sentence.format(hidden, hidden)
    assert redact(f'{{"store": "{url}", "path": "x"}}') == f'{{"store": "{hidden}", "path": "x"}}'


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a@b/c?region=eu&scheme=http",
        "gs://anonymous@bucket/x",
        "http://127.0.0.1:9000/a@b",
        "http://host:9000",
        "/data/me:you@home/x?token=1",
        "boxes: 3 of 4 rows, a@b.example, 4://",
        "",
    ],
)
def test_what_holds_no_key_stays_as_it_is(text):
    assert redact(text) == without_keys(text) == text
    assert advice(text) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--set store=s3://KEYID:S3cr3t@b/x", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("gs://b/x?credentials=S3cr3t", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("https://me:S3cr3t@h/x", "add them again"),
    ],
)
def test_it_is_said_how_to_give_them_again(text, words):
    assert words in advice(text)
