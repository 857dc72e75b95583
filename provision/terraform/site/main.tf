# From a list of hosts to their user data and to the site file. It makes nothing and needs no
# provider: use it with hosts of any provider, or with hosts that somebody installed by hand.
terraform {
  required_version = ">= 1.5"
}

locals {
  templates = "${path.module}/../../cloud-init"

  # As in provision/user_data.py: host number N upgrades at 01:00 plus N half hours.
  begin = { for number, host in var.hosts : host.name => (60 + 30 * number) % 1440 }

  values = {
    for host in var.hosts : host.name => {
      name            = host.name
      roles           = join(", ", host.roles)
      user            = var.user
      public_key      = trimspace(var.public_key)
      time_zone       = var.time_zone
      mirror          = var.mirror
      security_mirror = var.security_mirror != "" ? var.security_mirror : "${var.mirror}-security"
      swap_bytes      = var.swap_mb * 1048576
      upgrade_time    = format("%02d:%02d", floor(local.begin[host.name] / 60), local.begin[host.name] % 60)
      restart_time    = format("%02d:%02d", floor(local.begin[host.name] / 60), local.begin[host.name] % 60 + 15)
      data_disk       = var.data_disk
    }
  }

  user_data = {
    for host in var.hosts : host.name => join("", [
      templatefile("${local.templates}/host.yaml", local.values[host.name]),
      var.mirror != "" ? templatefile("${local.templates}/mirror.yaml", local.values[host.name]) : "",
      contains(host.roles, "postgres") && var.data_disk != ""
      ? templatefile("${local.templates}/data-disk.yaml", local.values[host.name]) : "",
    ])
  }

  # The tables of the site file, but for the hosts.
  tables = {
    ssh = {
      user        = var.user
      key         = var.private_key_file
      known_hosts = "known_hosts"
    }
    app = {
      binary = var.binary
      sha256 = var.sha256
    }
    "app.settings" = { email = var.email }
    database       = { password_file = "secrets/db-password" }
    edge = {
      address    = var.edge_address
      address_by = var.address_by
      balancer   = var.balancer
      http3      = var.http3
    }
    tls = { names = [var.domain] }
  }

  site_toml = templatefile("${path.module}/site.toml.tftpl", {
    site_name = var.site_name
    hosts     = var.hosts
    tables = {
      for name in setunion(keys(local.tables), keys(var.settings)) :
      name => merge(try(local.tables[name], {}), try(var.settings[name], {}))
    }
  })
}
