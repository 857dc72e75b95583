output "user_data" {
  description = "The cloud-init user data of each host, by its name."
  value       = local.user_data
}

output "site_toml" {
  description = "The site file: terraform output -raw site_toml > site.toml"
  value       = local.site_toml
}
