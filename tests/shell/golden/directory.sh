install -d -o app -g app -m 0750 '/srv/a b'
