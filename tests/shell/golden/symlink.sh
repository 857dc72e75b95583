ln -sfn 'releases/a b' /srv/current.new && mv -Tf /srv/current.new /srv/current
