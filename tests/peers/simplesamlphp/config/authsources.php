<?php

// The people of the identity provider, from people.json in the test's folder:
// {"<user name>:<password>": {"<attribute>": ["<value>", …]}}.

$people = json_decode(file_get_contents(getenv('SSP_STATE') . '/people.json'), true);

$config = [
    'admin' => ['core:AdminPassword'],
    'people' => ['exampleauth:UserPass'] + $people,
];
