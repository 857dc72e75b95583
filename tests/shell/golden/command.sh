echo '#~0123456789abcdef'' login'; env LC_ALL=C sudo -n /bin/sh -c 'read -r head; test "$head" = "# $1" || exit 97; exec /bin/sh -s "$1"' sh 0123456789abcdef
