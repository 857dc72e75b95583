mkdir -p /var/lib/runbook/pending && touch /var/lib/runbook/pending/bingo.service.gate
