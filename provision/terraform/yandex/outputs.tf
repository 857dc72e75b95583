output "site_toml" {
  description = "The site file: terraform output -raw site_toml > site.toml"
  value       = module.site.site_toml
}

output "user_data" {
  description = "The cloud-init user data of each host, by its name. It holds no secret."
  value       = module.site.user_data
}

output "controller" {
  description = "The public address of the controller."
  value       = yandex_compute_instance.controller.network_interface[0].nat_ip_address
}

output "address" {
  description = "The address that users call."
  value       = yandex_vpc_address.service.external_ipv4_address[0].address
}
