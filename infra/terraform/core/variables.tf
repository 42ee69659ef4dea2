variable "environment" {
  description = "dev, int, pre or prd"
  type        = string
}

variable "location" {
  description = "The Azure region."
  type        = string
  default     = "uksouth"
}

variable "unique" {
  description = "A few letters that make globally unique names ours."
  type        = string
}

variable "host" {
  description = "The name under which suppliers and clients know the service."
  type        = string
}

variable "notify_base_url" {
  description = "The base address of NHS Notify for this environment."
  type        = string

  validation {
    condition     = var.notify_base_url == (contains(["pre", "prd"], var.environment) ? "https://api.service.nhs.uk" : "https://int.api.service.nhs.uk")
    error_message = "DEV and INT speak to int.api.service.nhs.uk, PRE and PRD to api.service.nhs.uk."
  }
}

variable "address_space" {
  description = "A /22 of the network's own."
  type        = string
}

variable "zone_redundant" {
  description = "Whether a zone may fail: database standby, instances and registry in several zones."
  type        = bool

  validation {
    condition     = var.zone_redundant || !contains(["pre", "prd"], var.environment)
    error_message = "PRE and PRD are redundant over zones."
  }
}

variable "staging_slot" {
  description = "Whether releases are swapped in from a staging slot."
  type        = bool

  validation {
    condition     = var.staging_slot || !contains(["pre", "prd"], var.environment)
    error_message = "PRE and PRD swap releases in from a staging slot."
  }
}

variable "instances" {
  description = "Instances of the app at least and at most."
  type = object({
    least = number
    most  = number
  })
}

variable "workers" {
  description = "Processes of an instance that serve: one a core."
  type        = number
  default     = 4
}

variable "connections_per_worker" {
  description = "DATABASE_CONNECTIONS: connections of one process, at most; three of them are for callbacks alone."
  type        = number
}

variable "gateway_capacity" {
  description = "Instances of the gateway at least and at most."
  type = object({
    least = number
    most  = number
  })
}

variable "database" {
  description = "Size, storage in MiB, connections and days of backup of the database."
  type = object({
    sku_name              = string
    storage_mb            = number
    max_connections       = number
    backup_retention_days = number
  })
}

variable "database_administrators" {
  description = "The Entra group that administers the database."
  type = object({
    name      = string
    object_id = string
  })
}

variable "anchor_days" {
  description = "Days in which nobody can change or delete an anchor."
  type        = number
}

variable "anchor_policy_locked" {
  description = "Whether the days can never be shortened again. It cannot be undone."
  type        = bool
}

variable "rotating" {
  description = "Secrets that have a previous one in the vault (NAME-previous) which is still accepted: HMAC_SECRET, …"
  type        = set(string)
  default     = []
}

variable "pipelines" {
  description = "The issuer and the subjects of the pipelines' service connections (workload identity federation): for deploying, and for migrating."
  type = object({
    issuer             = string
    deployment_subject = string
    migration_subject  = string
  })
}

variable "registry_readers" {
  description = "Principals of other environments that import images from this registry: their deployment identities."
  type        = map(string)
  default     = {}
}

variable "initial_digest" {
  description = "The digest that a new app names until the pipeline's first deployment; by default of an image that does not exist."
  type        = string
  default     = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
}
