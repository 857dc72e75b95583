# The first part is passed on to the module `site`.
variable "site_name" {
  description = "The name of the site."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.site_name))
    error_message = "The name of the site must be small letters, digits and dashes."
  }
}

variable "user" {
  description = "The ssh user on every host, who may use sudo without a password."
  type        = string
  default     = "ops"
  validation {
    condition     = can(regex("^[a-z_][a-z0-9_-]{0,30}$", var.user))
    error_message = "The user must be a name of small letters, digits, dashes and underscores."
  }
}

variable "public_key" {
  description = "The public key that may log in: the content of the .pub file."
  type        = string
  validation {
    condition     = can(regex("^(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\"\\\\]*)?$", var.public_key))
    error_message = "The key must be one line like ssh-ed25519 AAAA… me@example.com."
  }
}

variable "private_key_file" {
  description = "Where the controller has the private key. Only the path goes into the site file."
  type        = string
  default     = "~/.ssh/id_ed25519"
}

variable "binary" {
  description = "Where the controller finds the app's binary: a path or a URL."
  type        = string
}

variable "sha256" {
  description = "What sha256sum prints for the binary."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.sha256))
    error_message = "It must be 64 hex digits."
  }
}

variable "email" {
  description = "The e-mail address for the app's configuration."
  type        = string
  validation {
    condition     = can(regex("^[^ '\"#:\\\\]+@[^ '\"#:\\\\]+$", var.email))
    error_message = "It must be an e-mail address."
  }
}

variable "domain" {
  description = "The DNS name that users call."
  type        = string
  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z0-9-]+$", var.domain))
    error_message = "It must be a DNS name like shop.example.com, without a dot at its end."
  }
}

variable "settings" {
  description = "More settings of the site file, by table. They win over those from other variables."
  type        = any
  default     = {}
  validation {
    condition = try(alltrue(flatten([
      for name, table in var.settings : concat([can(regex("^[a-z][a-z0-9_.]*$", name))], [
        for value in values(table) : value != null && (can(tostring(value)) || can(tolist(value)))
      ])
    ])), false)
    error_message = "It must be tables of texts, numbers, booleans and lists: { gate = { rate = 60 } }."
  }
}

variable "time_zone" {
  description = "The time zone of all hosts. Upgrades happen from 01:00 in it."
  type        = string
  default     = "Etc/UTC"
  validation {
    condition     = can(regex("^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", var.time_zone))
    error_message = "It must be a time zone like Europe/Berlin."
  }
}

variable "mirror" {
  description = "The Debian mirror; empty for the package sources of the image."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(https?://[A-Za-z0-9.:_-]+(/[A-Za-z0-9._~/-]*)?)?$", var.mirror))
    error_message = "It must be a URL."
  }
}

variable "security_mirror" {
  description = "The mirror of Debian's security updates; empty for the mirror with -security."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(https?://[A-Za-z0-9.:_-]+(/[A-Za-z0-9._~/-]*)?)?$", var.security_mirror))
    error_message = "It must be a URL."
  }
}

variable "swap_mb" {
  description = "Megabytes of swap on each host; 0 is none."
  type        = number
  default     = 1024
  validation {
    condition     = var.swap_mb >= 0 && var.swap_mb <= 999999 && floor(var.swap_mb) == var.swap_mb
    error_message = "It must be a whole number from 0 to 999999."
  }
}

variable "zones" {
  description = "Two availability zones. Only the second app node and mon1 are in the second."
  type        = list(string)
  default     = ["ru-central1-a", "ru-central1-b"]
  validation {
    condition     = length(var.zones) == 2 && length(distinct(var.zones)) == 2
    error_message = "There must be two different zones."
  }
}

variable "network" {
  description = "The network of the site; each zone gets a /24 of it."
  type        = string
  default     = "10.77.0.0/16"
  validation {
    condition = (
      can(cidrsubnet(var.network, 8, 1)) &&
      can(regex("^(10|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168)\\..*/16$", var.network))
    )
    error_message = "It must be a private /16 like 10.77.0.0/16."
  }
}

variable "admin_networks" {
  description = "The networks from which people may log in to the controller by ssh."
  type        = list(string)
  validation {
    condition = length(var.admin_networks) > 0 && alltrue([
      for network in var.admin_networks : can(cidrhost(network, 0)) && network != "0.0.0.0/0"
    ])
    error_message = "Each must be a network like 203.0.113.7/32, and not the whole internet."
  }
}

variable "app_ports" {
  description = "The ports on which the app may listen. Narrow it when discovery has found the port."
  type        = object({ from = number, to = number })
  default     = { from = 1024, to = 65535 }
  validation {
    condition     = 1 <= var.app_ports.from && var.app_ports.from <= var.app_ports.to && var.app_ports.to <= 65535
    error_message = "The ports must be from 1 to 65535, the first not above the last."
  }
}

variable "monitoring" {
  description = "Whether there is a monitoring host."
  type        = bool
  default     = false
}

variable "dns_zone" {
  description = "The zone to make for the record of `domain`, like example.com; empty: none."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(([a-z0-9-]+\\.)+[a-z0-9-]+)?$", var.dns_zone))
    error_message = "It must be a DNS name like example.com, without a dot at its end."
  }
}

variable "image_family" {
  description = "The family of the image of every host: Debian 13, because HTTP/3 needs its nginx."
  type        = string
  default     = "debian-13"
  validation {
    condition     = can(regex("^debian-1[23]", var.image_family))
    error_message = "The runbook supports Debian 12 and 13."
  }
}

variable "platform" {
  description = "The type of virtual machine."
  type        = string
  default     = "standard-v3"
}

variable "disk_type" {
  description = "The type of every disk."
  type        = string
  default     = "network-ssd"
}

variable "data_gb" {
  description = "Gigabytes of the database's own disk."
  type        = number
  default     = 30
  validation {
    condition     = var.data_gb >= 10
    error_message = "The seeded database and its write-ahead log need 10 GB."
  }
}

variable "sizes" {
  description = "Cores, memory and boot disk by role."
  type        = map(object({ cores = number, memory_gb = number, disk_gb = number }))
  default = {
    edge       = { cores = 2, memory_gb = 2, disk_gb = 15 }
    app        = { cores = 2, memory_gb = 2, disk_gb = 15 }
    postgres   = { cores = 2, memory_gb = 4, disk_gb = 15 }
    monitoring = { cores = 2, memory_gb = 2, disk_gb = 20 }
  }
  validation {
    condition = alltrue([
      for role in ["edge", "app", "postgres", "monitoring"] : contains(keys(var.sizes), role)
    ])
    error_message = "Each role needs a size: edge, app, postgres and monitoring."
  }
}
