# PostgreSQL, private, without passwords: people and programs come with Entra tokens.

variable "place" {
  description = "Where it is made, and the tags that it bears."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
}

variable "name" {
  description = "The name of the server."
  type        = string
}

variable "sku_name" {
  description = "The size, such as GP_Standard_D2ds_v5."
  type        = string
}

variable "storage_mb" {
  description = "Storage in MiB; it grows by itself."
  type        = number
}

variable "max_connections" {
  description = "Connections that the server takes, 15 of them its own. Not above what its size allows."
  type        = number
}

variable "zone_redundant" {
  description = "Whether a synchronous standby stands in another zone, and backups in another region."
  type        = bool
}

variable "backup_retention_days" {
  description = "Days that a point in time can be restored for, 7 to 35."
  type        = number
}

variable "subnet_id" {
  description = "The subnet delegated to the server."
  type        = string
}

variable "dns_zone_id" {
  description = "The private DNS zone of its name."
  type        = string
}

variable "tenant_id" {
  description = "The Entra tenant that issues tokens."
  type        = string
}

variable "administrators" {
  description = "The Entra group that administers the server: people, never the service."
  type = object({
    name      = string
    object_id = string
  })
}

resource "azurerm_postgresql_flexible_server" "this" {
  name                          = var.name
  resource_group_name           = var.place.resource_group_name
  location                      = var.place.location
  version                       = "16"
  sku_name                      = var.sku_name
  storage_mb                    = var.storage_mb
  auto_grow_enabled             = true
  zone                          = "1"
  backup_retention_days         = var.backup_retention_days
  geo_redundant_backup_enabled  = var.zone_redundant
  delegated_subnet_id           = var.subnet_id
  private_dns_zone_id           = var.dns_zone_id
  public_network_access_enabled = false
  tags                          = var.place.tags

  authentication {
    active_directory_auth_enabled = true
    password_auth_enabled         = false
    tenant_id                     = var.tenant_id
  }

  dynamic "high_availability" {
    for_each = var.zone_redundant ? ["2"] : []
    content {
      mode                      = "ZoneRedundant"
      standby_availability_zone = high_availability.value
    }
  }

  maintenance_window {
    day_of_week  = 0 # Sunday
    start_hour   = 3
    start_minute = 0
  }

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [zone, high_availability[0].standby_availability_zone] # a failover swaps them
  }
}

resource "azurerm_postgresql_flexible_server_active_directory_administrator" "people" {
  server_name         = azurerm_postgresql_flexible_server.this.name
  resource_group_name = var.place.resource_group_name
  tenant_id           = var.tenant_id
  object_id           = var.administrators.object_id
  principal_name      = var.administrators.name
  principal_type      = "Group"
}

resource "azurerm_postgresql_flexible_server_database" "ledger" {
  name      = "ledger"
  server_id = azurerm_postgresql_flexible_server.this.id
  charset   = "UTF8"
  collation = "en_US.utf8"

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_postgresql_flexible_server_configuration" "this" {
  for_each = {
    max_connections          = tostring(var.max_connections)
    ssl_min_protocol_version = "TLSv1.2"
    log_checkpoints          = "on"
    log_connections          = "on"
    log_disconnections       = "on"
    # A statement's parameters may be a patient's: statements are logged by their text, if at all.
    log_parameter_max_length          = "0"
    log_parameter_max_length_on_error = "0"
    log_statement                     = "ddl"
    log_error_verbosity               = "terse" # the detail of an error quotes the row
    # A migration that forgets its own limit must not queue every append behind it for ever.
    idle_in_transaction_session_timeout = "600000"
    "connection_throttle.enable"        = "on"
  }

  name      = each.key
  server_id = azurerm_postgresql_flexible_server.this.id
  value     = each.value
}

output "id" {
  description = "The id of the server."
  value       = azurerm_postgresql_flexible_server.this.id
}

output "host" {
  description = "The server's name, which its certificate bears."
  value       = azurerm_postgresql_flexible_server.this.fqdn
}

output "database" {
  description = "The name of the ledger's database."
  value       = azurerm_postgresql_flexible_server_database.ledger.name
}
