"""usage: saml_oracle.py < {folder: {field, at, metadata, request_id, entity_id, key, certificate}}

Reads each response with python3-saml, as the service that it was made for and at its own time, and prints
{folder: {"subject": NameID} or {"error": why}}.
"""

import datetime
import json
import re
import sys

from lxml import etree
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.utils import OneLogin_Saml2_Utils

HOST = "sso.tenon.example"
PATH = "/saml/conn_01kayc00000000000000000000"
NAMES = {"md": "urn:oasis:names:tc:SAML:2.0:metadata", "ds": "http://www.w3.org/2000/09/xmldsig#"}


def read(case):
    metadata = etree.fromstring(case["metadata"].encode())
    keys = metadata.xpath("//md:KeyDescriptor[not(@use='encryption')]", namespaces=NAMES)
    certificates = [key.xpath("string(.//ds:X509Certificate)", namespaces=NAMES) for key in keys]
    settings = OneLogin_Saml2_Settings({
        "strict": True,
        "sp": {
            "entityId": f"https://{HOST}{PATH}/metadata",
            "assertionConsumerService": {"url": f"https://{HOST}{PATH}/acs"},
            "x509cert": case["certificate"],
            "privateKey": case["key"],
        },
        "idp": {
            "entityId": case["entity_id"] or metadata.xpath("string(//@entityID)"),
            "singleSignOnService": {"url": "https://idp.example/sso"},
            "x509certMulti": {"signing": [re.sub(r"\s", "", text) for text in certificates]},
        },
    })
    now = int(datetime.datetime.fromisoformat(case["at"]).timestamp())
    OneLogin_Saml2_Utils.now = staticmethod(lambda: now)
    response = OneLogin_Saml2_Response(settings, case["field"])
    request = {"https": "on", "http_host": HOST, "script_name": f"{PATH}/acs", "get_data": {}}
    response.is_valid(request, case["request_id"], raise_exceptions=True)
    return response.get_nameid()


def attempt(case):
    try:
        return {"subject": read(case)}
    except Exception as error:  # whatever it is, it is why this one can't be read
        return {"error": f"{type(error).__name__}: {error}"}


print(json.dumps({folder: attempt(case) for folder, case in json.load(sys.stdin).items()}))
