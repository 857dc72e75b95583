set -eu
install -d -o root -g www-data -m 0750 '/etc/it'"'"'s/tls'
cd '/etc/it'"'"'s/tls'
rm -rf .new.??????
new=$(mktemp -d .new.XXXXXX)
trap 'rm -rf "$new"' EXIT
base64 -d >"$new"/chain.pem <<'BASE64'
LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmdvbGRlbgo=
BASE64
base64 -d >"$new"/key.pem <<'BASE64'
Z29sZGVuLWtleQo=
BASE64
leaf=$(openssl x509 -noout -pubkey <"$new"/chain.pem)
key=$(openssl pkey -pubout <"$new"/key.pem)
[ "$leaf" = "$key" ] || { echo "the key does not belong to the certificate" >&2; exit 65; }
chown root:root "$new"/chain.pem; chmod 0644 "$new"/chain.pem
chown root:www-data "$new"/key.pem; chmod 0640 "$new"/key.pem
sync "$new"/chain.pem "$new"/key.pem
install -d -o root -g www-data -m 0750 9c71d6078e3b
mv -fT "$new"/chain.pem 9c71d6078e3b/chain.pem; mv -fT "$new"/key.pem 9c71d6078e3b/key.pem
old=$(readlink current || true)
if [ -n "$old" ] && [ "$old" != 9c71d6078e3b ]; then ln -sfn "$old" previous; fi
ln -sfn 9c71d6078e3b .current.new; mv -fT .current.new current
for old_pair in ????????????; do
  case "$old_pair" in 9c71d6078e3b | "$(readlink previous)") ;;
  *) if [ -f "$old_pair"/key.pem ]; then rm -rf "$old_pair"; fi ;;
  esac
done
