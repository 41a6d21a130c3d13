// usage: node verify_webhooks.cjs < {"secret": "whsec_…", "deliveries": [{"headers": {…}, "body": "…"}]}
// Verifies recorded deliveries with the Standard Webhooks library for JavaScript; fails at the first that
// doesn't hold.
const { readFileSync } = require('node:fs');
const { Webhook } = require('standardwebhooks');

const { secret, deliveries } = JSON.parse(readFileSync(0, 'utf8'));
const webhook = new Webhook(secret);
for (const { headers, body } of deliveries) webhook.verify(body, headers);
console.log(`${deliveries.length} verified`);
