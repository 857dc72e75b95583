useradd --system --gid bingo --no-create-home --home-dir / --shell /usr/sbin/nologin bingo
