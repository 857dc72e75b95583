cd /srv/app/releases && ls -1t | tail -n +6 | while read -r old; do
  [ "$(readlink ../current)" = "releases/$old" ] || rm -rf "./$old"
done
