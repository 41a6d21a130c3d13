"""usage: bergshamra_oracle.py < {folder: {field, at, metadata, request_id, entity_id, key, certificate}}

Verifies each response with bergshamra, a Rust implementation of XML Signature and Encryption with a parser of its own, by the
keys of the metadata alone; reads the subject from the canonical form of the element that was signed; and prints
{folder: {"subject": NameID} or {"error": why}}.
"""

import base64
import json
import sys

import pybergshamra
from lxml import etree

NAMES = {
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
}


def decrypted(xml, key):
    for encrypted in ["EncryptedAssertion", "EncryptedID"]:
        if f":{encrypted}" in xml or f"<{encrypted}" in xml:
            keys = pybergshamra.KeysManager()
            keys.add_key(pybergshamra.load_rsa_private_pem(key.encode()))
            return pybergshamra.decrypt(pybergshamra.EncContext(keys), xml)
    return xml


def valid(xml, keys):
    """The elements that a signature covers, each by one of the keys; all signatures have to hold."""
    by_key = [pybergshamra.verify_all(pybergshamra.DsigContext(key), xml) for key in keys]
    holding = [[r for r in results if r and r.all_reference_digests_verified] for results in zip(*by_key)]
    if not all(holding):
        raise ValueError([result.reason for result in by_key[0]])
    return [reference.uri.removeprefix("#") for results in holding for reference in results[0].references]


def read(case):
    keys = []
    metadata = etree.fromstring(case["metadata"].encode())
    for text in metadata.xpath("//md:KeyDescriptor[not(@use='encryption')]//ds:X509Certificate/text()", namespaces=NAMES):
        keys.append(pybergshamra.KeysManager())
        keys[-1].add_key(pybergshamra.load_x509_cert_der(base64.b64decode(text)))
    xml = base64.b64decode(case["field"]).decode()
    # What was signed around a ciphertext has to be verified before it is opened; what was signed inside, after.
    signed = valid(xml, keys) if "SignatureValue" in xml else []
    plain = decrypted(xml, case["key"])
    signed = signed or valid(plain, keys)
    subjects = set()
    for element_id in signed:
        element = pybergshamra.canonicalize_subtree(plain, element_id, pybergshamra.C14nMode.Exclusive)
        found = etree.fromstring(element).xpath("//saml:Subject//saml:NameID", namespaces=NAMES)
        subjects |= {name_id.text for name_id in found}
    [subject] = subjects or [None]
    return subject


def attempt(case):
    try:
        subject = read(case)
        return {"subject": subject} if subject else {"error": "no NameID"}
    except Exception as error:  # whatever it is, it is why this one can't be read
        return {"error": f"{type(error).__name__}: {error}"}


print(json.dumps({folder: attempt(case) for folder, case in json.load(sys.stdin).items()}))
