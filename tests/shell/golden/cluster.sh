rm -f /etc/postgresql/17/main/pg_hba.conf /etc/postgresql/17/main/pg_ident.conf
pg_createcluster --encoding UTF8 --locale C.UTF-8 17 main >/dev/null
