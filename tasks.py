"""The menu of `inv`: the database, certificates and the lab. Each task is a few lines that call
fabfile or lab."""

from __future__ import annotations

from invoke import Collection

import lab.tasks
from fabfile.menu import certs, database

namespace = Collection()
namespace.add_collection(database.namespace, "db")
namespace.add_collection(certs.namespace, "certs")
namespace.add_collection(lab.tasks.ns, "lab")
