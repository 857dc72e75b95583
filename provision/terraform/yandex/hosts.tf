locals {
  # The number is the last part of the address. The order is the order of the upgrades.
  #
  # Both edges are in one zone. When the last edge of a zone fails its health check, the provider
  # takes the zone out of its routing, which takes up to two minutes; it drops what is sent to that
  # edge meanwhile. With one edge in each zone, every drain would cost that. The database is in the
  # same zone: without this zone there is no service in either case.
  hosts = concat([
    { name = "edge1", role = "edge", number = 11, zone = var.zones[0] },
    { name = "edge2", role = "edge", number = 12, zone = var.zones[0] },
    { name = "node1", role = "app", number = 21, zone = var.zones[0] },
    { name = "node2", role = "app", number = 22, zone = var.zones[1] },
    { name = "db1", role = "postgres", number = 31, zone = var.zones[0] },
    ], var.monitoring ? [
    { name = "mon1", role = "monitoring", number = 41, zone = var.zones[1] },
  ] : [])

  # Addresses are chosen here, not read from the hosts: so the site file is known at once, and a
  # host that is made again keeps its place in every other host's configuration.
  address = {
    for host in local.hosts :
    host.name => cidrhost(yandex_vpc_subnet.zone[host.zone].v4_cidr_blocks[0], host.number)
  }
}

module "site" {
  source = "../site"

  site_name        = var.site_name
  user             = var.user
  public_key       = var.public_key
  private_key_file = var.private_key_file
  hosts = [
    for host in local.hosts :
    { name = host.name, address = local.address[host.name], roles = [host.role] }
  ]
  edge_address    = yandex_vpc_address.service.external_ipv4_address[0].address
  address_by      = "external"
  balancer        = local.health_checks
  http3           = false
  binary          = var.binary
  sha256          = var.sha256
  email           = var.email
  domain          = var.domain
  settings        = var.settings
  time_zone       = var.time_zone
  mirror          = var.mirror
  security_mirror = var.security_mirror
  swap_mb         = var.swap_mb
  data_disk       = "/dev/disk/by-id/virtio-pgdata"
}

data "yandex_compute_image" "debian" {
  family = var.image_family
}

resource "yandex_compute_instance" "host" {
  for_each = { for host in local.hosts : host.name => host }

  name                      = "${var.site_name}-${each.key}"
  hostname                  = each.key
  zone                      = each.value.zone
  platform_id               = var.platform
  allow_stopping_for_update = true

  resources {
    cores  = var.sizes[each.value.role].cores
    memory = var.sizes[each.value.role].memory_gb
  }

  boot_disk {
    initialize_params {
      image_id = data.yandex_compute_image.debian.image_id
      size     = var.sizes[each.value.role].disk_gb
      type     = var.disk_type
    }
  }

  dynamic "secondary_disk" {
    for_each = each.value.role == "postgres" ? [yandex_compute_disk.pgdata.id] : []
    content {
      disk_id     = secondary_disk.value
      device_name = "pgdata"
      auto_delete = false
    }
  }

  network_interface {
    subnet_id          = yandex_vpc_subnet.zone[each.value.zone].id
    ip_address         = local.address[each.key]
    security_group_ids = [yandex_vpc_security_group.role[each.value.role].id]
  }

  metadata = {
    user-data = module.site.user_data[each.key]
  }

  lifecycle {
    # A newer image must not replace a running host.
    ignore_changes = [boot_disk[0].initialize_params[0].image_id]
  }
}

# The data outlives the host: Terraform refuses a plan that would destroy this disk.
resource "yandex_compute_disk" "pgdata" {
  name = "${var.site_name}-pgdata"
  zone = var.zones[0]
  type = var.disk_type
  size = var.data_gb

  lifecycle {
    prevent_destroy = true
  }
}

# The controller is the only host with a public address. The runbook runs there, and reaches the
# other hosts at their own addresses. In its subnet, too, the route table leads to the gateway; a
# host with a public address uses this address instead of the gateway.
resource "yandex_compute_instance" "controller" {
  name                      = "${var.site_name}-controller"
  hostname                  = "controller"
  zone                      = var.zones[0]
  platform_id               = var.platform
  allow_stopping_for_update = true

  resources {
    cores  = 2
    memory = 2
  }

  boot_disk {
    initialize_params {
      image_id = data.yandex_compute_image.debian.image_id
      size     = 20
      type     = var.disk_type
    }
  }

  network_interface {
    subnet_id          = yandex_vpc_subnet.zone[var.zones[0]].id
    ip_address         = local.controller_address
    nat                = true
    security_group_ids = [yandex_vpc_security_group.controller.id]
  }

  metadata = {
    user-data = templatefile("${path.module}/../../cloud-init/host.yaml", {
      name            = "controller"
      roles           = "controller"
      user            = var.user
      public_key      = trimspace(var.public_key)
      time_zone       = var.time_zone
      mirror          = var.mirror
      security_mirror = var.security_mirror
      swap_bytes      = var.swap_mb * 1048576
      upgrade_time    = "00:00"
      restart_time    = "00:15"
    })
  }

  lifecycle {
    ignore_changes = [boot_disk[0].initialize_params[0].image_id]
  }
}
