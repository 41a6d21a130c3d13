// usage: saml_oracle.cjs < {folder: {field, at, metadata, request_id, entity_id, key, certificate}}
// Reads each response with node-saml, as the service that it was made for and at its own time, and prints
// {folder: {"subject": NameID} or {"error": why}}.
"use strict";
const { SAML } = require("@node-saml/node-saml");
const { text } = require("node:stream/consumers");

const BASE = "https://sso.tenon.example/saml/conn_01kayc00000000000000000000";
const RealDate = Date;
let now = 0;
globalThis.Date = class extends RealDate {
  constructor(...parts) {
    super(...(parts.length ? parts : [now]));
  }
  static now() {
    return now;
  }
};

async function read({ field, at, metadata, key }) {
  now = RealDate.parse(at);
  const keys = [...metadata.matchAll(/<(?:\w+:)?KeyDescriptor([^>]*)>(.*?)<\/(?:\w+:)?KeyDescriptor>/gs)];
  const signing = keys.filter(([, attributes]) => !attributes.includes("encryption"));
  const certificates = signing.map(([, , body]) => body.match(/X509Certificate[^>]*>([^<]*)</)[1].replace(/\s/g, ""));
  const saml = new SAML({
    callbackUrl: `${BASE}/acs`,
    entryPoint: "https://idp.example/sso",
    issuer: `${BASE}/metadata`,
    audience: `${BASE}/metadata`,
    idpCert: certificates,
    decryptionPvk: key,
    wantAssertionsSigned: false,
    wantAuthnResponseSigned: false,
    acceptedClockSkewMs: 60_000,
  });
  const { profile } = await saml.validatePostResponseAsync({ SAMLResponse: field });
  return profile.nameID;
}

(async () => {
  const cases = JSON.parse(await text(process.stdin));
  const answers = {};
  for (const [folder, one] of Object.entries(cases)) {
    answers[folder] = await read(one).then(
      (subject) => (subject ? { subject } : { error: "it gives no NameID" }),
      (error) => ({ error: String(error) }),
    );
  }
  console.log(JSON.stringify(answers));
})();
