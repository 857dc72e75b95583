# 0123456789abcdef
test x$1 = x0123456789abcdef || exit 97
set --
umask 022
export HOST_HTTP_PROXY="${http_proxy-}" HOST_HTTPS_PROXY="${https_proxy-}" HOST_FTP_PROXY="${ftp_proxy-}" HOST_NO_PROXY="${no_proxy-}"
set -f
for word in $(export -p); do
  name=${word%%=*}
  case $name in
    '' | HOST_*_PROXY | SHELLOPTS | BASHOPTS | [!A-Za-z_]* | *[!A-Za-z0-9_]*) ;;
    *) unset "$name" ;;
  esac
done
set +f
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
printf '\n#~0123456789abcdef begin\n'; printf '\n#~0123456789abcdef begin\n' >&2
(
{ cd /
grep -q it /etc/x
} </dev/null
exit $?

)
code=$?
printf '\n#~0123456789abcdef end %s\n' $code; printf '\n#~0123456789abcdef end %s\n' $code >&2
exit $code
