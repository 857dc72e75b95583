"""The menu of `inv`: the database, certificates and the lab. Each task is a few lines that call fabfile or lab."""

from __future__ import annotations

from invoke import Collection

import fabfile.certificates
import fabfile.database
import lab.tasks

namespace = Collection()
namespace.add_collection(fabfile.database.namespace, "db")
namespace.add_collection(fabfile.certificates.namespace, "certs")
namespace.add_collection(lab.tasks.ns, "lab")
