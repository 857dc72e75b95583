"""The menu of `inv`: the database, certificates, the lab and provisioning. Each task is a few
lines that call fabfile, lab or provision."""

from __future__ import annotations

from invoke import Collection

import lab.tasks
import provision.tasks
from fabfile.menu import certs, database

namespace = Collection()
namespace.add_collection(database.namespace, "db")
namespace.add_collection(certs.namespace, "certs")
namespace.add_collection(lab.tasks.ns, "lab")
namespace.add_collection(provision.tasks.namespace, "provision")
