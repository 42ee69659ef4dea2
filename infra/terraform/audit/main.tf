# What watches: workspace, Application Insights, the vault's copy of its address. `core` is applied before.

data "azurerm_client_config" "current" {}

module "names" {
  source = "../modules/names"

  environment = var.environment
  unique      = var.unique
}

locals {
  names = module.names.names

  place = {
    resource_group_name = azurerm_resource_group.audit.name
    location            = var.location
    tags                = module.names.tags
  }
}

resource "azurerm_resource_group" "audit" {
  name     = local.names.audit_group
  location = var.location
  tags     = module.names.tags
}

resource "azurerm_log_analytics_workspace" "this" {
  name                         = local.names.workspace
  resource_group_name          = azurerm_resource_group.audit.name
  location                     = var.location
  sku                          = "PerGB2018"
  retention_in_days            = var.retention_days
  local_authentication_enabled = false
  tags                         = module.names.tags

  lifecycle {
    ignore_changes = [data_collection_rule_id] # set by privacy.tf: the rule needs the workspace first
  }
}

resource "azurerm_application_insights" "this" {
  name                          = local.names.insights
  resource_group_name           = azurerm_resource_group.audit.name
  location                      = var.location
  application_type              = "web"
  workspace_id                  = azurerm_log_analytics_workspace.this.id
  local_authentication_disabled = true  # only identities that may write here, not whoever knows the key
  disable_ip_masking            = false # callers' addresses are dropped
  tags                          = module.names.tags

  depends_on = [azurerm_resource_group_template_deployment.privacy] # before the first row comes in
}

resource "azurerm_role_assignment" "writes_telemetry" {
  scope                = azurerm_application_insights.this.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = data.azurerm_user_assigned_identity.app.principal_id
}

# The app reads it through a reference. Write-only: the value does not stand in the state as a secret.
resource "azurerm_key_vault_secret" "insights" {
  name             = "applicationinsights-connection-string"
  key_vault_id     = data.azurerm_key_vault.this.id
  value_wo         = azurerm_application_insights.this.connection_string
  value_wo_version = var.insights_secret_version
  content_type     = "connection string"
  tags             = module.names.tags
}
