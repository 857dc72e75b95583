echo 'show stat' | socat -t2 stdio /run/haproxy/admin.sock
