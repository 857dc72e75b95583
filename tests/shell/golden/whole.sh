export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
{ cd /
grep -q it /etc/x
} </dev/null
exit $?
