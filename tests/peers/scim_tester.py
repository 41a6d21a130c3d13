"""usage: scim_tester.py BASE_URL TOKEN

Runs scim2-tester against a directory: every check on every resource type the server describes. Prints each
result that is not a plain success, then the counts, and fails if any check found a deviation or worse.
"""

import sys
from collections import Counter

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

base_url, token = sys.argv[1:]
client = Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
results = check_server(SyncSCIMClient(client))
for result in results:
    if result.status not in (Status.SUCCESS, Status.COMPLIANT):
        print(result.status.name, result.resource_type or "", result.title, "-", result.reason)
counts = Counter(result.status for result in results)
print(", ".join(f"{count} {status.name.lower()}" for status, count in counts.items()))
bad = counts[Status.DEVIATION] + counts[Status.ERROR] + counts[Status.CRITICAL]
# A run that stopped early, because it could not read the server's description, has checked next to nothing.
sys.exit(0 if not bad and counts[Status.SUCCESS] >= 50 else 1)
