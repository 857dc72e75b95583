served() { timeout 3 openssl s_client -no-CAfile -no-CApath -no-CAstore -servername shop.example -connect 192.0.2.11:443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256 2>/dev/null; }
for _ in 1 2 3; do
  now=$(served)
  case "$now" in *=AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB | "") break ;; esac
  sleep 0.4
done
echo "served $now"
