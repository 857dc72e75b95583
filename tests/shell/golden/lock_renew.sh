exec 9>/var/lib/runbook/lock.mutex
flock 9
sed "s/^expires=.*/expires=$(( $(date +%s) + 60 ))/" /var/lib/runbook/lock >/var/lib/runbook/lock.new && mv -f /var/lib/runbook/lock.new /var/lib/runbook/lock
