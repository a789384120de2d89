"""The worker reaches Kafka as the settings say: what Faust makes of them is what aiokafka gets."""

import ssl
from typing import Any

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from touchstream.streams.app import _credentials
from touchstream.streams.process.connection import KafkaConnection

PASSED_ON = "what the settings say"


def options(**settings: Any) -> dict[str, Any]:
    connection = KafkaConnection(servers=("kafka:9092",), **settings)
    return dict(credentials_to_aiokafka_auth(_credentials(connection), None))


def test_plain_connections_have_no_credentials() -> None:
    assert options() == {"security_protocol": "PLAINTEXT"}


def test_ssl_checks_the_brokers_certificate() -> None:
    given = options(security_protocol="SSL")
    assert given["security_protocol"] == "SSL"
    assert given["ssl_context"].verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_sasl_sends_user_password_and_mechanism(protocol: str) -> None:
    given = options(
        security_protocol=protocol, sasl_mechanism="SCRAM-SHA-512", sasl_username="ann", sasl_password=PASSED_ON
    )
    assert given["security_protocol"] == protocol
    assert (given["sasl_plain_username"], given["sasl_plain_password"]) == ("ann", PASSED_ON)
    assert given["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (given["ssl_context"] is not None) == (protocol == "SASL_SSL")
