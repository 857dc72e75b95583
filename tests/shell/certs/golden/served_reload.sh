set -eu
served() { timeout 3 openssl s_client -no-CAfile -no-CApath -no-CAstore -servername shop.example -connect 192.0.2.11:443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256 2>/dev/null; }
systemctl reload x.service
end=$(($(date +%s) + 30))
until served | grep -q "=AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB"; do
  if [ "$(date +%s)" -ge "$end" ]; then
    echo 'x.service was reloaded, but 192.0.2.11:443 does not serve certificate abababababababab' >&2; exit 1
  fi
  sleep 0.2
done
