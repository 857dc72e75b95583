locals {
  controller_address = cidrhost(cidrsubnet(var.network, 8, 0), 51)

  # From where Yandex Cloud's balancer checks its targets.
  health_checks = ["198.18.235.0/24", "198.18.248.0/24"]

  # Exactly the routes of fabfile/roles/ports.py: who must reach whom, at which TCP port.
  # Port 0: the ports of the app, which are known only after its discovery.
  routes = [
    { from = "edge", to = "app", port = 0, what = "the app" },
    { from = "edge", to = "edge", port = 8081, what = "HAProxy, for the other edge" },
    { from = "edge", to = "edge", port = 8083, what = "HAProxy, for the other edge" },
    { from = "app", to = "postgres", port = 5432, what = "PostgreSQL" },
    { from = "app", to = "edge", port = 8405, what = "HAProxy, for the healers" },
    { from = "monitoring", to = "edge", port = 9100, what = "figures of the host" },
    { from = "monitoring", to = "app", port = 9100, what = "figures of the host" },
    { from = "monitoring", to = "postgres", port = 9100, what = "figures of the host" },
    { from = "monitoring", to = "postgres", port = 9187, what = "figures of PostgreSQL" },
    { from = "monitoring", to = "edge", port = 3903, what = "what users got from nginx" },
    { from = "monitoring", to = "edge", port = 8404, what = "HAProxy's figures" },
  ]

  # What users reach.
  public = [
    { to = "edge", port = 80, what = "http" },
    { to = "edge", port = 443, what = "https" },
  ]

  # By address and not by group: two groups that name each other cannot be made.
  blocks = {
    for role in ["edge", "app", "postgres", "monitoring"] : role => [
      for host in local.hosts : "${local.address[host.name]}/32" if host.role == role
    ]
  }
}

resource "yandex_vpc_security_group" "role" {
  for_each = toset(distinct([for host in local.hosts : host.role]))

  name       = "${var.site_name}-${each.key}"
  network_id = yandex_vpc_network.site.id

  ingress {
    description    = "ssh, from the controller"
    protocol       = "TCP"
    port           = 22
    v4_cidr_blocks = ["${local.controller_address}/32"]
  }

  dynamic "ingress" {
    for_each = [
      for route in local.routes : route
      if route.to == each.key && length(local.blocks[route.from]) > 0
    ]
    content {
      description    = ingress.value.what
      protocol       = "TCP"
      from_port      = ingress.value.port == 0 ? var.app_ports.from : ingress.value.port
      to_port        = ingress.value.port == 0 ? var.app_ports.to : ingress.value.port
      v4_cidr_blocks = local.blocks[ingress.value.from]
    }
  }

  dynamic "ingress" {
    for_each = [for way in local.public : way if way.to == each.key]
    content {
      description    = ingress.value.what
      protocol       = "TCP"
      port           = ingress.value.port
      v4_cidr_blocks = ["0.0.0.0/0"]
    }
  }

  dynamic "ingress" {
    for_each = each.key == "edge" ? [local.health_port] : []
    content {
      description       = "health checks of the balancer"
      protocol          = "TCP"
      port              = ingress.value
      predefined_target = "loadbalancer_healthchecks"
    }
  }

  egress {
    description    = "anywhere: the Debian mirror, the other hosts"
    protocol       = "ANY"
    from_port      = 0
    to_port        = 65535
    v4_cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "yandex_vpc_security_group" "controller" {
  name       = "${var.site_name}-controller"
  network_id = yandex_vpc_network.site.id

  ingress {
    description    = "ssh, from the people who operate the site"
    protocol       = "TCP"
    port           = 22
    v4_cidr_blocks = var.admin_networks
  }

  egress {
    description    = "anywhere"
    protocol       = "ANY"
    from_port      = 0
    to_port        = 65535
    v4_cidr_blocks = ["0.0.0.0/0"]
  }
}
