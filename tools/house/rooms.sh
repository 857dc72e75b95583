set -e
cd $1
step() { # subject, then pairs
  subject=$1; shift
  python3 tools/house/move.py $PWD "$@"
  ruff check . --fix -q || { ruff check . | tail -20; exit 1; }
  ruff format -q .; mypy | tail -5
  nice python -m pytest -q -x tests/unit tests/shell >tools/house/t.log 2>&1 || { tail -30 tools/house/t.log; exit 1; }
  git add -A; git commit -qm "$subject"; echo "done $subject"
}
sel() { grep -E " $1/" tools/house/map.txt | grep -v "^$1/" || true; }
run() { subject=$1; room=$2; shift 2; args=(); while read -r l; do [ -n "$l" ] && args+=("$l"); done < <(sel $room); step "$subject" "${args[@]}" "$@"; }
run "Move the menu's files into menu/" menu
sed -i 's/^PROJECT = Path(__file__).resolve().parent.parent$/PROJECT = Path(__file__).resolve().parent.parent.parent/' fabfile/settings.py
run "Move settings and inventory into settings/" settings
step "Call secrets and PostgreSQL's link by their names" "engine/secrecy engine/secret" "engine/pglink engine/postgres"
run "Move what the operator sees into console/" console
run "Move the running system into control/" control
run "Move the users' load into traffic/" traffic
run "Move certificates into certs/" certs "flows/certs certs" "flows/certs/rotation flows/rotation"
run "Move discovery out of flows/" discovery "flows/discovery discovery"
sed -i 's#flows/seed,flows/nodefacts#steps/seed,flows/host_facts#' pyproject.toml
run "Move the rollout into rollout/, the seeding to steps/" rollout "flows/seed steps/seed"
run "Move drills out of flows/" drills "flows/drills drills"
step "Move the report out of flows/" "flows/report report"
run "Move the acceptance out of flows/" acceptance "flows/acceptance acceptance"
step "Move the health checks out of flows/" "flows/health health"
step "Call flows by what they show" "flows/nodefacts flows/host_facts" "flows/tuning flows/database"
