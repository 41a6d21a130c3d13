<?php

// SimpleSAMLphp as an identity provider for one test. Everything that differs from test to test lies in
// the folder that SSP_STATE names, and is read anew for each request.

$state = getenv('SSP_STATE');
$sources = [['type' => 'flatfile']];
if (is_readable("$state/sp.xml")) {
    // The service provider's own metadata document, as an administrator would import it.
    $sources[] = ['type' => 'xml', 'file' => "$state/sp.xml"];
}

$config = [
    'baseurlpath' => 'http://' . ($_SERVER['HTTP_HOST'] ?? 'localhost') . '/',
    'certdir' => "$state/",
    'loggingdir' => "$state/",
    'datadir' => "$state/",
    'tempdir' => "$state/",
    'metadatadir' => __DIR__ . '/metadata/',
    'attributenamemapdir' => getenv('SSP_HOME') . '/../../../etc/simplesamlphp/attributemap/',
    'metadata.sources' => $sources,
    'technicalcontact_name' => 'Tests',
    'technicalcontact_email' => 'na@idp.example',
    'secretsalt' => 'throw-away',
    'auth.adminpassword' => 'throw-away',
    'timezone' => 'UTC',
    'enable.saml20-idp' => true,
    'module.enable' => ['core' => true, 'saml' => true, 'exampleauth' => true],
    'admin.checkforupdates' => false,
    'logging.handler' => 'errorlog',
    'logging.level' => SimpleSAML\Logger::NOTICE,
    'showerrors' => true,
    'errorreporting' => false,
    'production' => true,
    'session.cookie.secure' => false,
    // As it has to be where logout messages are posted from other sites.
    'session.cookie.samesite' => 'None',
    'session.phpsession.savepath' => "$state/",
    'language.cookie.secure' => false,
    'language.cookie.samesite' => null,
    'language.available' => ['en'],
    'language.default' => 'en',
    'store.type' => 'phpsession',
    'authproc.idp' => [],
];
