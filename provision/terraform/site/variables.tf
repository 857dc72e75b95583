variable "site_name" {
  description = "The name of the site."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.site_name))
    error_message = "The name of the site must be small letters, digits and dashes."
  }
}

variable "hosts" {
  description = "The hosts in the order of their upgrades: name, address in their network, roles."
  type = list(object({
    name    = string
    address = string
    roles   = list(string)
  }))
  validation {
    condition     = length(var.hosts) >= 1 && length(var.hosts) <= 48
    error_message = "There must be 1 to 48 hosts: each upgrades in a half hour of its own."
  }
  validation {
    condition     = alltrue([for host in var.hosts : can(cidrhost("${host.address}/32", 0))])
    error_message = "Each address must be an IPv4 address."
  }
  validation {
    condition = alltrue([
      for role in flatten(var.hosts[*].roles) :
      contains(["edge", "app", "postgres", "monitoring"], role)
    ])
    error_message = "The roles are edge, app, postgres and monitoring."
  }
  validation {
    condition     = length(distinct(var.hosts[*].name)) == length(var.hosts)
    error_message = "Two hosts must not have one name."
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

variable "edge_address" {
  description = "The address that users call: of the provider's balancer, or the floating one."
  type        = string
  validation {
    condition     = can(cidrhost("${var.edge_address}/32", 0))
    error_message = "The address must be an IPv4 address."
  }
}

variable "address_by" {
  description = "Who brings users to the edges: external (a balancer) or vrrp (keepalived)."
  type        = string
  default     = "vrrp"
  validation {
    condition     = contains(["external", "vrrp"], var.address_by)
    error_message = "It must be external or vrrp."
  }
}

variable "balancer" {
  description = "The networks from which the balancer checks the edges; empty with vrrp."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for network in var.balancer : can(cidrhost(network, 0))])
    error_message = "Each must be a network like 198.18.235.0/24."
  }
}

variable "http3" {
  description = "Whether users can reach the edges by UDP too."
  type        = bool
  default     = true
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

variable "data_disk" {
  description = "The device of the database's own disk; empty if it has none."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(/dev/[A-Za-z0-9._/-]+)?$", var.data_disk))
    error_message = "It must be a device like /dev/disk/by-id/virtio-pgdata."
  }
}
