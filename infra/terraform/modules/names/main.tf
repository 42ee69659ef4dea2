# What everything is called, in one place: `audit` finds what `core` made by these names.

variable "environment" {
  description = "dev, int, pre or prd"
  type        = string

  validation {
    condition     = contains(["dev", "int", "pre", "prd"], var.environment)
    error_message = "The environment is dev, int, pre or prd."
  }
}

variable "unique" {
  description = "A few letters that make globally unique names (vault, storage, registry, app, database) ours."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,5}$", var.unique))
    error_message = "Two to six lower case letters and digits, a letter first."
  }
}

locals {
  stem    = "stledger-${var.environment}"
  global  = "${local.stem}-${var.unique}"
  letters = "stledger${var.environment}${var.unique}"
}

output "names" {
  description = "The name of each resource."
  value = {
    core_group       = "rg-${local.stem}-core"
    audit_group      = "rg-${local.stem}-audit"
    network          = "vnet-${local.stem}"
    database         = "psql-${local.global}"
    key_vault        = "kv-${local.global}"
    app_storage      = "${local.letters}app"
    anchor_store     = "${local.letters}anc"
    registry         = "${local.letters}cr"
    plan             = "asp-${local.stem}"
    app              = "func-${local.global}"
    app_identity     = "id-${local.stem}-app"
    gateway          = "agw-${local.stem}"
    workspace        = "log-${local.stem}"
    insights         = "appi-${local.stem}"
    migrator         = "id-${local.stem}-migration"
    deployer         = "id-${local.stem}-deployment"
    gateway_identity = "id-${local.stem}-gateway"
  }
}

output "tags" {
  description = "On everything that can bear tags."
  value = {
    Application = "status-ledger"
    Environment = var.environment
    ManagedBy   = "terraform"
    Repository  = "status-ledger"
  }
}
