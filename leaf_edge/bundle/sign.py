"""Signing a bundle's manifest, and verifying that (what is signed: `parse_added.signed_bytes`).

The manifest holds the SHA-256 of every file, so its signature covers them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.keys import PrivateKey, PublicKey
from leaf_edge.bundle.load import Bundle
from leaf_edge.bundle.manifest import SCHEMA, Manifest, Signature
from leaf_edge.bundle.parse_added import signed_bytes


def signed(bundle: Bundle, key: PrivateKey) -> Bundle:
    """`bundle` in memory with `key`'s signature in place of any other; nothing is written.

    A bundle of schema 1 becomes one of the present schema. The same key and bundle give the same bytes.
    """
    unsigned = replace(bundle.manifest, signature=None, schema=SCHEMA)
    signature = Signature(key.public.id, key.sign(unsigned.to_bytes()))
    manifest = replace(unsigned, signature=signature)
    return replace(bundle, manifest=manifest, text=manifest.to_bytes(), verified_by=key.public.id)


def verify_signature(manifest: Manifest, text: bytes, keys: Sequence[PublicKey]) -> str:
    """The id of the one of `keys` whose signature the manifest bears.

    text: the bytes that `manifest` was read from.
    Raises `BundleError` SIGNATURE_MISSING where it bears none, SIGNATURE_KEY where it is of another key,
    SIGNATURE_INVALID where the manifest is not what that key signed.
    """
    signature = manifest.signature
    known = ", ".join(key.id for key in keys)
    if signature is None:
        raise BundleError(
            BundleCode.SIGNATURE_MISSING, f"the bundle is not signed; expected a signature of {known}"
        )
    message = signed_bytes(text, signature)
    of_that_id = [key for key in keys if key.id == signature.key_id]
    if not of_that_id:
        raise BundleError(
            BundleCode.SIGNATURE_KEY, f"the bundle is signed by {signature.key_id}; expected {known}"
        )
    if not any(key.verifies(signature.value, message) for key in of_that_id):
        raise BundleError(
            BundleCode.SIGNATURE_INVALID,
            f"the signature of {signature.key_id} does not belong to this manifest",
        )
    return signature.key_id
