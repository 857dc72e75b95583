attempts='0 1'
try() {
  for _ in ${attempts:-1}; do
    answer=$(LC_ALL=C timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3" 2>&1)
    case $? in
      0) answer='open' ;;
      124) answer='no answer within 1 s'; continue ;;
      *) answer=${answer##*: } ;;
    esac
    break
  done
  echo "tried|$1|$3|$answer"
}
app_port() {
  sed -n "s|^ *server $1 $2:\([0-9]*\) check.*|\1|p" /etc/haproxy/haproxy.cfg 2>/dev/null
}
try node1 192.0.2.21 17000 &
try edge2 192.0.2.12 8081 &
perl -e 'use Socket;
my ($seconds, $own, @peers) = @ARGV;
socket(my $raw, PF_INET, SOCK_RAW, 112) or die "no raw socket: $!\n";
bind($raw, pack_sockaddr_in(0, inet_aton($own))) or die "no address $own: $!\n";
my ($end, %heard) = time + $seconds;
while (time < $end) {
  send($raw, "runbook-preflight", 0, pack_sockaddr_in(0, inet_aton($_))) for @peers;
  my $ready = "";
  vec($ready, fileno($raw), 1) = 1;
  next unless select(my $seen = $ready, undef, undef, 0.2) > 0;
  my $from = recv($raw, my $packet, 2048, 0) or next;
  next if index($packet, "runbook-preflight") < 0;
  $heard{inet_ntoa((unpack_sockaddr_in($from))[1])} = 1;
  # The others must hear this host, too: it goes on sending for a second.
  $end = time + 1 if keys(%heard) == @peers and time + 1 < $end;
}
print "vrrp|$_|", $heard{$_} ? "heard" : "silent", "\n" for @peers;
' 4 192.0.2.11 192.0.2.12 &
wait
