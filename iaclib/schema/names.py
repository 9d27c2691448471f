"""From the cloud's names to Python's."""

from __future__ import annotations

import keyword
import re
from functools import cache
from typing import Final

#: What a resource has besides its properties; a property of such a name gets an underscore.
RESERVED: Final = frozenset({"logical_name", "opts", "id", "urn", "get"})

_BORDER: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: Spellings that the rule would tear apart, and how they are read.
_WORDS: Final = (
    *((f"{word}s", f"{word.capitalize()}s") for word in (
        "ACL", "ARN", "AZ", "CIDR", "CNAME", "CRL", "DB", "GB", "ID", "IP", "MB", "TB", "TTL", "URI", "URL", "VPC",
    )),
    ("DDoS", "Ddos"),
    ("DynamoDBv2", "DynamodbV2"),
    ("ETag", "Etag"),
    ("FSx", "Fsx"),
    ("GiB", "Gib"),
    ("IPv4", "Ipv4"),
    ("IPv6", "Ipv6"),
    ("IdC", "Idc"),
    ("IoT", "Iot"),
    ("KiB", "Kib"),
    ("MiB", "Mib"),
    ("OAuth", "Oauth"),
    ("SaaS", "Saas"),
    ("VCpu", "Vcpu"),
    ("vCpu", "Vcpu"),
)  # fmt: skip
_TORN: Final = re.compile("|".join(rf"{word}(?![a-z])" for word, _ in _WORDS))
_READ: Final = dict(_WORDS)


@cache
def snake(name: str) -> str:
    """Spell a name as Python does.

    >>> snake("KmsMasterKeyId"), snake("SubnetARNs"), snake("EnableIPv4Only"), snake("DBSubnetGroupName")
    ('kms_master_key_id', 'subnet_arns', 'enable_ipv4_only', 'db_subnet_group_name')
    """
    name = _TORN.sub(lambda found: _READ[found[0]], name)
    return _BORDER.sub("_", name).replace("-", "_").replace(".", "_").lower()


@cache
def key_name(name: str) -> str:
    """Give a nested key's Python name.

    >>> key_name("DBName"), key_name("Not")
    ('db_name', 'not_')
    """
    found = snake(name)
    return found + "_" if keyword.iskeyword(found) else found


def field_name(name: str) -> str:
    """Give a property's name as a field, kept apart from the library's own and from Python's words.

    >>> field_name("From"), field_name("Id"), field_name("Name")
    ('from_', 'id_', 'name')
    """
    found = key_name(name)
    return found + "_" if found in RESERVED else found


def given_name(name: str) -> str:
    """Give the field of a property that keeps the cloud's own name, kept apart from the library's.

    >>> given_name("BucketName"), given_name("id")
    ('BucketName', 'id_')
    """
    return name + "_" if name in RESERVED else name


def module_name(service: str) -> str:
    """Give the module of a service.

    >>> module_name("lambda"), module_name("ec2")
    ('lambda_', 'ec2')
    """
    return service + "_" if keyword.iskeyword(service) else service


def words(name: str) -> list[str]:
    """Take a name apart, for searching.

    >>> words("BucketPolicy")
    ['bucket', 'policy']
    """
    return snake(name).split("_")
