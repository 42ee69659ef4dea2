# Who acts: the app, the gateway, and two for the pipelines, so that who deploys cannot migrate and who serves
# can do neither. None is an administrator of the database.

locals {
  identities = {
    app        = local.names.app_identity
    gateway    = local.names.gateway_identity
    migration  = local.names.migrator
    deployment = local.names.deployer
  }
}

resource "azurerm_user_assigned_identity" "this" {
  for_each = local.identities

  name                = each.value
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  tags                = module.names.tags
}

resource "azurerm_federated_identity_credential" "pipelines" {
  for_each = {
    migration  = var.pipelines.migration_subject
    deployment = var.pipelines.deployment_subject
  }

  name                = "azure-pipelines"
  resource_group_name = azurerm_resource_group.core.name
  parent_id           = azurerm_user_assigned_identity.this[each.key].id
  issuer              = var.pipelines.issuer
  subject             = each.value
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_role_assignment" "deploys" {
  scope                = module.app.id
  role_definition_name = "Website Contributor"
  principal_id         = azurerm_user_assigned_identity.this["deployment"].principal_id
}

resource "azurerm_role_assignment" "imports" {
  scope                = module.registry.id
  role_definition_name = "Container Registry Data Importer and Data Reader"
  principal_id         = azurerm_user_assigned_identity.this["deployment"].principal_id
}
