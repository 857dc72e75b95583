# runs in two passes: the menu first, since its names are those of rooms
set -e
python3 tools/house/move.py "$1" "certificates menu/certs" "database menu/database" "drills menu/drills"
args=()
while read -r o n; do [ -n "$o" ] && [ "$o" != "$n" ] && case $n in menu/*) ;; *) args+=("$o $n");; esac; done < tools/house/map.txt
for p in acceptance certs discovery drills report health; do args+=("flows/$p $p"); done
python3 tools/house/move.py "$1" "${args[@]}"
cd "$1"
sed -i 's/^PROJECT = Path(__file__).resolve().parent.parent$/PROJECT = Path(__file__).resolve().parent.parent.parent/' fabfile/settings/settings.py
sed -i 's#flows/seed,flows/nodefacts#steps/seed,flows/host_facts#' pyproject.toml
sed -i 's/fabfile\.certificates\.namespace/fabfile.menu.certs.namespace/; s/fabfile\.database\.namespace/fabfile.menu.database.namespace/' tests/unit/test_layers.py
sed -i 's/fabfile\.certificates\.namespace/fabfile.menu.certs.namespace/; s/fabfile\.database\.namespace/fabfile.menu.database.namespace/' tasks.py
