test x$1 = x0123456789abcdef || exit 97
set --; unset s; printf '\n#~0123456789abcdef begin\n'; printf '\n#~0123456789abcdef begin\n' >&2
(
{ cd /
grep -q it /etc/x
} </dev/null
exit $?

)
code=$?
printf '\n#~0123456789abcdef end %s\n' $code; printf '\n#~0123456789abcdef end %s\n' $code >&2
exit $code
