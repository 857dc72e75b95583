cd /srv/app/releases 2>/dev/null || exit 0
now=$(readlink ../current)
for id in *; do
  [ -f "$id/"bingo ] || continue
  [ "$now" = "releases/$id" ] && runs=current || runs=-
  printf '%s %s %s %s %s\n' "$id" "$(date -u -r "$id/"bingo +%Y-%m-%dT%H:%M:%SZ)" "$(stat -c %s "$id/"bingo)" "$runs" "$(tr -d '\n' 2>/dev/null <"$id/proven.json")"
done; true
