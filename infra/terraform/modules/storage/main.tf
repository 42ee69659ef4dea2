# Two stores: one for the Functions host and for batch files, one for the anchors of the sealed ledger alone,
# so that nobody who may write files may touch an anchor.

variable "place" {
  description = "Where it is made, and the tags that it bears."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
}

variable "app_name" {
  description = "The name of the store of the host and of batch files."
  type        = string
}

variable "anchor_name" {
  description = "The name of the store of anchors."
  type        = string
}

variable "replication" {
  description = "ZRS in one region, GZRS in two."
  type        = string
}

variable "app_principal_id" {
  description = "The principal that the app works as."
  type        = string
}

variable "anchor_days" {
  description = "Days in which nobody can change or delete an anchor."
  type        = number
}

variable "anchor_policy_locked" {
  description = "Whether the days can never be shortened again, not even by an owner. It cannot be undone."
  type        = bool
}

variable "endpoints" {
  description = "The subnet of private endpoints, and the private DNS zones of blobs, queues and tables."
  type = object({
    subnet_id = string
    zone_ids  = map(string)
  })
}

locals {
  endpoints = {
    app-blob    = { store = "app", service = "blob" }
    app-queue   = { store = "app", service = "queue" }
    app-table   = { store = "app", service = "table" }
    anchor-blob = { store = "anchor", service = "blob" }
  }

  stores = {
    app    = { name = var.app_name, id = azurerm_storage_account.app.id }
    anchor = { name = var.anchor_name, id = azurerm_storage_account.anchor.id }
  }
}

resource "azurerm_storage_account" "app" {
  name                             = var.app_name
  resource_group_name              = var.place.resource_group_name
  location                         = var.place.location
  account_tier                     = "Standard"
  account_replication_type         = var.replication
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  public_network_access_enabled    = false
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  local_user_enabled               = false
  allowed_copy_scope               = "AAD"
  tags                             = var.place.tags

  network_rules {
    default_action = "Deny"
    bypass         = ["None"]
  }

  blob_properties {
    # A batch file holds NHS numbers: what is deleted stays a week, no longer.
    delete_retention_policy {
      days = 7
    }

    container_delete_retention_policy {
      days = 7
    }
  }
}

resource "azurerm_storage_container" "batches" {
  name                  = "batches"
  storage_account_id    = azurerm_storage_account.app.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "batches" {
  storage_account_id = azurerm_storage_account.app.id

  rule {
    name    = "forget-batch-files"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["${azurerm_storage_container.batches.name}/"]
    }

    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 30
      }
    }
  }
}

resource "azurerm_storage_account" "anchor" {
  name                             = var.anchor_name
  resource_group_name              = var.place.resource_group_name
  location                         = var.place.location
  account_tier                     = "Standard"
  account_replication_type         = var.replication
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  public_network_access_enabled    = false
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  local_user_enabled               = false
  allowed_copy_scope               = "AAD"
  tags                             = var.place.tags

  network_rules {
    default_action = "Deny"
    bypass         = ["None"]
  }

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = 365
    }

    container_delete_retention_policy {
      days = 365
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_storage_container" "anchors" {
  name                  = "anchors"
  storage_account_id    = azurerm_storage_account.anchor.id
  container_access_type = "private"

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_storage_container_immutability_policy" "anchors" {
  storage_container_resource_manager_id = azurerm_storage_container.anchors.id
  immutability_period_in_days           = var.anchor_days
  locked                                = var.anchor_policy_locked
}

# What the Functions host needs of its store, as Microsoft lists it for identity-based connections.
resource "azurerm_role_assignment" "host" {
  for_each = toset(["Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"])

  scope                = azurerm_storage_account.app.id
  role_definition_name = each.value
  principal_id         = var.app_principal_id
}

resource "azurerm_role_assignment" "anchors" {
  scope                = azurerm_storage_container.anchors.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = var.app_principal_id
}

module "endpoint" {
  source   = "../private_endpoint"
  for_each = local.endpoints

  name        = local.stores[each.value.store].name
  place       = var.place
  resource_id = local.stores[each.value.store].id
  subresource = each.value.service
  subnet_id   = var.endpoints.subnet_id
  dns_zone_id = var.endpoints.zone_ids[each.value.service]
}

output "app_name" {
  description = "The store of the Functions host and of batch files."
  value       = azurerm_storage_account.app.name
}

output "batches_container" {
  description = "The container that takes batch files."
  value       = azurerm_storage_container.batches.name
}

output "anchors_url" {
  description = "The address of the container of anchors."
  value       = "${azurerm_storage_account.anchor.primary_blob_endpoint}${azurerm_storage_container.anchors.name}"
}
