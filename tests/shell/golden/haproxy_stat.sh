echo 'show stat' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock
