chmod 0755 /srv/app/releases/5e5e5e5e5e5e
cd /srv/app/releases && proven=$(ls -1t */proven.json 2>/dev/null | head -n 2) && ls -1t | tail -n +6 | while read -r old; do
  case "$proven" in *"$old/"*) continue ;; esac
  [ "$(readlink ../current)" = "releases/$old" ] || rm -rf "./$old"
done
