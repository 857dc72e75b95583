mkdir -p /var/lib/runbook/pending && touch /var/lib/runbook/pending/postgresql@17-main.service.restart /var/lib/runbook/pending/haproxy.service.reload
