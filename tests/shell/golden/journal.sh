mkdir -p /var/log/runbook
base64 -d >>/var/log/runbook/journal.jsonl <<'BASE64'
eyJldmVudCI6ICJiZWdpbiJ9Cg==
BASE64
