"""Keys of every algorithm, made once."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from clutch.auth.keys import Key, read_keys


@pytest.fixture(scope="session")
def keys() -> Mapping[str, Key]:
    """One key per algorithm, with its private half."""
    made = {
        "ed": OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True),
        "ec": ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True),
        "rsa": RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True),
    }
    read = read_keys(json.dumps({"keys": [{**jwk, "kid": kid} for kid, jwk in made.items()]}).encode())
    return {key.algorithm: key for key in read.by_kid.values()}
