locals {
  # edge.health_port of the site file.
  health_port = 8406
}

resource "yandex_lb_target_group" "edges" {
  name = "${var.site_name}-edges"

  dynamic "target" {
    for_each = [for host in local.hosts : host if host.role == "edge"]
    content {
      subnet_id = yandex_vpc_subnet.zone[target.value.zone].id
      address   = local.address[target.value.name]
    }
  }
}

# It passes TCP on as it is: the edges terminate TLS. It has no listener for UDP, so the site file
# says http3 = false.
resource "yandex_lb_network_load_balancer" "service" {
  name = var.site_name

  dynamic "listener" {
    for_each = { http = 80, https = 443 }
    content {
      name = listener.key
      port = listener.value
      external_address_spec {
        address = yandex_vpc_address.service.external_ipv4_address[0].address
      }
    }
  }

  attached_target_group {
    target_group_id = yandex_lb_target_group.edges.id

    # As edge.balancer_interval, balancer_fall and balancer_rise of the site file: a drain waits
    # as long as this balancer needs to notice.
    healthcheck {
      name                = "edge-health"
      interval            = 2
      timeout             = 1
      unhealthy_threshold = 3
      healthy_threshold   = 3
      http_options {
        port = local.health_port
        path = "/edge-health"
      }
    }
  }
}

resource "yandex_dns_zone" "site" {
  count = var.dns_zone == "" ? 0 : 1

  name   = var.site_name
  zone   = "${var.dns_zone}."
  public = true
}

resource "yandex_dns_recordset" "service" {
  count = var.dns_zone == "" ? 0 : 1

  zone_id = yandex_dns_zone.site[0].id
  name    = "${var.domain}."
  type    = "A"
  ttl     = 300
  data    = [yandex_vpc_address.service.external_ipv4_address[0].address]

  lifecycle {
    precondition {
      condition     = endswith(".${var.domain}", ".${var.dns_zone}")
      error_message = "The domain must be in dns_zone, or be its name."
    }
  }
}
