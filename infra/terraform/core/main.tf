# What serves: network, database, vault, stores, registry, app, gateway. `audit` watches over it.

data "azurerm_client_config" "current" {}

module "names" {
  source = "../modules/names"

  environment = var.environment
  unique      = var.unique
}

locals {
  names = module.names.names

  place = {
    resource_group_name = azurerm_resource_group.core.name
    location            = var.location
    tags                = module.names.tags
  }

  # Connections at their most: every instance's every process, and one that registers a batch for it, twice while a
  # release is swapped in. The server keeps 15 for itself; 10 more are for migrations and for people.
  connections          = var.instances.most * var.workers * (var.connections_per_worker + 1) * (var.staging_slot ? 2 : 1)
  connections_reserved = 25
}

resource "azurerm_resource_group" "core" {
  name     = local.names.core_group
  location = var.location
  tags     = module.names.tags
}

module "network" {
  source = "../modules/network"

  name          = local.names.network
  place         = local.place
  address_space = var.address_space
  database_zone = "stledger-${var.environment}.private.postgres.database.azure.com"
}

module "database" {
  source = "../modules/database"

  name                  = local.names.database
  place                 = local.place
  sku_name              = var.database.sku_name
  storage_mb            = var.database.storage_mb
  max_connections       = var.database.max_connections
  backup_retention_days = var.database.backup_retention_days
  zone_redundant        = var.zone_redundant
  subnet_id             = module.network.subnet_ids["database"]
  dns_zone_id           = module.network.dns_zone_ids["database"]
  tenant_id             = data.azurerm_client_config.current.tenant_id
  administrators        = var.database_administrators
}

module "key_vault" {
  source = "../modules/key_vault"

  name      = local.names.key_vault
  place     = local.place
  tenant_id = data.azurerm_client_config.current.tenant_id

  readers = {
    app     = azurerm_user_assigned_identity.this["app"].principal_id
    gateway = azurerm_user_assigned_identity.this["gateway"].principal_id
  }

  endpoints = {
    subnet_id   = module.network.subnet_ids["endpoints"]
    dns_zone_id = module.network.dns_zone_ids["vault"]
  }
}

module "storage" {
  source = "../modules/storage"

  app_name             = local.names.app_storage
  anchor_name          = local.names.anchor_store
  place                = local.place
  replication          = var.zone_redundant ? "GZRS" : "ZRS"
  app_principal_id     = azurerm_user_assigned_identity.this["app"].principal_id
  anchor_days          = var.anchor_days
  anchor_policy_locked = var.anchor_policy_locked

  endpoints = {
    subnet_id = module.network.subnet_ids["endpoints"]
    zone_ids  = module.network.dns_zone_ids
  }
}

module "registry" {
  source = "../modules/registry"

  name           = local.names.registry
  place          = local.place
  zone_redundant = var.zone_redundant

  pullers = merge(var.registry_readers, {
    app       = azurerm_user_assigned_identity.this["app"].principal_id
    migration = azurerm_user_assigned_identity.this["migration"].principal_id
  })

  pushers = {
    deployment = azurerm_user_assigned_identity.this["deployment"].principal_id
  }

  endpoints = {
    subnet_id   = module.network.subnet_ids["endpoints"]
    dns_zone_id = module.network.dns_zone_ids["registry"]
  }
}

module "app" {
  source = "../modules/function_app"

  plan_name                  = local.names.plan
  name                       = local.names.app
  place                      = local.place
  instances                  = var.instances
  workers                    = var.workers
  zone_redundant             = var.zone_redundant
  staging_slot               = var.staging_slot
  storage_account_name       = module.storage.app_name
  app_settings               = local.app_settings
  insights_connection_string = "@Microsoft.KeyVault(SecretUri=${module.key_vault.uri}/secrets/applicationinsights-connection-string)"
  background_functions       = local.background_functions
  subnet_id                  = module.network.subnet_ids["apps"]

  identity = {
    id        = azurerm_user_assigned_identity.this["app"].id
    client_id = azurerm_user_assigned_identity.this["app"].client_id
  }

  image = {
    registry = module.registry.login_server
    name     = "status-ledger-functions"
    digest   = var.initial_digest
  }

  endpoints = {
    subnet_id   = module.network.subnet_ids["endpoints"]
    dns_zone_id = module.network.dns_zone_ids["sites"]
  }
}

module "gateway" {
  source = "../modules/gateway"

  name                  = local.names.gateway
  place                 = local.place
  host                  = var.host
  backend_host          = module.app.host
  capacity              = var.gateway_capacity
  certificate_secret_id = "${module.key_vault.uri}/secrets/gateway-certificate"
  identity_id           = azurerm_user_assigned_identity.this["gateway"].id
  subnet_id             = module.network.subnet_ids["gateway"]
}
