set -e
mkdir -p /var/lib/runbook/previous/etc/postgresql/17/main; cp -pf /etc/postgresql/17/main/postgresql.conf /var/lib/runbook/previous/etc/postgresql/17/main/
printf '\n%s\n' "include_dir = 'conf.d'   # added by the runbook" >>/etc/postgresql/17/main/postgresql.conf
