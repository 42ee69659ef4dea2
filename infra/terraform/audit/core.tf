# What `core` made, found by name: nobody needs to read its state.

data "azurerm_user_assigned_identity" "app" {
  name                = local.names.app_identity
  resource_group_name = local.names.core_group
}

data "azurerm_key_vault" "this" {
  name                = local.names.key_vault
  resource_group_name = local.names.core_group
}

data "azurerm_postgresql_flexible_server" "this" {
  name                = local.names.database
  resource_group_name = local.names.core_group
}

data "azurerm_application_gateway" "this" {
  name                = local.names.gateway
  resource_group_name = local.names.core_group
}

data "azurerm_linux_function_app" "this" {
  name                = local.names.app
  resource_group_name = local.names.core_group
}

data "azurerm_service_plan" "this" {
  name                = local.names.plan
  resource_group_name = local.names.core_group
}

data "azurerm_container_registry" "this" {
  name                = local.names.registry
  resource_group_name = local.names.core_group
}

data "azurerm_storage_account" "this" {
  for_each = { app = local.names.app_storage, anchor = local.names.anchor_store }

  name                = each.value
  resource_group_name = local.names.core_group
}

data "azurerm_virtual_network" "this" {
  name                = local.names.network
  resource_group_name = local.names.core_group
}

data "azurerm_network_security_group" "this" {
  for_each = toset(["gateway", "apps", "endpoints", "database", "agents"])

  name                = "nsg-${local.names.network}-${each.key}"
  resource_group_name = local.names.core_group
}

data "azurerm_public_ip" "gateway" {
  name                = "pip-${local.names.gateway}"
  resource_group_name = local.names.core_group
}
