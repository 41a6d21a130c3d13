<?php

// Switches from options.json in the test's folder:
//   encrypt          encrypt assertions with the certificate of the service provider's metadata (always AES-128-CBC)
//   encrypt_name_id  encrypt the NameID with the same certificate
//   require_signed   refuse an AuthnRequest that carries no signature
//   sign_response, sign_assertion   what is signed (default: both)
//   signature_algorithm   its URI (default: RSA-SHA256)
//   rollover         "announced": the next key stands in the metadata; "done": it signs

$options = json_decode(file_get_contents(getenv('SSP_STATE') . '/options.json'), true);

$metadata['__DYNAMIC:1__'] = [
    'host' => '__DEFAULT__',
    'privatekey' => ($options['rollover'] ?? '') === 'done' ? 'next.key' : 'idp.key',
    'certificate' => ($options['rollover'] ?? '') === 'done' ? 'next.crt' : 'idp.crt',
    'signature.algorithm' => $options['signature_algorithm'] ?? 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'sign.logout' => true,
    'validate.logout' => true,
    'auth' => 'people',
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'authproc' => [
        10 => [
            'class' => 'saml:AttributeNameID',
            'attribute' => 'uid',
            'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
        ],
    ],
    'assertion.encryption' => $options['encrypt'] ?? false,
    'nameid.encryption' => $options['encrypt_name_id'] ?? false,
    'validate.authnrequest' => $options['require_signed'] ?? false,
    'saml20.sign.response' => $options['sign_response'] ?? true,
    'saml20.sign.assertion' => $options['sign_assertion'] ?? true,
];
if (($options['rollover'] ?? '') === 'announced') {
    $metadata['__DYNAMIC:1__']['new_privatekey'] = 'next.key';
    $metadata['__DYNAMIC:1__']['new_certificate'] = 'next.crt';
}
