useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin bingo
