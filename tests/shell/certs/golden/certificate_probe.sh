cd '/etc/it'"'"'s/tls' 2>/dev/null || { echo absent; exit 0; }
echo "current $(readlink current)"
for part in . 9c71d6078e3b 9c71d6078e3b/chain.pem 9c71d6078e3b/key.pem; do stat -c '%n %U:%G %a' $part 2>/dev/null; done
sha256sum --status -c <<'SUMS' && echo same
9c71d6078e3b646171ac3e85672fa121ea4e66bb5f104d88851c9bef915bd414  9c71d6078e3b/chain.pem
1c53b686b024136fcc29d0a31b9fd7bde789fae77d9c2a40ba738414f6c7e107  9c71d6078e3b/key.pem
SUMS
true
