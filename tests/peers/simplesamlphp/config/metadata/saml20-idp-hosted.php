<?php

// Switches from options.json in the test's folder:
//   encrypt          encrypt assertions with the certificate of the service provider's metadata (always AES-128-CBC)
//   require_signed   refuse an AuthnRequest that carries no signature
//   sign_response, sign_assertion   what is signed (default: both)

$options = json_decode(file_get_contents(getenv('SSP_STATE') . '/options.json'), true);

$metadata['__DYNAMIC:1__'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key',
    'certificate' => 'idp.crt',
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
    'validate.authnrequest' => $options['require_signed'] ?? false,
    'saml20.sign.response' => $options['sign_response'] ?? true,
    'saml20.sign.assertion' => $options['sign_assertion'] ?? true,
];
