groupadd --system bingo && gpasswd --add bingo bingo >/dev/null
