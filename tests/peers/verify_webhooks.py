"""usage: verify_webhooks.py < {"secret": "whsec_…", "deliveries": [{"headers": {…}, "body": "…"}]}

Verifies recorded deliveries with the Standard Webhooks library for Python; fails at the first that doesn't hold.
"""

import json
import sys

from standardwebhooks import Webhook

recorded = json.load(sys.stdin)
webhook = Webhook(recorded["secret"])
for delivery in recorded["deliveries"]:
    webhook.verify(delivery["body"], delivery["headers"])
print(f"{len(recorded['deliveries'])} verified")
