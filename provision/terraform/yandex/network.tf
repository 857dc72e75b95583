resource "yandex_vpc_network" "site" {
  name = var.site_name
}

# Hosts without a public address reach the Debian mirror through this gateway. Nobody reaches them
# through it.
resource "yandex_vpc_gateway" "egress" {
  name = "${var.site_name}-egress"
  shared_egress_gateway {}
}

resource "yandex_vpc_route_table" "egress" {
  name       = "${var.site_name}-egress"
  network_id = yandex_vpc_network.site.id

  static_route {
    destination_prefix = "0.0.0.0/0"
    gateway_id         = yandex_vpc_gateway.egress.id
  }
}

resource "yandex_vpc_subnet" "zone" {
  for_each = { for number, zone in var.zones : zone => cidrsubnet(var.network, 8, number) }

  name           = "${var.site_name}-${each.key}"
  zone           = each.key
  network_id     = yandex_vpc_network.site.id
  v4_cidr_blocks = [each.value]
  route_table_id = yandex_vpc_route_table.egress.id
}

# The address that users call. It stays when the balancer is made again.
resource "yandex_vpc_address" "service" {
  name = "${var.site_name}-service"
  external_ipv4_address {
    zone_id = var.zones[0]
  }
}
